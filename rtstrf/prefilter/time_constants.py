"""How long each band remembers: the time constants of adaptation, and where the bands lie."""

from __future__ import annotations

import numpy as np

from rtstrf.errors import ConfigError
from rtstrf.prefilter.decay import taps_for
from rtstrf.spectrogram.mel import hz_to_mel, mel_to_hz

SCALES = ("mel", "greenwood")
GREENWOOD_A_HZ, GREENWOOD_PER_LENGTH, GREENWOOD_K = 165.4, 2.1, 0.88  # man


def time_constants_ms(frequency_hz: np.ndarray) -> np.ndarray:
    """Return the adaptation time constant at a frequency: 500 - 105 log10(f), in ms (Willmore et al. 2016).

    Examples
    --------
    >>> float(time_constants_ms(np.array([1000.0]))[0])
    185.0
    """
    return 500.0 - 105.0 * np.log10(frequency_hz)


def hz_to_cochlea(frequency_hz: np.ndarray | float) -> np.ndarray:
    """Return the place of a frequency along the human cochlea, from 0 at the apex to 1 at the base.

    The inverse of f = 165.4 (10^(2.1 x) - 0.88) Hz; Greenwood 1990, doi 10.1121/1.399052.

    Examples
    --------
    >>> float(hz_to_cochlea(20677.0).round(3))
    1.0
    """
    frequency = np.asarray(frequency_hz, dtype=np.float64)
    return np.log10(frequency / GREENWOOD_A_HZ + GREENWOOD_K) / GREENWOOD_PER_LENGTH


def cochlea_to_hz(place: np.ndarray | float) -> np.ndarray:
    """Return the frequency at a place along the human cochlea; the inverse of `hz_to_cochlea`."""
    return GREENWOOD_A_HZ * (10.0 ** (GREENWOOD_PER_LENGTH * np.asarray(place, dtype=np.float64)) - GREENWOOD_K)


def spaced_frequencies_hz(bands: int, min_freq_hz: float, max_freq_hz: float, scale: str = "mel") -> np.ndarray:
    """Return the frequencies of bands equally spaced in pitch (``mel``) or along the cochlea (``greenwood``).

    Parameters
    ----------
    bands : int
        Bands F, at least 1.
    min_freq_hz, max_freq_hz : float
        First and last band.
    scale : {"mel", "greenwood"}

    Returns
    -------
    frequency_hz : ndarray, shape (F,), float64

    Raises
    ------
    ConfigError
        If the scale is unknown or the edges are no range of positive frequencies.

    Examples
    --------
    >>> spaced_frequencies_hz(3, 500.0, 20000.0, "greenwood").round()
    array([  500.,  3461., 20000.])
    """
    if scale not in SCALES:
        raise ConfigError(f"frequency scale {scale!r}", remedy=f"one of {', '.join(SCALES)}")
    if bands < 1 or not 0 < min_freq_hz <= max_freq_hz:
        raise ConfigError(
            f"{bands} bands from {min_freq_hz:g} to {max_freq_hz:g} Hz", remedy="at least 1 band, and 0 < min <= max"
        )
    forward, back = (hz_to_mel, mel_to_hz) if scale == "mel" else (hz_to_cochlea, cochlea_to_hz)
    return back(np.linspace(forward(min_freq_hz), forward(max_freq_hz), bands))


def decays_for_bands(
    bands: int, dt_ms: float, min_freq_hz: float, max_freq_hz: float, scale: str
) -> tuple[np.ndarray, int]:
    """Return the decay per frame of each band, and the taps that span three of the longest time constant.

    Returns
    -------
    decay : ndarray, shape (F,), float64
        exp(-dt / tau).
    kernel_frames : int
        Taps K, the current frame included.

    Raises
    ------
    ConfigError
        If a band lies so high that the formula leaves it no time constant, or the bin has no width.
    """
    if not dt_ms > 0:
        raise ConfigError(f"a bin of {dt_ms:g} ms", remedy="give its width in milliseconds, above 0")
    tau_ms = time_constants_ms(spaced_frequencies_hz(bands, min_freq_hz, max_freq_hz, scale))
    if tau_ms.min() <= 0:
        raise ConfigError(
            f"adaptation at {max_freq_hz:g} Hz: 500 - 105 log10(f) leaves it no time constant",
            remedy="keep max_freq_hz below 57 kHz, or give the decays yourself",
        )
    return np.exp(-dt_ms / tau_ms), taps_for(float(tau_ms.max()), dt_ms) + 1
