"""When values cross a threshold, and when they may do so again."""

from __future__ import annotations

import numpy as np


class Crossing:
    """Watch values for a crossing, each for itself.

    Parameters
    ----------
    width : int
        Values at a time.

    Notes
    -----
    State: whether each value has been on the far side since it last crossed. It has not at first, so that a value
    which begins beyond the threshold has crossed nothing. A NaN crosses nothing and changes nothing.

    Examples
    --------
    >>> crossing = Crossing(1)
    >>> rates_hz = [40.0, 10.0, 30.0, 29.0, 31.0, 24.0, 35.0]
    >>> [bool(crossing.step(np.array([r]), 30.0, 5.0, up=True)[0]) for r in rates_hz]
    [False, False, True, False, False, False, True]
    """

    def __init__(self, width: int) -> None:
        self._was_beyond = np.zeros(width, dtype=bool)

    def step(self, values: np.ndarray, threshold: float, hysteresis: float, *, up: bool) -> np.ndarray:
        """Return which of the values cross now, shape (width,), bool."""
        toward, at = (values, threshold) if up else (-values, -threshold)
        crosses = self._was_beyond & (toward >= at)
        back = toward < at - hysteresis if hysteresis else toward < at
        self._was_beyond = (self._was_beyond & ~crosses) | back
        return crosses

    def forget(self) -> None:
        """Begin afresh: what comes next has crossed nothing yet."""
        self._was_beyond[:] = False
