"""Synthetic sounds: tones, sweeps, noise, clicks and silence, with levels in dB SPL and raised-cosine ramps."""

from __future__ import annotations

import math

import numpy as np

from rtstrf.errors import ConfigError
from rtstrf.sound.level import db_spl_to_pa
from rtstrf.sound.paged import PAGE_SAMPLES, SyntheticSource

RAMP_MS = 5.0


class _Bursts:
    """Bursts and gaps by sample index, with raised-cosine ramps."""

    def __init__(
        self,
        kind: str,
        rate_hz: int,
        burst_ms: float,
        gap_ms: float,
        ramp_ms: float,
        total: int | None,
        *,
        join: bool = True,
    ) -> None:
        for name, value_ms, least in (
            ("burst_ms", burst_ms, 2 * ramp_ms),
            ("gap_ms", gap_ms, 0),
            ("ramp_ms", ramp_ms, 0),
        ):
            if not (math.isfinite(value_ms) and value_ms >= least):
                raise ConfigError(f"{name} of {kind} is {value_ms}", remedy=f"give {least:g} ms or more")
        self.ramp = round(ramp_ms * rate_hz / 1000)
        self.burst = max(1, round(burst_ms * rate_hz / 1000))
        self.period = self.burst + round(gap_ms * rate_hz / 1000)
        self.total = total
        self.endless = join and gap_ms == 0  # one burst for ever, instead of bursts that fade out and in

    def within(self, index: np.ndarray) -> np.ndarray:
        """Return the position within the burst or gap, shape of `index`, int64."""
        return index % self.period

    def number(self, index: np.ndarray) -> np.ndarray:
        """Return the number of the burst, from 0, shape of `index`, int64."""
        return index // self.period

    def envelope(self, index: np.ndarray) -> np.ndarray:
        """Return the amplitude, 0 to 1, shape of `index`, float64."""
        since, left = index, np.full_like(index, self.ramp)
        if not self.endless:
            since = self.within(index)
            left = self.burst - 1 - since
        if self.total is not None:  # the sound ends on a ramp wherever it is cut
            left = np.minimum(left, self.total - 1 - index)
        edge = np.minimum(since, left)  # samples to the nearer end; negative in the gap
        gate = (edge >= 0).astype(np.float64)
        if self.ramp == 0:
            return gate
        return gate * np.sin(0.5 * np.pi * np.clip((edge + 0.5) / self.ramp, 0.0, 1.0)) ** 2


def _check_frequency(kind: str, name: str, frequency_hz: float, rate_hz: int) -> None:
    if not 0 < frequency_hz < rate_hz / 2:
        raise ConfigError(
            f"{name} of {kind} is {frequency_hz:g} Hz at a sample rate of {rate_hz} Hz",
            remedy=f"give more than 0 and less than {rate_hz / 2:g} Hz, or raise rate_hz",
        )


def _amplitude_of_sine(level_db_spl: float) -> float:
    return math.sqrt(2.0) * db_spl_to_pa(level_db_spl)


class ToneSource(SyntheticSource):
    """A pure tone, steady or in bursts.

    Parameters
    ----------
    frequency_hz : float
        Frequency of the tone.
    level_db_spl : float
        RMS level while it sounds.
    burst_ms, gap_ms : float
        Length of a burst, ramps included, and of the silence after it; a gap of 0 is a steady tone.
    ramp_ms : float
        Raised-cosine rise and fall.
    duration_s : float, optional
        Length of the sound; without it, for ever.
    rate_hz : int
        Sample rate.

    Examples
    --------
    >>> with ToneSource(1000.0, duration_s=0.5) as tone:
    ...     tone.read(48000).samples.shape
    (24000,)
    """

    def __init__(
        self,
        frequency_hz: float = 1000.0,
        *,
        level_db_spl: float = 70.0,
        burst_ms: float = 500.0,
        gap_ms: float = 0.0,
        ramp_ms: float = RAMP_MS,
        duration_s: float | None = None,
        rate_hz: int = 48000,
    ) -> None:
        details: dict[str, object] = {
            "frequency_hz": frequency_hz,
            "level_db_spl": level_db_spl,
            "burst_ms": burst_ms,
            "gap_ms": gap_ms,
            "ramp_ms": ramp_ms,
        }
        super().__init__("tone", f"tone of {frequency_hz:g} Hz", rate_hz, duration_s, details)
        _check_frequency("tone", "frequency_hz", frequency_hz, rate_hz)
        self._bursts = _Bursts("tone", rate_hz, burst_ms, gap_ms, ramp_ms, self.info.total_samples)
        self._cycles_per_sample = frequency_hz / rate_hz
        self._amplitude_pa = _amplitude_of_sine(level_db_spl)

    def pressure_pa(self, index: np.ndarray) -> np.ndarray:
        phase = index * self._cycles_per_sample % 1.0
        return self._amplitude_pa * self._bursts.envelope(index) * np.sin(2.0 * np.pi * phase)


