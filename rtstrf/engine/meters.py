"""Recent percentiles of what is measured once a hop, for the heartbeat."""

from __future__ import annotations

import numpy as np


class Percentiles:
    """The last values of a measure, and their percentiles.

    Parameters
    ----------
    size : int
        Values kept; 2000 hops of 5 ms are 10 s.

    Notes
    -----
    One thread writes, others may read: a reader may see a value more or less, never a torn one.

    Examples
    --------
    >>> meter = Percentiles(4)
    >>> for value in (1.0, 2.0, 3.0, 4.0, 5.0):
    ...     meter.add(value)
    >>> meter.of(50, 100)
    [3.5, 5.0]
    """

    def __init__(self, size: int = 2000) -> None:
        self._values = np.zeros(size)
        self._count = 0

    def add(self, value: float) -> None:
        """Add a value, forgetting the oldest."""
        self._values[self._count % len(self._values)] = value
        self._count += 1

    def of(self, *percents: float) -> list[float]:
        """Return percentiles of what is kept, zeros before the first value."""
        kept = self._values[: min(self._count, len(self._values))]
        return [0.0] * len(percents) if not len(kept) else np.percentile(kept, percents).tolist()
