"""The audio clock finds offset and drift under jitter, for hours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.clock import AudioClock, RunClock

NS = 1_000_000_000


def heard(clock: AudioClock, seconds: float, ppm: float, jitter_ns: float, seed: int = 0) -> tuple[int, float]:
    """Feed blocks of 5 ms from a device that is off by `ppm`; return the last count and its true time."""
    rng = np.random.default_rng(seed)
    blocks = round(seconds / 0.005)
    late = rng.exponential(jitter_ns, blocks) if jitter_ns else np.zeros(blocks)
    true_ns = 0.0
    for n in range(1, blocks + 1):
        true_ns = n * 0.005 * (1 + ppm * 1e-6) * NS
        clock.update(240 * n, round(true_ns + late[n - 1]))
    return 240 * blocks, true_ns


def test_a_perfect_clock_is_followed_to_the_nanosecond() -> None:
    clock = AudioClock(48000)
    samples, true_ns = heard(clock, 10.0, 0.0, 0.0)
    assert clock.time_ns(samples) == true_ns
    assert clock.drift_ppm == pytest.approx(0, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(ppm=st.floats(-200, 200), seed=st.integers(0, 1000))
def test_drift_and_offset_are_found_under_jitter(ppm: float, seed: int) -> None:
    clock = AudioClock(48000)
    samples, true_ns = heard(clock, 120.0, ppm, 1e6, seed)
    assert clock.drift_ppm == pytest.approx(ppm, abs=12)
    assert (
        abs(clock.time_ns(samples) - true_ns - 1e6) < 0.5e6
    )  # late by the mean lateness of 1 ms, steady to half of it


def test_an_hour_leaves_less_than_a_millisecond() -> None:
    clock = AudioClock(48000)
    samples, true_ns = heard(clock, 3600.0, 87.0, 0.2e6)
    assert abs(clock.time_ns(samples) - true_ns) < 1e6


@settings(max_examples=50, deadline=None)
@given(sample=st.floats(0, 1e9), ppm=st.floats(-200, 200))
def test_time_and_sample_are_each_other_s_inverse(sample: float, ppm: float) -> None:
    clock = AudioClock(44100)
    heard(clock, 2.0, ppm, 0.0)
    assert clock.samples_at(clock.time_ns(sample)) == pytest.approx(sample, abs=1e-3)


def test_before_the_first_block_there_is_no_time() -> None:
    with pytest.raises(ValueError, match="no block"):
        AudioClock(48000).time_ns(0)


def test_the_run_clock_starts_at_zero_and_names_its_anchor() -> None:
    clock = RunClock()
    assert 0 <= clock.now_ns() < NS
    assert int(clock.anchor()["monotonic_ns"]) == clock.start_ns
    assert clock.anchor()["utc"].endswith("+00:00")
