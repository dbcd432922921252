"""What a recorder costs the threads of the engine, and what it costs in all.

    python benchmarks/recorder.py

A stream of 200 bins a second is told to a recorder behind its queue, at the pace of the clock, for 20 s; the time of
each call is that of the thread that captures (sound) or computes (rates). Beside it the same calls without a recorder.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rtstrf.clock import RunClock
from rtstrf.engine.process import SWITCH_INTERVAL_S
from rtstrf.machine import machine_facts
from rtstrf.record.recorder import Recorder
from rtstrf.sinks.sinks import Sinks
from rtstrf.sound.source import Block

SECONDS, BIN_S, HOP_SAMPLES, RATE_HZ = 20, 0.005, 240, 48000


def main() -> None:
    facts = machine_facts()
    print(f"{facts['cpu_model']}, {facts['os']}, Python {facts['python']}, numpy {facts['numpy']}")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    for units, records in ((119, False), (119, True), (1024, True)):
        with tempfile.TemporaryDirectory() as folder:
            sound_us, rows_us, cpu, lost = run(units, Path(folder, "recording") if records else None)
        what = f"{units} units, {'a recorder' if records else 'no recorder'}"
        print(f"{what}: sound {spread(sound_us)}; rates {spread(rows_us)}; {100 * cpu:.1f} % of a core, {lost} lost")


def run(units: int, folder: Path | None) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Return the times of the calls of each kind in microseconds, the load of the process, and the calls lost."""
    sinks = Sinks([], failed=lambda sink, error: print(f"{sink.name}: {error}"))
    if folder is not None:
        greeting = {
            "config": {"wire": {"stream": "main"}},
            "source": {"kind": "silence", "name": "silence", "rate_hz": RATE_HZ},
            "anchor": RunClock().anchor(),
        }
        sinks.add(Recorder(folder), greeting)
    rng = np.random.default_rng(0)
    rows, sound = (rng.standard_normal(shape).astype(np.float32) for shape in ((1, units), HOP_SAMPLES))
    times_us = np.empty((2, round(SECONDS / BIN_S)))
    began_s, cpu_s = time.monotonic(), time.process_time()
    for index in range(times_us.shape[1]):
        time.sleep(max(0.0, began_s + index * BIN_S - time.monotonic()))
        header = {"i0": index, "s0": 240 * index, "s1": 240 * index + 240, "t_cap": index, "t_raw": index}
        header |= {"t_proc": 1, "gap": 0, "flags": 0, "q": 0}
        block = Block(sound, time.monotonic_ns())
        first_ns = time.perf_counter_ns()
        sinks.sound(block, index * HOP_SAMPLES)
        second_ns = time.perf_counter_ns()
        sinks.rows("rates", header, rows)
        times_us[:, index] = (second_ns - first_ns) / 1e3, (time.perf_counter_ns() - second_ns) / 1e3
    cpu = (time.process_time() - cpu_s) / SECONDS
    lost = sum(sinks.lost().values())
    sinks.close()
    return times_us[0], times_us[1], cpu, lost


def spread(values_us: np.ndarray) -> str:
    """Return percentiles in words."""
    return "p50 {:.1f}, p99 {:.1f}, p99.9 {:.1f} us".format(*np.percentile(values_us, [50, 99, 99.9]))


if __name__ == "__main__":
    main()
