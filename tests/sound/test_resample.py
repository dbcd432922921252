"""From the source's rate to the model's hops: the same to the bit for every cutting, and on time."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.errors import ConfigError, StreamError
from rtstrf.sound.resample import Hops

RATES = [8000, 11025, 16000, 22050, 44100, 47999, 48000, 48828, 96000, 192000]
HOP = 240


def resample(samples: np.ndarray, rate_in_hz: int, rate_out_hz: int = 48000, cuts: tuple[int, ...] = ()) -> np.ndarray:
    """Return all hops of a sound, shape (k, HOP), pushed in blocks that end at `cuts`."""
    hops = Hops(rate_in_hz, rate_out_hz, HOP)
    parts = [hops.push(block) for block in np.split(samples, sorted(cuts))]
    return np.concatenate([*parts, hops.flush()])


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


def sine(frequency_hz: float, rate_hz: int, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz).astype(np.float32)


def inside(hops: np.ndarray) -> np.ndarray:
    """Return the samples away from the edges, shape (n,), where no filter hears the silence around the sound."""
    return hops[8:-8].reshape(-1)


@pytest.mark.parametrize("rate_hz", RATES)
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_every_cutting_into_blocks_gives_the_same_bits(rate_hz: int, data: st.DataObject) -> None:
    samples = noise(rate_hz // 10)
    cuts = tuple(data.draw(st.lists(st.integers(0, len(samples)), max_size=30)))
    digests = {hashlib.sha256(resample(samples, rate_hz, cuts=each).tobytes()).digest() for each in ((), cuts)}
    assert len(digests) == 1


@pytest.mark.parametrize("rate_hz", [44100, 96000])
@pytest.mark.parametrize("block", [1, 7, 240, 4096])
def test_equal_blocks_of_any_length_give_the_same_bits(rate_hz: int, block: int) -> None:
    samples = noise(rate_hz // 10)
    assert (
        resample(samples, rate_hz, cuts=tuple(range(block, len(samples), block))).tobytes()
        == resample(samples, rate_hz).tobytes()
    )


@pytest.mark.parametrize("rate_hz", RATES)
def test_hops_come_as_soon_as_promised_and_not_before(rate_hz: int) -> None:
    hops = Hops(rate_hz, 48000, HOP)
    pushed = 0
    for bin_index in range(12):
        needed = hops.source_samples_needed(bin_index)
        assert hops.push(np.ones(needed - 1 - pushed, dtype=np.float32)).shape == (0, HOP)
        assert hops.push(np.ones(1, dtype=np.float32)).shape == (1, HOP)
        pushed = needed


@settings(deadline=None)
@given(st.sampled_from(RATES), st.integers(0, 10**9))
def test_a_bin_never_waits_longer_than_declared_even_after_weeks(rate_hz: int, bin_index: int) -> None:
    hops = Hops(rate_hz, 48000, HOP)
    complete_s = Fraction(hops.source_samples_needed(bin_index), rate_hz)
    ends_s = Fraction((bin_index + 1) * HOP, 48000)
    assert -Fraction(1, rate_hz) < complete_s - ends_s <= Fraction(hops.latency_s) + Fraction(1, 10**9)


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.89])
def test_a_sine_in_the_passband_comes_out_in_place(rate_hz: int, part: float) -> None:
    frequency_hz = part * min(rate_hz, 48000) / 2
    out = resample(sine(frequency_hz, rate_hz), rate_hz).reshape(-1)
    expected = np.sin(2 * np.pi * frequency_hz * np.arange(len(out)) / 48000)
    middle = slice(8 * HOP, len(out) - 8 * HOP)
    assert np.abs(out - expected)[middle].max() < 1e-4


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48828, 96000, 192000])
def test_it_agrees_with_scipy_where_both_are_flat(rate_hz: int) -> None:
    signal = pytest.importorskip("scipy.signal", reason="the extra 'fit' brings scipy")
    samples = np.sum([sine(part * min(rate_hz, 48000) / 2, rate_hz) for part in (0.05, 0.21, 0.4)], axis=0)
    ratio = Fraction(48000, rate_hz)
    taps = signal.firwin(
        2 * 200 * max(ratio.numerator, ratio.denominator) + 1,
        1 / max(ratio.numerator, ratio.denominator),
        window=("kaiser", 12.0),
    )
    theirs = signal.resample_poly(samples.astype(np.float64), ratio.numerator, ratio.denominator, window=taps)
    ours = resample(samples, rate_hz).reshape(-1)
    count = min(len(ours), len(theirs))
    middle = slice(count // 4, 3 * count // 4)
    assert ours[middle] == pytest.approx(theirs[middle], abs=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize(
    ("rate_hz", "frequency_hz"), [(96000, 24500), (96000, 40000), (192000, 30000), (192000, 90000)]
)
def test_what_lies_above_the_new_nyquist_frequency_is_90_db_down(rate_hz: int, frequency_hz: float) -> None:
    out = inside(resample(sine(frequency_hz, rate_hz), rate_hz)).astype(np.float64)
    assert np.abs(out).max() < 10 ** (-90 / 20)


@pytest.mark.parametrize(("rate_hz", "frequency_hz"), [(8000, 3500), (22050, 10000), (44100, 19800)])
def test_images_above_the_old_nyquist_frequency_are_90_db_down(rate_hz: int, frequency_hz: float) -> None:
    out = inside(resample(sine(frequency_hz, rate_hz, 1.0), rate_hz))[:19200].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(out * np.blackman(len(out))))
    image = spectrum[round((rate_hz / 2) / 2.5) + 4 :]  # bins of 2.5 Hz
    assert image.max() < 10 ** (-90 / 20) * spectrum.max()


@pytest.mark.parametrize("rate_hz", [rate for rate in RATES if rate != 48000])
def test_an_impulse_lands_at_its_own_time(rate_hz: int) -> None:
    samples = np.zeros(rate_hz // 5, dtype=np.float32)
    position = rate_hz // 10
    samples[position] = 1.0
    out = resample(samples, rate_hz).reshape(-1).astype(np.float64)
    centre = (out * np.arange(len(out))).sum() / out.sum()
    assert centre / 48000 == pytest.approx(position / rate_hz, abs=1e-7)
    assert out.sum() == pytest.approx(48000 / rate_hz, rel=1e-4)  # the area is kept


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_constant_stays_itself(rate_hz: int) -> None:
    assert inside(resample(np.full(rate_hz // 5, 0.7, dtype=np.float32), rate_hz)) == pytest.approx(0.7, abs=1e-7)


@settings(deadline=None)
@given(st.sampled_from(RATES), st.integers(0, 30000))
def test_flushing_brings_out_the_last_sample_and_names_what_makes_no_hop(rate_hz: int, count: int) -> None:
    hops = Hops(rate_hz, 48000, HOP)
    out = sum(len(part) for part in (hops.push(noise(count)), hops.flush()))
    assert out * HOP + hops.dropped_samples == math.ceil(Fraction(count * 48000, rate_hz))
    assert 0 <= hops.dropped_samples < HOP


@settings(deadline=None)
@given(st.sampled_from(RATES), st.integers(0, 10**12))
def test_positions_on_the_two_clocks_correspond(rate_hz: int, model_sample: int) -> None:
    exact = Fraction(model_sample * rate_hz, 48000)
    assert Hops(rate_hz, 48000, HOP).source_index(model_sample) == pytest.approx(float(exact), rel=1e-15)


@pytest.mark.parametrize(("rate_hz", "most_ms"), [(44100, 1.5), (48828, 1.4), (96000, 1.4), (8000, 8.5)])
def test_the_look_ahead_is_short(rate_hz: int, most_ms: float) -> None:
    assert 0 < Hops(rate_hz, 48000, HOP).latency_s <= most_ms / 1000


def test_equal_rates_only_frame() -> None:
    hops = Hops(48000, 48000, HOP)
    samples = noise(1000)
    assert hops.push(samples).reshape(-1).tobytes() == samples[:960].tobytes()
    assert hops.latency_s == 0.0
    assert hops.flush().shape == (0, HOP)
    assert hops.dropped_samples == 40


def test_a_block_may_be_overwritten_once_it_was_pushed() -> None:
    for rate_hz in (44100, 48000):
        samples = noise(rate_hz // 10)
        hops = Hops(rate_hz, 48000, HOP)
        buffer = np.empty(500, dtype=np.float32)
        parts = []
        for start in range(0, len(samples), 500):
            block = samples[start : start + 500]
            buffer[: len(block)] = block
            parts.append(hops.push(buffer[: len(block)]))
            buffer[:] = np.nan
        assert np.concatenate([*parts, hops.flush()]).tobytes() == resample(samples, rate_hz).tobytes()


def test_a_sample_far_behind_leaves_no_trace() -> None:
    quiet, loud = noise(44100), noise(44100)
    loud[:100] = 1e6
    out_quiet, out_loud = resample(quiet, 44100), resample(loud, 44100)
    assert out_loud[2:].tobytes() == out_quiet[2:].tobytes()
    assert out_loud[0].tobytes() != out_quiet[0].tobytes()


def test_memory_does_not_grow_with_the_sound() -> None:
    hops = Hops(44100, 48000, HOP)
    held = set()
    for _ in range(2000):
        hops.push(np.zeros(441, dtype=np.float32))
        held.add(len(hops._maker._samples))  # type: ignore[union-attr]
    assert max(held) < 1000


@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), [(0, 48000), (44100, -1), (44100.5, 48000)])
def test_a_rate_that_cannot_be_is_named(rate_in_hz: int, rate_out_hz: int) -> None:
    with pytest.raises(ConfigError, match=r"rate_(in|out)_hz is"):
        Hops(rate_in_hz, rate_out_hz, HOP)


@pytest.mark.parametrize("rate_hz", [44100, 48000])
def test_misuse_is_a_mistake_of_the_caller(rate_hz: int) -> None:
    with pytest.raises(StreamError, match="a hop of 0 samples"):
        Hops(rate_hz, 48000, 0)
    with pytest.raises(StreamError, match="a block of shape"):
        Hops(rate_hz, 48000, HOP).push(np.zeros((2, 2), dtype=np.float32))


def test_nothing_may_be_pushed_after_the_end() -> None:
    hops = Hops(44100, 48000, HOP)
    hops.flush()
    with pytest.raises(StreamError, match="after the end"):
        hops.push(np.zeros(1, dtype=np.float32))
