"""`rtstrf bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import rtstrf.bench.step as step
from rtstrf.cli.bench import measures
from rtstrf.cli.main import make_parser
from tests.support.command import Command, assert_refused
from tests.support.models import tiny_checkpoint

TINY = step.Effort("quick", hops=40, most_s=1.0, paced_s=0.02, error_hops=20, jitter_s=0.01)


@pytest.fixture
def rtstrf(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(step, "QUICK", TINY)
    return str(tiny_checkpoint(tmp_path / "tiny"))


@pytest.mark.parametrize("bench", measures())
def test_every_subcommand_explains_itself_with_an_example_that_is_understood(
    bench: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args(["bench", bench, "--help"])
    assert "example:" in capsys.readouterr().out
    for line in measures()[bench].example.splitlines():
        words = line.split()
        assert words[:3] == ["rtstrf", "bench", bench]
        assert make_parser().parse_args(words[1:]).bench == bench


def test_json_is_the_machine_and_the_rows_and_nothing_else_on_the_standard_output(rtstrf: Command, tiny: str) -> None:
    outcome = rtstrf("bench", "step", "--quick", "--json", "--backend", "eager", "--model", tiny)
    told: dict[str, Any] = json.loads(outcome.out)
    assert outcome.code == 0
    assert told.keys() == {"machine", "rows"}
    (row,) = told["rows"]
    assert {"model", "backend", "device", "lanes", "p50_us", "p99_us", "p99_9_us", "max_us", "max_error"} <= row.keys()
    assert {"missed_deadlines", "hops", "jitter_floor_p99_us", "floor_us", "percent_of_floor"} <= row.keys()
    assert row["mode"] == "quick"
    assert told["machine"]["flush_to_zero"] is True
    assert "tiny" in outcome.err  # the progress


def test_the_table_has_the_same_figures(rtstrf: Command, tiny: str) -> None:
    outcome = rtstrf("bench", "step", "--quick", "--backend", "eager", "--model", tiny, "--quiet")
    assert outcome.code == 0
    assert outcome.err == ""
    for name in ("p50_us", "max_error", "missed_deadlines", "percent_of_floor"):
        assert name in outcome.out


def test_results_are_kept_in_a_file_of_the_machine(rtstrf: Command, tiny: str, tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    for _ in range(2):
        assert rtstrf("bench", "step", "--quick", "--backend", "eager", "--model", tiny, "--out", path).code == 0
    assert list(json.loads(path.read_text())) == ["step"]


def test_what_cannot_be_measured_is_refused_before_anything_is(rtstrf: Command, tiny: str) -> None:
    assert_refused(rtstrf("bench", "step", "--model", "none"), "no model 'none'")
    assert_refused(rtstrf("bench", "step", "--model", tiny, "--device", "cuda:99"), "no device 'cuda:99'")
    assert rtstrf("bench").code == 2
    assert rtstrf("bench", "step", "--lanes", "0").code == 2


def test_what_the_system_does_not_grant_is_said_and_measured_without(rtstrf: Command, tiny: str) -> None:
    outcome = rtstrf("bench", "step", "--quick", "--json", "--backend", "eager", "--model", tiny, "--cores", "100000")
    assert outcome.code == 0
    assert "not granted: cores 100000" in outcome.err
    assert json.loads(outcome.out)["machine"]["refused"]
