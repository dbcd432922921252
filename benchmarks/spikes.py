"""What drawing spikes costs, and how near the trains are to what they should be.

    python benchmarks/spikes.py

The cost is that of one bin of the scene's rates. The rest is measured on 20,000 trials of one rate, 2 s each.
"""

from __future__ import annotations

import time

import numpy as np

from rtstrf.checkpoints.load import load_model
from rtstrf.machine import machine_facts
from rtstrf.replay import replay
from rtstrf.sound import open_source
from rtstrf.spikes import SpikeGenerator

BIN_S, HOP_SAMPLES, SAMPLE_RATE_HZ, REFRACTORY_S = 0.005, 240, 48000, 0.002
TRIALS, BINS = 20_000, 400


def main() -> None:
    facts = machine_facts()
    print(f"{facts['cpu_model']}, {facts['os']}, Python {facts['python']}, numpy {facts['numpy']}")
    rates_hz = replay(open_source("scene"), load_model("statenet-gru-ns1")).rates_hz
    assert rates_hz is not None
    for units in (rates_hz.shape[1], 1024):
        times_us = bin_times_us(np.tile(rates_hz, (1, 1 + units // rates_hz.shape[1]))[:, :units])
        p50_us, p99_us = np.percentile(times_us, [50, 99])
        print(f"{units:5d} units: p50 {p50_us:.0f} us, p99 {p99_us:.0f} us a bin")
    for rate_hz in (5.0, 20.0, 100.0, 300.0):
        generator = SpikeGenerator(TRIALS, hop_samples=HOP_SAMPLES, sample_rate_hz=SAMPLE_RATE_HZ)
        spikes, _ = generator.step(np.full((BINS, TRIALS), rate_hz), generator.initial_state())
        counts = generator.counts(spikes).sum(axis=0)
        found_hz = counts.mean() / (BINS * BIN_S)
        error_hz = counts.std() / np.sqrt(TRIALS) / (BINS * BIN_S)
        fano, expected = counts.var() / counts.mean(), (1 - rate_hz * REFRACTORY_S) ** 2
        print(
            f"{rate_hz:5.0f} Hz asked for: {found_hz:.2f} Hz found (standard error {error_hz:.2f}), "
            f"Fano factor {fano:.3f} (of a dead time of 2 ms: {expected:.3f})"
        )


def bin_times_us(rates_hz: np.ndarray) -> np.ndarray:
    """Return what each bin took."""
    generator = SpikeGenerator(rates_hz.shape[1], hop_samples=HOP_SAMPLES, sample_rate_hz=SAMPLE_RATE_HZ)
    state, times_ns = generator.initial_state(), []
    for row in rates_hz:
        began_ns = time.perf_counter_ns()
        _, state = generator.step(row[None], state)
        times_ns.append(time.perf_counter_ns() - began_ns)
    return np.array(times_ns) / 1e3


if __name__ == "__main__":
    main()
