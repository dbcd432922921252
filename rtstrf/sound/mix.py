"""From what a file or device delivers, frames of several channels, to one channel in pascals."""

from __future__ import annotations

import numpy as np

from rtstrf.errors import SoundError


def check_channel(channel: int | None, channels: int, name: str) -> None:
    """Raise SoundError if the channel asked for (counted from 0; None is the mean of all) is not there."""
    if channel is not None and not 0 <= channel < channels:
        have = "only channel 0" if channels == 1 else f"channels 0 to {channels - 1}"
        raise SoundError(
            f"no channel {channel} in {name}: it has {have}", remedy="choose one of those, or none for the mean"
        )


def to_mono_pa(frames: np.ndarray, channel: int | None, pa_per_unit: float) -> np.ndarray:
    """Return one channel in pascals; each sample depends on its own frame only, to the bit.

    Parameters
    ----------
    frames : ndarray, shape (n, channels), float32
        Samples with full scale at 1.0.
    channel : int or None
        The channel to take; None takes the mean of all.
    pa_per_unit : float
        Pressure of a sample of 1.0.

    Returns
    -------
    samples : ndarray, shape (n,), float32
        A copy.

    Examples
    --------
    >>> to_mono_pa(np.array([[1.0, 0.0]], dtype=np.float32), None, 2.0)
    array([1.], dtype=float32)
    """
    if channel is not None or frames.shape[1] == 1:
        return frames[:, channel or 0] * np.float32(pa_per_unit)
    total = frames[:, 0].copy()
    for other in range(1, frames.shape[1]):  # not .sum(axis=1), whose order of adding may depend on n
        total += frames[:, other]
    total *= np.float32(pa_per_unit / frames.shape[1])
    return total


def first_non_finite(samples: np.ndarray) -> int | None:
    """Return the index of the first NaN or infinite sample, None where all are finite.

    Examples
    --------
    >>> first_non_finite(np.array([0.0, np.nan, np.inf]))
    1
    """
    finite = np.isfinite(samples)
    return None if finite.all() else int(np.argmin(finite))


def require_finite(samples: np.ndarray, first_sample: int, rate_hz: int, name: str) -> None:
    """Raise SoundError naming the first NaN or infinite sample, if any; `first_sample` is where `samples` begins."""
    bad = first_non_finite(samples)
    if bad is not None:
        position = first_sample + bad
        raise SoundError(
            f"sample {position} ({position / rate_hz:.6f} s) of {name} is {samples[bad]}",
            remedy="repair the sound: a model's memory would keep a NaN for ever",
        )
