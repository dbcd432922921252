"""From spike counts to the responses that a model is fitted to, and back to hertz.

The field smooths each trial of NS1 with a 21 ms Hanning window (Hsu, Borst & Theunissen 2004). At a bin of 5 ms that is
five bins, and the raw window is used, without dividing by its sum of 2. Figures for cc_norm are only comparable with
the same smoothing, so we keep it and carry the factor: see `rtstrf.rates`.
"""

from __future__ import annotations

import numpy as np

from rtstrf.errors import ConfigError


def hanning_window(width_ms: float, bin_ms: float) -> np.ndarray:
    """Return the raw symmetric Hanning window of the odd number of bins nearest to `width_ms`.

    Parameters
    ----------
    width_ms : float
        Width, at least one bin.
    bin_ms : float
        Bin width.

    Returns
    -------
    window : ndarray, shape (odd,), float64
        Its ends are zero and its middle is one; a single bin is ``[1]``, which changes nothing.

    Raises
    ------
    ConfigError
        If the width is less than a bin.

    Examples
    --------
    >>> hanning_window(21.0, 5.0)
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    if width_ms < bin_ms:
        raise ConfigError(
            f"a smoothing window of {width_ms:g} ms is shorter than a bin of {bin_ms:g} ms",
            remedy="make it at least one bin wide; one bin means no smoothing",
        )
    bins = 2 * int(width_ms / bin_ms // 2) + 1
    return np.hanning(bins) if bins > 1 else np.ones(1)


def smooth(counts: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Convolve counts with a symmetric window along time; beyond the ends there are no spikes.

    Parameters
    ----------
    counts : ndarray, shape (..., T)
        Spikes in each bin.
    window : ndarray, shape (odd,)

    Returns
    -------
    responses : ndarray, shape (..., T), float64

    Examples
    --------
    >>> smooth(np.array([0, 0, 2, 0, 0, 0]), hanning_window(21.0, 5.0))
    array([0., 1., 2., 1., 0., 0.])
    """
    half = len(window) // 2
    counts = np.asarray(counts)
    bins = counts.shape[-1]
    padded = np.zeros((*counts.shape[:-1], bins + 2 * half))
    padded[..., half : half + bins] = counts
    responses = np.zeros(counts.shape)
    for shift, weight in enumerate(window):
        if weight:
            responses += weight * padded[..., shift : shift + bins]
    return responses
