"""`rtstrf chaos`: its table, its JSON and its exit code. The faults themselves are tested in tests/chaos."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from rtstrf.chaos.stage import Stage
from tests.support.command import Command, assert_refused

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes are stopped on POSIX systems only")


@pytest.fixture
def rtstrf(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


def test_a_fault_that_is_survived_is_exit_code_0_and_kept_as_json(rtstrf: Command, tmp_path: Path) -> None:
    done = rtstrf("chaos", "--only", "xruns", "--seed", "5", "--json", "--out", tmp_path / "deep" / "chaos.json")
    assert done.code == 0, done
    told = json.loads(done.out)
    assert told == json.loads((tmp_path / "deep" / "chaos.json").read_text())
    (row,) = told["rows"]
    assert row["fault"] == "xruns"
    assert row["injected"] == row["announced"]
    assert row["injected"]["samples lost"] > 0
    assert row["survived"]


def test_a_loss_that_is_not_announced_is_exit_code_1(rtstrf: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stage, "server_module", "tests.chaos.lying_server")
    monkeypatch.setenv("RTSTRF_TEST_LIE", "tell_no_loss")
    done = rtstrf("chaos", "--only", "xruns")
    assert done.code == 1
    assert "samples lost: 0" in done.out
    assert "NOT survived" in done.out


def test_an_unknown_fault_says_which_there_are(rtstrf: Command) -> None:
    assert_refused(rtstrf("chaos", "--only", "fire"), "no fault 'fire'", "xruns, dropped, late")
