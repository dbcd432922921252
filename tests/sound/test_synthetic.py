"""Synthetic sounds: exact, repeatable, at the level and the place that they promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.errors import ConfigError, StreamError
from rtstrf.sound.level import pa_to_db_spl
from rtstrf.sound.paged import PAGE_SAMPLES, SyntheticSource
from rtstrf.sound.synthetic import (
    ClickSource,
    NoiseSource,
    SilenceSource,
    SweepSource,
    ToneSource,
)
from tests.sound.reading import read_all, read_exactly

MAKERS: dict[str, Callable[[], SyntheticSource]] = {
    "tone": ToneSource,
    "tone bursts": lambda: ToneSource(3210.0, burst_ms=20, gap_ms=13.3, duration_s=0.4),
    "sweep": lambda: SweepSource(sweep_ms=70, gap_ms=5, duration_s=0.5),
    "sweep down": lambda: SweepSource(direction="down", sweep_ms=70, gap_ms=0),
    "noise bursts": lambda: NoiseSource(burst_ms=30, gap_ms=11, seed=3),
    "noise, new bursts": lambda: NoiseSource(burst_ms=30, gap_ms=11, frozen=False),
    "noise": lambda: NoiseSource(gap_ms=0, duration_s=0.3),
    "clicks": lambda: ClickSource(clicks_per_s=333.3),
    "silence": SilenceSource,
}


def rms_db_spl(samples: np.ndarray) -> float:
    return pa_to_db_spl(float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))))


def onsets(samples: np.ndarray) -> list[int]:
    """Return where sound follows a zero."""
    sounding = np.concatenate([[False], samples != 0])
    return np.flatnonzero(sounding[1:] & ~sounding[:-1]).tolist()


@pytest.mark.parametrize("name", MAKERS)
@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.sampled_from([0, 1, 7, 240, 4095, 4096, 4097, 9001]), max_size=8))
def test_a_sample_depends_on_its_index_and_the_seed_only(name: str, lengths: list[int]) -> None:
    count = 3 * PAGE_SAMPLES
    with MAKERS[name]() as source, MAKERS[name]() as at_once:
        whole = at_once.read(count)
        assert whole is not None
        assert len(whole.samples) == count
        assert read_exactly(source, count, lengths).tobytes() == whole.samples.tobytes()


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "silence"])
def test_a_sound_is_heard_and_begins_again_when_opened_again(name: str) -> None:
    source = MAKERS[name]()
    with source:
        first = read_exactly(source, 5000)
    with source:
        assert read_exactly(source, 5000).tobytes() == first.tobytes()
    assert first.any()
    assert first.dtype == np.float32


@pytest.mark.parametrize("duration_s", [1 / 48000, 0.1, 0.25001])
def test_a_sound_of_a_given_length_ends_there_and_no_other_does(duration_s: float) -> None:
    assert len(read_all(SilenceSource(duration_s=duration_s))) == round(duration_s * 48000)
    assert SilenceSource(duration_s=duration_s).info.total_samples == round(duration_s * 48000)
    assert SilenceSource().info.total_samples is None


@pytest.mark.parametrize("level_db_spl", [30.0, 70.0, 94.0])
def test_a_tone_has_its_frequency_and_level(level_db_spl: float) -> None:
    tone = read_all(ToneSource(1234.0, level_db_spl=level_db_spl, duration_s=3.0))[48000:96000]  # one second, no ramps
    spectrum = np.abs(np.fft.rfft(tone.astype(np.float64)))
    assert int(spectrum.argmax()) == 1234
    assert rms_db_spl(tone) == pytest.approx(level_db_spl, abs=0.001)
    assert np.delete(spectrum, 1234).max() < 1e-6 * spectrum[1234]


def test_a_tone_keeps_its_phase_after_a_day() -> None:
    source = ToneSource(1000.0)
    day = 24 * 3600 * 48000 // PAGE_SAMPLES * PAGE_SAMPLES
    index = day + np.arange(PAGE_SAMPLES, dtype=np.int64)
    within = np.sin(2 * np.pi * (index % 48) / 48) * np.sqrt(2) * 10 ** (-24 / 20)
    assert source.pressure_pa(index) == pytest.approx(within, abs=1e-6)


def test_bursts_come_when_they_should_with_ramps_of_5_ms() -> None:
    tone = read_all(ToneSource(6000.0, burst_ms=100, gap_ms=150, duration_s=1.0))
    heard = [onset for onset in onsets(tone) if onset == 0 or not tone[max(0, onset - 1000) : onset].any()]
    assert [round(onset / 12000) for onset in heard] == [0, 1, 2, 3]
    assert not tone[4800:12000].any()
    peak = np.abs(tone).max()
    for edge in (tone[:240], tone[4799:4559:-1]):  # 5 ms
        envelope = np.abs(edge).reshape(-1, 8).max(axis=1) / peak  # a period of 6 kHz
        middle = (np.arange(30) + 0.5) / 30
        assert envelope == pytest.approx(np.sin(0.5 * np.pi * middle) ** 2, abs=0.06)


@pytest.mark.parametrize(
    "source", [ToneSource(duration_s=0.1234), NoiseSource(gap_ms=0, duration_s=0.1234), SweepSource(duration_s=0.1234)]
)
def test_a_sound_that_is_cut_ends_on_a_ramp(source: SyntheticSource) -> None:
    samples = np.abs(read_all(source))
    assert samples[-24:].max() < 0.05 * samples.max()


@pytest.mark.parametrize(("direction", "first_hz", "last_hz"), [("up", 1000, 16000), ("down", 16000, 1000)])
def test_a_sweep_takes_equal_time_for_each_octave(direction: str, first_hz: float, last_hz: float) -> None:
    sweep = read_all(SweepSource(1000, 16000, direction=direction, sweep_ms=1000, gap_ms=0, ramp_ms=0, duration_s=1.0))
    before = np.flatnonzero(np.diff(np.signbit(sweep)))
    crossings_s = (before + sweep[before] / (sweep[before] - sweep[before + 1])) / 48000  # between two samples
    measured_hz = 0.5 / np.diff(crossings_s)
    expected_hz = first_hz * (last_hz / first_hz) ** ((crossings_s[1:] + crossings_s[:-1]) / 2)
    slow = expected_hz < 4000  # where a straight line between two samples is near enough
    assert measured_hz[slow] == pytest.approx(expected_hz[slow], rel=0.02)
    assert rms_db_spl(sweep) == pytest.approx(70.0, abs=0.05)


def test_sweeps_up_and_down_mirror_each_other_in_time() -> None:
    both = read_all(SweepSource(sweep_ms=100, gap_ms=50, duration_s=0.3))
    up, down = both[:4800], both[7200:12000]
    # the samples lie at k and at N - k: a mirror image about a sample, not between two
    assert up[500:4300][::-1] == pytest.approx(down[501:4301], abs=1e-4 * float(np.abs(up).max()))
    assert not both[4800:7200].any()


@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_sweeps_without_a_gap_fade_where_the_frequency_jumps(direction: str) -> None:
    sweep = np.abs(read_all(SweepSource(direction=direction, sweep_ms=100, gap_ms=0, duration_s=1.0)))
    edges = sweep.reshape(10, 4800)[:, [0, 1, 2, -3, -2, -1]]
    assert edges.max() < 1e-3 * sweep.max()


def test_frozen_noise_repeats_and_other_noise_does_not() -> None:
    period = 24000
    frozen = read_all(NoiseSource(duration_s=1.1)).reshape(-1)[: 2 * period].reshape(2, period)
    assert frozen[0].tobytes() == frozen[1].tobytes()
    fresh = read_all(NoiseSource(frozen=False, duration_s=1.1))[: 2 * period].reshape(2, period)
    assert abs(np.corrcoef(fresh)[0, 1]) < 0.05


def test_the_seed_makes_the_noise() -> None:
    one, same, other = (read_all(NoiseSource(seed=seed, duration_s=0.2)) for seed in (1, 1, 2))
    assert one.tobytes() == same.tobytes()
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


def test_noise_has_its_level_and_is_white() -> None:
    noise = read_all(NoiseSource(level_db_spl=62.0, gap_ms=0, duration_s=4.0))
    assert rms_db_spl(noise) == pytest.approx(62.0, abs=0.1)
    power = (np.abs(np.fft.rfft(noise.astype(np.float64))) ** 2)[1:].reshape(12, -1).mean(axis=1)
    assert power == pytest.approx(power.mean(), rel=0.05)


@pytest.mark.parametrize("clicks_per_s", [4.0, 7.3, 1000.0])
def test_clicks_come_at_the_rounded_times_and_never_drift(clicks_per_s: float) -> None:
    clicks = read_all(ClickSource(clicks_per_s=clicks_per_s, peak_db_spl=94.0, duration_s=3.0))
    count = int(np.ceil(3.0 * clicks_per_s))
    expected = np.ceil(np.arange(count) * 48000 / clicks_per_s - 0.5)
    assert onsets(clicks) == expected[expected < len(clicks)].astype(int).tolist()
    assert set(np.unique(clicks)) == {0.0, 1.0}
    assert clicks[:5].all()  # 0.1 ms
    assert not clicks[5]


def test_reading_before_opening_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(StreamError, match="tone is read before it is opened"):
        ToneSource().read(10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ToneSource(24000.0), "frequency_hz of tone is 24000 Hz at a sample rate of 48000 Hz"),
        (lambda: ToneSource(-1.0), "frequency_hz of tone is -1 Hz"),
        (lambda: ToneSource(burst_ms=4.0), "burst_ms of tone is 4.0\n  -> give 10 ms or more"),
        (lambda: ToneSource(gap_ms=float("nan")), "gap_ms of tone is nan"),
        (lambda: ToneSource(rate_hz=0), "rate_hz of tone is 0"),
        (lambda: ToneSource(duration_s=0.0), "duration_s of tone is 0.0"),
        (lambda: ToneSource(duration_s=float("inf")), "duration_s of tone is inf"),
        (lambda: SweepSource(2000, 1000), "sweep from 2000 to 1000 Hz"),
        (lambda: SweepSource(direction="sideways"), "direction of sweep is 'sideways'\n  -> one of both, up, down"),
        (lambda: NoiseSource(seed=-1), "seed of noise is -1"),
        (lambda: ClickSource(clicks_per_s=0), "clicks_per_s is 0"),
        (lambda: ClickSource(clicks_per_s=40000), "clicks_per_s is 40000 with clicks of 5 samples"),
    ],
)
def test_a_parameter_that_cannot_be_is_named_with_its_value(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)
