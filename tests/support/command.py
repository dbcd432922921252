"""The command line in this process."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rtstrf.cli.main import main


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


class Command:
    """Runs `rtstrf` with arguments, and returns its exit code and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Outcome:
        self._capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as exit_:  # argparse's own mistakes
            code = int(exit_.code or 0)
        captured = self._capsys.readouterr()
        return Outcome(code, captured.out, captured.err)


def assert_refused(outcome: Outcome, *words: str) -> None:
    """Check that a command ended with one message for the user: exit code 2, what and what to do, no traceback."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.err.count("rtstrf ") >= 1
    message = outcome.err.strip().splitlines()
    assert sum("  -> " in line for line in message) == 1, outcome.err
    for word in words:
        assert word in outcome.err, outcome.err
