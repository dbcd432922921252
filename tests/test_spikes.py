"""Spikes have the rates asked for at every moment, keep the refractory period, and depend on nothing but their key."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rtstrf.errors import ConfigError, StreamError
from rtstrf.spikes import SpikeGenerator

RATE_HZ = 48000


def made(units: int = 5, *, hop: int = 240, seed: int = 1, refractory_ms: float = 2.0) -> SpikeGenerator:
    return SpikeGenerator(units, hop_samples=hop, sample_rate_hz=RATE_HZ, seed=seed, refractory_ms=refractory_ms)


def drawn(generator: SpikeGenerator, rates_hz: np.ndarray) -> np.ndarray:
    return generator.step(rates_hz, generator.initial_state())[0]


def trains(generator: SpikeGenerator, spikes: np.ndarray, first_bin: int = 0) -> list[np.ndarray]:
    """Return the samples at which each unit fires."""
    samples, units = generator.times(spikes, first_bin)
    return [samples[units == unit] for unit in range(generator.units)]


def some_rates(bins: int, units: int, highest_hz: float = 400.0, seed: int = 0) -> np.ndarray:
    """Return rates that jump about, with silence among them."""
    random = np.random.default_rng(seed)
    return (random.uniform(0, highest_hz, (bins, units)) * random.integers(0, 2, (bins, units))).astype(np.float32)


# A bin shorter than the refractory period, as long, a little longer, and much longer.
@pytest.mark.parametrize("hop", [60, 96, 97, 240, 480])
def test_the_mean_over_trials_is_the_rate_in_every_bin_at_onsets_too(hop: int) -> None:
    trials = 40_000
    schedule_hz = np.array([5.0, 5, 200, 200, 200, 50, 300, 300, 0, 0, 440, 100, 1e-6, 30])
    generator = made(trials, hop=hop)
    counts = generator.counts(drawn(generator, np.repeat(schedule_hz[:, None], trials, axis=1)))
    bin_s = hop / RATE_HZ
    # Trials are independent: counts of a bin have at most Poisson's variance, which is their mean.
    error_hz = np.sqrt(schedule_hz * bin_s / trials) / bin_s
    assert (np.abs(counts.mean(axis=1) / bin_s - schedule_hz) <= 4.5 * error_hz + 1e-9).all()


def test_rates_that_no_refractory_unit_can_have_are_cut() -> None:
    generator = made(20_000)
    assert generator.highest_rate_hz == pytest.approx(450.0)
    counts = generator.counts(drawn(generator, np.full((40, 20_000), 5000.0)))
    assert counts[8:].mean() / 0.005 == pytest.approx(450.0, rel=0.002)


@pytest.mark.parametrize("rate_hz", [10.0, 100.0, 300.0])
def test_counts_are_as_variable_as_those_of_a_renewal_process_with_a_dead_time(rate_hz: float) -> None:
    generator = made(4000)
    counts = generator.counts(drawn(generator, np.full((400, 4000), rate_hz))).sum(axis=0)  # of 2 s each
    fano = counts.var() / counts.mean()
    expected = (1 - rate_hz * 0.002) ** 2  # of long windows; 1 without a refractory period
    assert fano == pytest.approx(expected, rel=0.12)  # the standard error of a variance of 4000 is 2.2 %


@pytest.mark.parametrize("refractory_ms", [1.0, 2.0, 7.0])
def test_intervals_beyond_the_refractory_period_are_exponential(refractory_ms: float) -> None:
    generator = made(200, refractory_ms=refractory_ms)
    spikes = drawn(generator, np.full((2000, 200), 80.0))
    intervals = np.concatenate([np.diff(train) for train in trains(generator, spikes)])
    assert intervals.min() >= generator.refractory_samples
    hazard = 80.0 / (1 - 80.0 * refractory_ms / 1000) / RATE_HZ
    # The train is long, so that few intervals are cut off by its end; uniform jitter undoes the rounding to samples.
    jitter = np.random.default_rng(0).uniform(-0.5, 0.5, len(intervals))
    free = intervals - generator.refractory_samples + jitter
    test = stats.kstest(free[::50], stats.expon(scale=1 / hazard).cdf)
    assert test.pvalue > 1e-3


@settings(deadline=None, max_examples=40)
@given(
    hop=st.sampled_from([48, 96, 240]),
    refractory_ms=st.floats(0.5, 12.0),
    highest_hz=st.floats(1.0, 2000.0),
    seed=st.integers(0, 2**64 - 1),
)
def test_no_interval_is_shorter_than_the_refractory_period(
    hop: int, refractory_ms: float, highest_hz: float, seed: int
) -> None:
    generator = made(20, hop=hop, seed=seed, refractory_ms=refractory_ms)
    spikes = drawn(generator, some_rates(60, 20, highest_hz, seed=seed % 2**32))
    for train in trains(generator, spikes):
        assert (np.diff(train) >= generator.refractory_samples).all()
    assert (spikes < hop).all()
    assert (spikes[spikes < 0] == -1).all()
    np.testing.assert_array_equal(spikes, np.floor(spikes))


@settings(deadline=None, max_examples=40)
@given(cuts=st.lists(st.integers(0, 50), max_size=8), hop=st.sampled_from([60, 240]))
def test_any_chunking_gives_identical_spikes(cuts: list[int], hop: int) -> None:
    rates_hz = some_rates(50, 7)
    whole = drawn(made(7, hop=hop), rates_hz)
    generator = made(7, hop=hop)
    state, parts = generator.initial_state(), []
    for part in np.split(rates_hz, sorted(cuts)):
        spikes, state = generator.step(part, state)
        parts.append(spikes)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert state.bin == 50


def test_a_restart_from_a_state_goes_on_as_if_nothing_had_happened() -> None:
    rates_hz = some_rates(60, 7)
    whole = drawn(made(7), rates_hz)
    first = made(7)
    _, kept = first.step(rates_hz[:30], first.initial_state())
    first.step(rates_hz[30:], kept)  # going on does not touch what was kept
    again, _ = made(7).step(rates_hz[30:], kept)
    np.testing.assert_array_equal(again, whole[30:])


def test_a_unit_fires_the_same_whatever_other_units_there_are() -> None:
    rates_hz = some_rates(50, 9)
    many = trains(made(9), drawn(made(9), rates_hz))
    few = trains(made(4), drawn(made(4), rates_hz[:, :4]))
    for one, other in zip(few, many, strict=False):
        np.testing.assert_array_equal(one, other)


def test_another_seed_is_another_trial() -> None:
    rates_hz = np.full((2000, 40), 60.0)
    counts = [made(40, seed=seed).counts(drawn(made(40, seed=seed), rates_hz)).ravel() for seed in (1, 2)]
    # Independent: a correlation of n pairs has a standard error of 1 / sqrt(n).
    assert abs(np.corrcoef(*counts)[0, 1]) < 4.5 / math.sqrt(len(counts[0]))


def test_units_and_bins_are_independent_of_one_another() -> None:
    counts = made(40).counts(drawn(made(40), np.full((4000, 40), 30.0)))
    between = np.corrcoef(counts.T)[np.triu_indices(40, 1)]
    assert np.abs(between).max() < 5 / math.sqrt(4000)
    assert between.mean() == pytest.approx(0, abs=5 / math.sqrt(4000 * len(between)))


def test_bins_left_out_are_bins_without_spikes() -> None:
    rates_hz = some_rates(60, 7)
    with_silence = rates_hz.copy()
    with_silence[20:35] = 0
    generator = made(7)
    _, state = generator.step(rates_hz[:20], generator.initial_state())
    after, _ = generator.step(rates_hz[35:], state, first_bin=35)
    np.testing.assert_array_equal(after, drawn(made(7), with_silence)[35:])


def test_what_is_no_rate_gives_no_spike_and_harms_no_other_unit() -> None:
    rates_hz = np.full((400, 4), 200.0)
    clean = drawn(made(4), rates_hz).reshape(400, -1, 4)
    rates_hz[:, 1] = np.nan
    rates_hz[:, 2] = -50.0
    spikes = drawn(made(4), rates_hz).reshape(400, -1, 4)
    assert (spikes[..., 1:3] == -1).all()
    np.testing.assert_array_equal(spikes[..., [0, 3]], clean[..., [0, 3]])


def test_times_and_counts_say_the_same_as_the_rows() -> None:
    generator = made(6)
    spikes = drawn(generator, some_rates(40, 6))
    samples, units = generator.times(spikes, first_bin=100)
    assert (np.diff(samples) >= 0).all()
    counted = np.zeros((40, 6), dtype=int)
    np.add.at(counted, (samples // 240 - 100, units), 1)
    np.testing.assert_array_equal(counted, generator.counts(spikes))


def test_mistakes_say_which_and_what_to_do() -> None:
    with pytest.raises(ConfigError, match="seed -1"):
        made(seed=-1)
    with pytest.raises(ConfigError, match="refractory period of 0 ms"):
        made(refractory_ms=0)
    with pytest.raises(ConfigError, match="0 units"):
        made(0)
    generator = made(5)
    with pytest.raises(StreamError, match=r"\(bins, 5\)"):
        generator.step(np.zeros((3, 4)), generator.initial_state())
    with pytest.raises(StreamError, match="in order"):
        generator.step(np.zeros((3, 5)), generator.initial_state(10), first_bin=9)