class SweepSource(SyntheticSource):
    """Logarithmic frequency sweeps: equal time for each octave.

    Parameters
    ----------
    low_hz, high_hz : float
        Where a sweep begins and ends.
    direction : {"both", "up", "down"}
        ``both`` alternates, up first.
    sweep_ms, gap_ms : float
        Length of a sweep, ramps included, and of the silence after it.
    level_db_spl : float
        RMS level while it sounds.
    ramp_ms : float
        Raised-cosine rise and fall.
    duration_s : float, optional
        Length of the sound; without it, for ever.
    rate_hz : int
        Sample rate.

    Examples
    --------
    >>> with SweepSource(direction="up") as sweep:
    ...     sweep.read(480).samples.dtype
    dtype('float32')
    """

    def __init__(
        self,
        low_hz: float = 500.0,
        high_hz: float = 20000.0,
        *,
        direction: str = "both",
        sweep_ms: float = 1000.0,
        gap_ms: float = 250.0,
        level_db_spl: float = 70.0,
        ramp_ms: float = RAMP_MS,
        duration_s: float | None = None,
        rate_hz: int = 48000,
    ) -> None:
        details: dict[str, object] = {
            "low_hz": low_hz,
            "high_hz": high_hz,
            "direction": direction,
            "sweep_ms": sweep_ms,
            "gap_ms": gap_ms,
            "level_db_spl": level_db_spl,
            "ramp_ms": ramp_ms,
        }
        super().__init__("sweep", f"sweep {direction}, {low_hz:g} to {high_hz:g} Hz", rate_hz, duration_s, details)
        _check_frequency("sweep", "low_hz", low_hz, rate_hz)
        _check_frequency("sweep", "high_hz", high_hz, rate_hz)
        if low_hz >= high_hz:
            raise ConfigError(f"sweep from {low_hz:g} to {high_hz:g} Hz", remedy="make low_hz the lower one")
        if direction not in ("both", "up", "down"):
            raise ConfigError(f"direction of sweep is {direction!r}", remedy="one of both, up, down")
        self.direction = direction
        # the frequency, or its direction, jumps at the end of a sweep: fade there even without a gap
        self._bursts = _Bursts("sweep", rate_hz, sweep_ms, gap_ms, ramp_ms, self.info.total_samples, join=False)
        self._low_hz, self._log_ratio = low_hz, math.log(high_hz / low_hz)
        self._sweep_s = self._bursts.burst / rate_hz
        self._amplitude_pa = _amplitude_of_sine(level_db_spl)

    def pressure_pa(self, index: np.ndarray) -> np.ndarray:
        fraction = self._bursts.within(index) / self._bursts.burst
        if self.direction == "down":
            fraction = 1.0 - fraction
        elif self.direction == "both":
            fraction = np.where(self._bursts.number(index) % 2 == 1, 1.0 - fraction, fraction)
        # the integral over time of low * exp(fraction * log_ratio)
        cycles = self._low_hz * self._sweep_s / self._log_ratio * np.expm1(np.clip(fraction, 0, 1) * self._log_ratio)
        return self._amplitude_pa * self._bursts.envelope(index) * np.sin(2.0 * np.pi * (cycles % 1.0))


