"""Two clocks: the run's, which everything on the wire is stamped with, and the audio's, which sound is counted with.

Sound is counted in samples of its source; that count is the time base, and never adds up rounding. Where a sample lies
on the monotonic clock of this machine is fitted while it runs, because no sound card keeps the rate it names.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone

import numpy as np

NS_PER_S = 1_000_000_000

WINDOW_S = 1.0  # of which the stamp that is least late counts: longer than any burst of a driver
LIKELY_DRIFT_NS = 100_000  # per second, 100 ppm: what is expected of a sound card before anything is heard of it
FIRST_NOISE_NS = 500_000  # of the least late stamps, until there are enough to tell
LEAST_NOISE_NS = 1_000
SURE_OF_POINTS = 6
SETTLED_POINTS = 30
STEP_NS = 5_000_000
STEP_WINDOWS = 3
SLEPT_NS = 50_000_000
SET_NS = 20_000_000  # a wall clock that is slewed moves by 0.5 ms a second at most


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

    Time stamps of blocks are late by chance, by bursts and by a busy machine, seldom early. So the stamp that is least
    late stands for a second of them, and a straight line is fitted through the last of those: weighted least
    squares, old ones forgotten, those that do not fit weighing little (Huber), the slope held near the nominal rate
    until enough has been heard to know better.

    Parameters
    ----------
    rate_hz : float
        Nominal rate of the device.
    memory_s : float
        How long a stamp counts: its weight falls to 1/e over this time.

    Attributes
    ----------
    steps : int
        Steps of the device's clock found so far.

    Notes
    -----
    Where all stamps of three seconds are early or late by about as much, by 5 ms or more, the device's clock has
    made a step: what was fitted before is forgotten, and `update` tells. Before the first block there is no time.

    Examples
    --------
    >>> clock = AudioClock(48000)
    >>> for n in range(1, 1001):
    ...     step_ns = clock.update(240 * n, 5_000_000 * n)
    >>> clock.time_ns(480_000), abs(clock.drift_ppm) < 0.001, step_ns
    (10000000000, True, 0)
    """

    def __init__(self, rate_hz: float, memory_s: float = 30.0) -> None:
        self.rate_hz = rate_hz
        self.steps = 0
        self._memory_s = memory_s
        self._first: tuple[int, int] | None = None  # (samples, ns): an origin, so that numbers stay small
        self._forget()

    def _forget(self) -> None:
        """Know nothing of offset and drift."""
        self._window = -1  # which second is open
        self._least: tuple[float, float] = (0.0, math.inf)  # (x, r) of the stamp that is least late in it
        self._points: deque[tuple[float, float]] = deque(maxlen=round(3 * self._memory_s / WINDOW_S))
        self._strays: list[tuple[float, float]] = []  # the last windows, where they do not fit
        self._offset_ns = self._slope_ns = 0.0  # r at the origin, and per second
        self._noise_ns: float = FIRST_NOISE_NS
        self._began_ns: float | None = None  # how late the first second was
        self._fit = (0.0, 0.0, 0.0)  # mean x, sum of weights, weighted sum of squares of x about the mean

    @property
    def drift_ppm(self) -> float:
        """How much slower than nominal the device runs, in parts per million (positive: its samples take longer)."""
        return self._slope_ns / 1e3

    @property
    def offset_ns(self) -> float:
        """How much later the newest samples came than the nominal rate says, counted from the first second."""
        return 0.0 if self._began_ns is None else self._late_ns(self._least[0]) - self._began_ns

    @property
    def uncertainty_ns(self) -> float:
        """Standard error of the time of the newest samples; of a stamp, before enough have come."""
        mean_x, weight, spread = self._fit
        if not weight:
            return self._noise_ns
        return self._noise_ns * math.sqrt(1 / weight + (self._least[0] - mean_x) ** 2 / (spread + self._ridge_s2))

    def update(self, samples: int, t_ns: int) -> int:
        """Tell that `samples` samples, in all, had been captured at `t_ns`.

        Returns
        -------
        step_ns : int
            How far the device's clock was found to have stepped, positive where samples come later; nearly always 0.
        """
        if self._first is None:
            self._first = (samples, t_ns)
        x = (samples - self._first[0]) / self.rate_hz
        r = (t_ns - self._first[1]) - x * NS_PER_S
        window = math.floor(x / WINDOW_S)
        step_ns = 0
        if window != self._window:
            if self._window >= 0:
                step_ns = self._close_window()
            self._window = window
            self._least = (x, r)
        elif r < self._least[1]:
            self._least = (x, r)
        if not self._points:
            self._offset_ns, self._slope_ns = self._least[1], 0.0
        return step_ns

    def restart(self) -> None:
        """Fit anew from the next block on, as another device, or the same one after a pause, has another offset."""
        self._forget()

    def time_ns(self, samples: float) -> int:
        """Return when that many samples had been captured, on the monotonic clock."""
        if self._first is None:
            raise ValueError("no block has been heard yet, so no sample has a time")
        x = (samples - self._first[0]) / self.rate_hz
        return self._first[1] + round(x * NS_PER_S + self._late_ns(x))

    def samples_at(self, t_ns: int) -> float:
        """Return how many samples had been captured at a time; the inverse of `time_ns`."""
        if self._first is None:
            raise ValueError("no block has been heard yet, so no sample has a time")
        x = (t_ns - self._first[1] - self._offset_ns) / (NS_PER_S + self._slope_ns)
        return self._first[0] + x * self.rate_hz

    def _late_ns(self, x: float) -> float:
        return self._offset_ns + self._slope_ns * x

    @property
    def _ridge_s2(self) -> float:
        return (self._noise_ns / LIKELY_DRIFT_NS) ** 2

    def _close_window(self) -> int:
        x, r = self._least
        late_ns = r - self._late_ns(x)
        limit_ns = max(STEP_NS, 8 * self._noise_ns)
        if len(self._points) < SURE_OF_POINTS or abs(late_ns) <= limit_ns:
            self._strays.clear()
            self._points.append(self._least)
            self._fit_line()
            if len(self._points) <= SETTLED_POINTS and not self.steps:
                self._began_ns = self._late_ns(self._points[0][0])
            return 0
        self._strays.append(self._least)
        lates_ns = [r - self._late_ns(x) for x, r in self._strays]
        if max(lates_ns) - min(lates_ns) > limit_ns:  # not by as much: chance, or a backlog
            self._strays = [self._least]
            return 0
        if len(self._strays) < STEP_WINDOWS:
            return 0
        self.steps += 1
        kept, slope_ns = self._strays, self._slope_ns
        window, least, began_ns = self._window, self._least, self._began_ns
        self._forget()
        self._window, self._least, self._began_ns = window, least, began_ns
        self._points.extend(kept)
        self._offset_ns, self._slope_ns = float(np.median([r - slope_ns * x for x, r in kept])), slope_ns
        return round(float(np.median(lates_ns)))

    def _fit_line(self) -> None:
        x, r = np.array(self._points).T
        weights = np.exp((x - x[-1]) / self._memory_s)
        fitting = np.ones_like(x)
        for _ in range(3 if len(x) >= SURE_OF_POINTS else 1):
            w = weights * fitting
            total = float(w.sum())
            mean_x, mean_r = float(w @ x) / total, float(w @ r) / total
            spread = float(w @ (x - mean_x) ** 2)
            slope = float(w @ ((x - mean_x) * (r - mean_r))) / (spread + self._ridge_s2)
            apart = np.abs(r - mean_r - slope * (x - mean_x))
            if len(x) >= SURE_OF_POINTS:
                self._noise_ns = max(1.4826 * float(np.median(apart)), LEAST_NOISE_NS)
            fitting = np.minimum(1.0, 1.5 * self._noise_ns / np.maximum(apart, 1.0))
        self._slope_ns, self._offset_ns = slope, mean_r - slope * mean_x
        self._fit = (mean_x, total, spread)


