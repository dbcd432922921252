from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rtstrf
from rtstrf.wire import host


def test_two_programs_on_one_machine_agree_on_its_name():
    environment = {**os.environ, "PYTHONPATH": str(Path(rtstrf.__file__).resolve().parents[1])}
    code = "from rtstrf.wire.host import machine_id; print(machine_id())"
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == host.machine_id()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is the most memory so far, which need not grow")
def test_memory_grows_by_what_is_used():
    before = host.resident_memory_bytes()
    block = np.ones(40_000_000, dtype=np.uint8)
    assert host.resident_memory_bytes() - before > 20_000_000
    assert block[0] == 1