class NoiseSource(SyntheticSource):
    """White Gaussian noise in bursts or without end.

    Parameters
    ----------
    level_db_spl : float
        RMS level while it sounds, over the whole band up to the Nyquist frequency.
    burst_ms, gap_ms : float
        Length of a burst, ramps included, and of the silence after it; a gap of 0 is endless noise.
    frozen : bool
        Every burst is the same noise; otherwise each is new. Endless noise never repeats.
    seed : int
        Of the noise; the same seed is the same noise.
    ramp_ms : float
        Raised-cosine rise and fall.
    duration_s : float, optional
        Length of the sound; without it, for ever.
    rate_hz : int
        Sample rate.

    Examples
    --------
    >>> with NoiseSource(seed=1) as one, NoiseSource(seed=1) as same:
    ...     bool((one.read(100).samples == same.read(100).samples).all())
    True
    """

    def __init__(
        self,
        *,
        level_db_spl: float = 65.0,
        burst_ms: float = 250.0,
        gap_ms: float = 250.0,
        frozen: bool = True,
        seed: int = 0,
        ramp_ms: float = RAMP_MS,
        duration_s: float | None = None,
        rate_hz: int = 48000,
    ) -> None:
        details: dict[str, object] = {
            "level_db_spl": level_db_spl,
            "burst_ms": burst_ms,
            "gap_ms": gap_ms,
            "frozen": frozen,
            "seed": seed,
            "ramp_ms": ramp_ms,
        }
        super().__init__("noise", "noise bursts" if gap_ms else "noise", rate_hz, duration_s, details)
        if seed != int(seed) or seed < 0:
            raise ConfigError(f"seed of noise is {seed}", remedy="give a whole number, 0 or above")
        self.seed = int(seed)
        self._bursts = _Bursts("noise", rate_hz, burst_ms, gap_ms, ramp_ms, self.info.total_samples)
        self._rms_pa = db_spl_to_pa(level_db_spl)
        token = np.random.default_rng(self.seed).standard_normal(self._bursts.burst)
        self._token = token if frozen and gap_ms else None

    def pressure_pa(self, index: np.ndarray) -> np.ndarray:
        if self._token is not None:
            noise = self._token[np.minimum(self._bursts.within(index), self._bursts.burst - 1)]
        else:  # pages are seeded by their number, so that any page can be made without those before it
            noise = np.random.default_rng([self.seed, int(index[0]) // PAGE_SAMPLES]).standard_normal(len(index))
        return self._rms_pa * self._bursts.envelope(index) * noise


class ClickSource(SyntheticSource):
    """A train of rectangular clicks.

    Parameters
    ----------
    clicks_per_s : float
        Rate of the train.
    click_ms : float
        Width; at least one sample.
    peak_db_spl : float
        Level of a steady pressure as high as the click: 94 is 1 Pa.
    duration_s : float, optional
        Length of the sound; without it, for ever.
    rate_hz : int
        Sample rate.

    Examples
    --------
    >>> with ClickSource(clicks_per_s=10, click_ms=1.0, peak_db_spl=94) as clicks:
    ...     float(clicks.read(48000).samples.sum())
    480.0
    """

    def __init__(
        self,
        *,
        clicks_per_s: float = 4.0,
        click_ms: float = 0.1,
        peak_db_spl: float = 90.0,
        duration_s: float | None = None,
        rate_hz: int = 48000,
    ) -> None:
        details: dict[str, object] = {"clicks_per_s": clicks_per_s, "click_ms": click_ms, "peak_db_spl": peak_db_spl}
        super().__init__("clicks", f"{clicks_per_s:g} clicks a second", rate_hz, duration_s, details)
        self._width = max(1, round(click_ms * rate_hz / 1000))
        if not 0 < clicks_per_s <= rate_hz / (self._width + 1):
            raise ConfigError(
                f"clicks_per_s is {clicks_per_s:g} with clicks of {self._width} samples at {rate_hz} Hz",
                remedy=f"give more than 0 and at most {rate_hz / (self._width + 1):g} clicks a second",
            )
        self._period = rate_hz / clicks_per_s
        self._peak_pa = db_spl_to_pa(peak_db_spl, "peak_db_spl")

    def pressure_pa(self, index: np.ndarray) -> np.ndarray:
        number = np.floor((index + 0.5) / self._period)  # of the latest click whose rounded onset is not after index
        onset = np.ceil(number * self._period - 0.5)
        return self._peak_pa * (index - onset < self._width)


class SilenceSource(SyntheticSource):
    """Zeros: what the population does without sound.

    Parameters
    ----------
    duration_s : float, optional
        Length of the sound; without it, for ever.
    rate_hz : int
        Sample rate.

    Examples
    --------
    >>> with SilenceSource(duration_s=0.01) as silence:
    ...     silence.read(1000).samples.any(), silence.read(1000)
    (np.False_, None)
    """

    def __init__(self, *, duration_s: float | None = None, rate_hz: int = 48000) -> None:
        super().__init__("silence", "silence", rate_hz, duration_s, {})

    def pressure_pa(self, index: np.ndarray) -> np.ndarray:
        return np.zeros(len(index))
