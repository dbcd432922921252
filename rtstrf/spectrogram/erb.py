"""The widths of the ear's filters, and frequencies equally spaced in units of them."""

from __future__ import annotations

import numpy as np

EAR_Q, MIN_BANDWIDTH_HZ = 9.26449, 24.7


def bandwidth_hz(frequency_hz: np.ndarray | float) -> np.ndarray:
    """Return the equivalent rectangular bandwidth of the human ear's filter: 24.7 (4.37 f / 1000 + 1) Hz.

    Glasberg & Moore 1990, doi 10.1016/0378-5955(90)90170-T, in the constants of Slaney 1993.

    Examples
    --------
    >>> float(bandwidth_hz(1000.0).round(1))
    132.6
    """
    return np.asarray(frequency_hz, dtype=np.float64) / EAR_Q + MIN_BANDWIDTH_HZ


def spaced(low_hz: float, high_hz: float, fractions: np.ndarray) -> np.ndarray:
    """Return the frequencies at fractions of the way from one to the other, counted in bandwidths.

    Examples
    --------
    >>> spaced(200.0, 6000.0, np.array([0.0, 0.5, 1.0])).round(1)
    array([ 200. , 1405.5, 6000. ])
    """
    offset = EAR_Q * MIN_BANDWIDTH_HZ
    return (low_hz + offset) * ((high_hz + offset) / (low_hz + offset)) ** fractions - offset
