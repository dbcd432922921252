"""Malformed input is refused in words: a few thousand here, 100,000 by `make fuzz`."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rtstrf.errors import ConfigError
from tests.fuzz import run
from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS, Target

ROOT = Path(__file__).parents[2]
COUNTS = {"requests": 1500, "configs": 800, "checkpoints": 300, "sounds": 1500}


@pytest.mark.parametrize("name", TARGETS)
def test_malformed_input_is_refused_without_a_crash_a_hang_or_a_traceback(name: str) -> None:
    outcome = fuzz(name, COUNTS[name], seed=1)
    assert outcome["failures"] == []
    assert outcome["refused"] > COUNTS[name] // 3, "too little of it was malformed"
    assert outcome["refused"] + outcome["accepted"] == COUNTS[name]


class Fragile(Target):
    """Refuses some, crashes at some and hangs at others."""

    def make(self, chance: random.Random) -> Any:
        return chance.choice(("refuse", "crash", "hang", "accept"))

    def attempt(self, made: Any) -> bool:
        if made == "refuse":
            raise ConfigError("no", remedy="yes")
        if made == "crash":
            raise KeyError("crash")
        while made == "hang":
            time.sleep(0.01)
        return True


@pytest.mark.skipif(not hasattr(run.signal, "setitimer"), reason="this system cannot interrupt what hangs")
def test_a_crash_and_a_hang_are_found_and_told_with_their_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "fragile", Fragile)
    monkeypatch.setattr(run, "HANGS_AFTER_S", 0.05)
    outcome = fuzz("fragile", 40, seed=0)
    told = {failure["input"]: failure["error"] for failure in outcome["failures"]}
    assert told["'crash'"] == "KeyError('crash')"
    assert told["'hang'"].startswith("Hang(")
    assert outcome["failed"] + outcome["refused"] + outcome["accepted"] == 40
    numbers = [failure["number"] for failure in outcome["failures"]]
    again = fuzz("fragile", 1, seed=0, first=numbers[3])
    assert [failure["number"] for failure in again["failures"]] == [numbers[3]]


def test_the_command_says_what_came_of_each_target() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--count", "40", "--target", "configs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"tried": 40' in done.stdout
