"""Scales that follow the signal without flicker: robust percentiles, round numbers, quick up and slow down."""

from __future__ import annotations

import math

import numpy as np

NICE_STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def nice_ceiling(value: float) -> float:
    """Return the least round number that is not below a positive value.

    Examples
    --------
    >>> nice_ceiling(43), nice_ceiling(0.12), nice_ceiling(100)
    (50.0, 0.15, 100.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    step = next(step for step in NICE_STEPS if value / power <= step * (1 + 1e-9))
    return float(f"{step * power:.6g}")


class SlowCeiling:
    """The top of a scale that begins at 0.

    It rises at once when the signal's high percentile leaves it, to a round number with some room, and falls only after
    the signal has stayed below half of it for `patience_s`.

    Parameters
    ----------
    least : float
        The top never falls below this.
    percentile : float, optional
        What counts as high; the values above it are shown in the last colour.
    patience_s : float, optional

    Attributes
    ----------
    high : float
        The present top.

    Examples
    --------
    >>> ceiling = SlowCeiling(10.0)
    >>> ceiling.update(np.full(1000, 70.0), now_s=0.0), ceiling.high
    (True, 80.0)
    """

    def __init__(self, least: float, *, percentile: float = 99.7, patience_s: float = 5.0) -> None:
        self.least = least
        self.percentile = percentile
        self.patience_s = patience_s
        self.high = least
        self._low_since_s: float | None = None

    def update(self, values: np.ndarray, now_s: float) -> bool:
        """Look at recent values, of any shape, and return True where the scale changed."""
        finite = values[np.isfinite(values)]
        if finite.size == 0:
            return False
        wanted = max(self.least, nice_ceiling(max(float(np.percentile(finite, self.percentile)) * 1.05, 1e-9)))
        if wanted > self.high:
            self.high, self._low_since_s = wanted, None
            return True
        if wanted > 0.5 * self.high:
            self._low_since_s = None
            return False
        if self._low_since_s is None:
            self._low_since_s = now_s
        if now_s - self._low_since_s < self.patience_s:
            return False
        self.high, self._low_since_s = wanted, None
        return True


class SlowSpan:
    """Both ends of a scale such as decibels: follows the percentiles in steps, and only when they are clearly off.

    Parameters
    ----------
    step : float
        Ends are multiples of this.
    narrowest : float, optional
        The ends are at least this far apart, the high one giving way: a signal that hardly varies is shown dark.
    widest : float, optional
        The low end is no further below the high one; what lies below is shown in the first colour.
    low, high : float, optional
        Ends before anything was seen.
    percentiles : (float, float), optional

    Attributes
    ----------
    low, high : float

    Examples
    --------
    >>> span = SlowSpan(10.0, low=20.0, high=80.0)
    >>> span.update(np.full(100, 93.0), now_s=0.0), span.high
    (True, 100.0)
    """

    def __init__(
        self,
        step: float,
        *,
        narrowest: float = 0.0,
        widest: float = math.inf,
        low: float = math.nan,
        high: float = math.nan,
        percentiles: tuple[float, float] = (2.0, 99.8),
        patience_s: float = 5.0,
    ) -> None:
        self.step = step
        self.narrowest = max(narrowest, step)
        self.widest = widest
        self.low = low
        self.high = high
        self.percentiles = percentiles
        self.patience_s = patience_s
        self._loose_since_s: float | None = None

    def update(self, values: np.ndarray, now_s: float) -> bool:
        """Look at recent values, of any shape, and return True where the scale changed."""
        finite = values[np.isfinite(values)]
        if finite.size == 0:
            return False
        bottom, top = (float(value) for value in np.percentile(finite, self.percentiles))
        high = math.ceil(top / self.step - 1e-6) * self.step
        low = max(math.floor(bottom / self.step + 1e-6) * self.step, high - self.widest)
        high = max(high, low + self.narrowest)
        if math.isnan(self.high):
            self.low, self.high = low, high
            return True
        grown_low, grown_high = min(self.low, low), max(self.high, high)
        if grown_high - grown_low > self.widest:
            grown_low = grown_high - self.widest
        if (grown_low, grown_high) != (self.low, self.high):
            self.low, self.high, self._loose_since_s = grown_low, grown_high, None
            return True
        loose = high <= self.high - 2 * self.step or low >= self.low + 2 * self.step
        if not loose:
            self._loose_since_s = None
            return False
        if self._loose_since_s is None:
            self._loose_since_s = now_s
        if now_s - self._loose_since_s < self.patience_s:
            return False
        self.low, self.high, self._loose_since_s = low, high, None
        return True
