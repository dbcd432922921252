"""Two clocks: the run's, which everything on the wire is stamped with, and the audio's, which sound is counted with.

Sound is counted in samples of its source; that count is the time base, and never adds up rounding. Where a sample lies
on the monotonic clock of this machine is fitted while it runs, because no sound card keeps the rate it names.
"""

from __future__ import annotations

import math
import time
from datetime import datetime, timezone

NS_PER_S = 1_000_000_000


class RunClock:
    """Nanoseconds since the run started, on the monotonic clock.

    Examples
    --------
    >>> clock = RunClock()
    >>> 0 <= clock.now_ns() < 10**9
    True
    """

    def __init__(self) -> None:
        self.start_ns = time.monotonic_ns()
        self._utc = datetime.now(timezone.utc)

    def now_ns(self) -> int:
        """Return the time since the run started."""
        return time.monotonic_ns() - self.start_ns

    def anchor(self) -> dict[str, str]:
        """Return the start of the run on the monotonic clock and in UTC, as text: both exceed what JSON keeps exact."""
        return {"monotonic_ns": str(self.start_ns), "utc": self._utc.isoformat()}


class AudioClock:
    """Where the samples of a device lie on the monotonic clock: offset and drift, fitted as blocks arrive.

    A straight line through (samples captured, time of capture), least squares with old blocks forgotten; its slope is
    held near the nominal rate until enough has been heard to know better.

    Parameters
    ----------
    rate_hz : float
        Nominal rate of the device.
    memory_s : float
        How long a block counts: its weight falls to 1/e over this time.
    prior_s : float
        How much sound it takes to believe in a drift.

    Notes
    -----
    Driver time stamps jitter by a millisecond or more and are mostly late, never early; the line through them jitters
    by microseconds and is late by their mean. Before the first block there is no time.

    Examples
    --------
    >>> clock = AudioClock(48000)
    >>> for n in range(1, 1001):
    ...     clock.update(240 * n, 5_000_000 * n)
    >>> clock.time_ns(480_000), abs(clock.drift_ppm) < 0.001
    (10000000000, True)
    """

    def __init__(self, rate_hz: float, memory_s: float = 60.0, prior_s: float = 5.0) -> None:
        self.rate_hz = rate_hz
        self._memory_s = memory_s
        self._prior = prior_s
        self._first: tuple[int, int] | None = None  # (samples, ns): an origin, so that sums stay small
        self._last_x = 0.0
        # Weighted sums of 1, x, r, x x, x r, with x in seconds since the origin and r the time beyond nominal, in ns.
        self._w = self._wx = self._wr = self._wxx = self._wxr = 0.0

    @property
    def drift_ppm(self) -> float:
        """How much slower than nominal the device runs, in parts per million (positive: its samples take longer)."""
        return self._line()[1] / 1e3

    def update(self, samples: int, t_ns: int) -> None:
        """Tell that `samples` samples, in all, had been captured at `t_ns`."""
        if self._first is None:
            self._first = (samples, t_ns)
        x, r = self._nominal(samples, t_ns)
        keep = math.exp(-max(0.0, x - self._last_x) / self._memory_s)
        self._last_x = max(x, self._last_x)
        self._w, self._wx, self._wr = keep * self._w + 1, keep * self._wx + x, keep * self._wr + r
        self._wxx, self._wxr = keep * self._wxx + x * x, keep * self._wxr + x * r

    def time_ns(self, samples: float) -> int:
        """Return when that many samples had been captured, on the monotonic clock."""
        if self._first is None:
            raise ValueError("no block has been heard yet, so no sample has a time")
        x = (samples - self._first[0]) / self.rate_hz
        offset, drift = self._line()
        return self._first[1] + round(x * NS_PER_S + offset + drift * x)

    def samples_at(self, t_ns: int) -> float:
        """Return how many samples had been captured at a time; the inverse of `time_ns`."""
        if self._first is None:
            raise ValueError("no block has been heard yet, so no sample has a time")
        offset, drift = self._line()
        x = (t_ns - self._first[1] - offset) / (NS_PER_S + drift)
        return self._first[0] + x * self.rate_hz

    def _nominal(self, samples: int, t_ns: int) -> tuple[float, float]:
        assert self._first is not None
        x = (samples - self._first[0]) / self.rate_hz
        return x, (t_ns - self._first[1]) - x * NS_PER_S

    def _line(self) -> tuple[float, float]:
        """Return offset (ns) and drift (ns per s) of the fitted line."""
        if not self._w:
            return 0.0, 0.0
        mean_x, mean_r = self._wx / self._w, self._wr / self._w
        spread = self._wxx / self._w - mean_x * mean_x
        slope = (self._wxr / self._w - mean_x * mean_r) / (spread + self._prior**2)
        return mean_r - slope * mean_x, slope
