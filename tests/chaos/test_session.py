"""Faults in a real session: what is announced is what was injected, and a server that lies is found out."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from rtstrf.chaos.row import Row
from rtstrf.chaos.session import run_chaos
from rtstrf.chaos.stage import Stage

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes are stopped on POSIX systems only")


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {row.fault: row for row in rows}


def test_every_fault_of_sound_and_model_is_survived_and_announced_as_injected(tmp_path: Path) -> None:
    faults = ("xruns", "dropped", "late", "stall", "unplug", "malformed", "mixed")
    rows = run_chaos(tmp_path, 1, quick=True, only=faults)
    assert len(rows) == len(faults)
    for row in rows:
        assert row.skipped is None
        assert row.injected == row.announced, row
        assert row.survived, row.checks
    found = by_name(rows)
    assert found["xruns"].injected["samples lost"] > 0
    for name in ("dropped blocks", "model stalls", "unplugged"):
        assert found[name].injected["bins missing"] > 0
    assert found["malformed control"].notes["refused"] > 100


def test_a_full_disk_a_killed_server_and_a_stolen_port_are_survived(tmp_path: Path) -> None:
    rows = run_chaos(tmp_path, 3, quick=True, only=("xruns", "theft", "disk", "kill", "again"))
    for row in rows:
        assert row.good, row
    assert {"port theft", "full disk", "kill -9 and restart", "kill -9, recording", "all recordings run again"} <= set(
        by_name(rows)
    )


@pytest.mark.parametrize(
    ("lie", "fault"),
    [("tell_no_loss", "xruns"), ("swallow_losses", "dropped"), ("tell_no_gap", "dropped"), ("mark_nothing", "xruns")],
)
def test_a_server_that_lies_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str, fault: str) -> None:
    monkeypatch.setattr(Stage, "server_module", "tests.chaos.lying_server")
    monkeypatch.setenv("RTSTRF_TEST_LIE", lie)
    monkeypatch.setattr("rtstrf.chaos.stage.PATIENCE_S", 5.0)
    (row,) = run_chaos(tmp_path, 0, quick=True, only=(fault,))
    assert not row.good


def test_a_server_that_dies_is_a_failed_fault_and_not_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(stage: Stage, chance: object) -> Row:
        stage.server.process.kill()
        stage.server.process.wait()
        stage.mark()
        raise AssertionError("it answered")

    monkeypatch.setitem(__import__("rtstrf.chaos.session", fromlist=["FAULTS"]).FAULTS, "xruns", die)
    (row,) = run_chaos(tmp_path, 0, quick=True, only=("xruns",))
    assert not row.good
    assert "ended" in next(iter(row.checks))