class ClockWatch:
    """Notice that this machine slept, or that its wall clock was set: neither shows on the monotonic clock.

    Parameters
    ----------
    read : callable, optional
        Returns the monotonic clock, the one that goes on in sleep (None where the system has none), and the wall clock,
        in nanoseconds.

    Examples
    --------
    >>> readings = iter([(0, 0, 0), (10**9, 10**9, 10**9), (2 * 10**9, 32 * 10**9, 32 * 10**9)])
    >>> watch = ClockWatch(lambda: next(readings))
    >>> watch.look(), watch.look()
    ((0, 0), (30000000000, 0))
    """

    def __init__(self, read: Callable[[], tuple[int, int | None, int]] | None = None) -> None:
        self._read = read or _read_clocks
        self._before = self._read()

    def look(self) -> tuple[int, int]:
        """Return for how long the machine slept, and how far the wall clock was set, since the last call; mostly 0."""
        before, self._before = self._before, self._read()
        passed_ns = self._before[0] - before[0]
        slept_ns = 0
        if before[1] is not None and self._before[1] is not None:
            slept_ns = self._before[1] - before[1] - passed_ns
        set_ns = self._before[2] - before[2] - passed_ns - slept_ns
        return (slept_ns if slept_ns >= SLEPT_NS else 0, set_ns if abs(set_ns) >= SET_NS else 0)


def _read_clocks() -> tuple[int, int | None, int]:
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns(), None if boot is None else time.clock_gettime_ns(boot), time.time_ns()
