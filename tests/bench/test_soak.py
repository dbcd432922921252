"""The soak judges: a process that grows, a bin that is missing and a client that is late are each seen."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    spec = importlib.util.spec_from_file_location("soak", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def watched(growth_bytes: float) -> dict:
    """Return what is watched of a server of 300 MB and a client that grows by so much over the run."""
    times = np.linspace(0.0, 600.0, 300)
    sizes = [np.full(300, 300e6), 40e6 + growth_bytes * times / 600.0]
    return {"names": ["server", "client 1"], "samples": np.stack([times, *sizes], axis=1), "seconds": 600.0}


def test_a_process_that_grows_is_seen_and_one_that_trembles_is_not(soak: ModuleType) -> None:
    assert soak.memory_of(watched(0.0))["memory_flat"]
    assert soak.memory_of(watched(1e6))["memory_flat"]
    leak = soak.memory_of(watched(5e6))
    assert not leak["memory_flat"]
    assert leak["memory_mb"]["client 1"]["last"] > leak["memory_mb"]["client 1"]["first"]


def test_lateness_is_compared_between_the_first_and_the_last_part(soak: ModuleType) -> None:
    part = np.repeat(np.arange(5), 200)
    heard = [{"late_ms": np.where(part == 4, 3.0, 2.0), "part": part}]
    told = soak.lateness_of(heard)
    assert told["p99_ratio"] == 1.5
    assert [each["p99"] for each in told["late_ms"]] == [2.0, 2.0, 2.0, 2.0, 3.0]


def test_what_is_missing_is_counted_of_the_client_that_has_least(soak: ModuleType) -> None:
    heard = [{"bins": 99, "bins_lost": 1, "messages_lost": 0}, {"bins": 100, "bins_lost": 0, "messages_lost": 0}]
    told = soak.missing_of(heard, {"bins_missing": 0, "dropped": 0}, 100)
    assert (told["bins"], told["bins_received_least"], told["bins_lost"]) == (100, 99, 1)


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="memory of processes is read on POSIX systems only")
def test_a_short_soak_runs_and_loses_nothing_silently() -> None:
    command = [sys.executable, str(PATH), "--minutes", "0.1", "--clients", "2", "--busy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert told["bins"] == 1200
    assert told["judged"]["nothing is lost silently"], told
    assert set(told["memory_mb"]) == {"server", "client 1", "client 2"}
    assert len(told["late_ms"]) == 5
