"""Where frequencies lie among the bands of a spectrogram, and the other way round."""

from __future__ import annotations

import numpy as np

TICKS_KHZ = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)


def band_position(frequency_hz: np.ndarray | float, bands_hz: np.ndarray) -> np.ndarray | float:
    """Return the place of frequencies on an axis where band b covers [b, b + 1) and its centre is at b + 0.5.

    Between the centres it is linear in hertz, and outside of them goes on as between the last two.

    Examples
    --------
    >>> float(band_position(1500.0, np.array([1000.0, 2000.0, 4000.0])))
    1.0
    """
    at = np.arange(len(bands_hz)) + 0.5
    return _interpolate(np.asarray(frequency_hz, dtype=float), bands_hz, at)


def frequency_at(position: np.ndarray | float, bands_hz: np.ndarray) -> np.ndarray | float:
    """Return the frequency at a place on the axis: the inverse of `band_position`."""
    at = np.arange(len(bands_hz)) + 0.5
    return _interpolate(np.asarray(position, dtype=float), at, bands_hz)


def _interpolate(x: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    below = ys[0] + (x - xs[0]) * (ys[1] - ys[0]) / (xs[1] - xs[0])
    above = ys[-1] + (x - xs[-1]) * (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])
    return np.where(x < xs[0], below, np.where(x > xs[-1], above, np.interp(x, xs, ys)))


def frequency_ticks(bands_hz: np.ndarray, n_bands: int) -> list[tuple[float, str]]:
    """Return ticks in kHz at octaves, or band numbers where the frequencies are not known.

    Examples
    --------
    >>> [text for _, text in frequency_ticks(np.geomspace(500, 16000, 34), 34)]
    ['0.5', '1', '2', '4', '8', '16']
    """
    if len(bands_hz) != n_bands or n_bands < 2:
        step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if n_bands / step <= 6)
        return [(band + 0.5, str(band)) for band in range(0, n_bands, step)]
    placed = [(float(band_position(khz * 1000, bands_hz)), f"{khz:g}") for khz in TICKS_KHZ]
    ticks: list[tuple[float, str]] = []
    for at, text in placed:
        crowded = bool(ticks) and at - ticks[-1][0] < n_bands / 14
        if 0 <= at <= n_bands and not crowded:
            ticks.append((at, text))
    return ticks


def has_frequencies(bands_hz: np.ndarray, n_bands: int) -> bool:
    """Tell whether the axis can be labelled in kHz."""
    return len(bands_hz) == n_bands and n_bands >= 2
