"""Prove lost samples by counting: what was captured against the clock.

PortAudio's overflow flag is not always raised. But samples that were lost are time that passed without samples: from
then on every sample comes later than the count of samples says, for good. Late delivery and jitter make single blocks
look late too, yet never for long, so the earliest block of a window of time tells the two apart. Both the time of
capture that the driver states and the time of delivery must show it: a driver's statement may be wrong by half a
second for its first seconds (PulseAudio's is), and a delivery may become slower for good without a loss.
"""

from __future__ import annotations

WINDOW_NS = 250_000_000
THRESHOLD_NS = 10_000_000  # smaller losses are told when they have added up to this
_DRIFT_NS_PER_WINDOW = 100_000  # 400 ppm: a device's clock may run that much slower than the computer's


class ContinuityCheck:
    """Count the samples that a device lost.

    Parameters
    ----------
    rate_hz : int

    Notes
    -----
    A loss is told once two windows of 0.25 s in a row are late by 10 ms or more; where the driver raises its flag,
    with that block. State: the usual lateness of the device and the earliest blocks of two windows.

    Examples
    --------
    >>> check = ContinuityCheck(48000)
    >>> lost = 0
    >>> for block in range(400):  # blocks of 5 ms; 50 ms are missing before block 100
    ...     end_ns = (block + 1 + (10 if block >= 100 else 0)) * 5_000_000
    ...     lost += check.lost_samples(240, end_ns, end_ns, flagged=False)
    >>> lost
    2400
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._samples = 0  # captured and lost
        self._clocks = (_Lateness(), _Lateness())  # of capture, of delivery
        self._window_start_ns: int | None = None

    def lost_samples(self, count: int, end_ns: int, arrived_ns: int, *, flagged: bool) -> int:
        """Return how many samples were lost and have not been told yet, none in most calls.

        Parameters
        ----------
        count : int
            Samples of the block.
        end_ns : int
            Monotonic time at which its last sample was captured, as well as the driver knows.
        arrived_ns : int
            Monotonic time at which it was delivered.
        flagged : bool
            Whether the driver says that it lost input before this block.
        """
        self._samples += count
        times_ns = (end_ns, arrived_ns)
        lost = 0
        if flagged:
            lates_ns = (time_ns - self._expected_ns() for time_ns in times_ns)
            lost = self._tell(min(clock.excess(late) for clock, late in zip(self._clocks, lates_ns, strict=True)))
        for clock, time_ns in zip(self._clocks, times_ns, strict=True):
            clock.add(time_ns - self._expected_ns())
        if self._window_start_ns is None:
            self._window_start_ns = arrived_ns
        if arrived_ns - self._window_start_ns >= WINDOW_NS:  # by arrival, so that a burst of late blocks is one window
            self._window_start_ns = arrived_ns
            found = self._tell(min(clock.excess_of_two_windows() for clock in self._clocks))
            for clock in self._clocks:
                clock.next_window(told_ns=self._duration_ns(found))
            lost += found
        return lost

    def count_dropped(self, count: int) -> None:
        """Take note of samples that are known to be missing and were told otherwise."""
        self._samples += count

    def _tell(self, missing_ns: int) -> int:
        if missing_ns < THRESHOLD_NS:
            return 0
        lost = round(missing_ns * self.rate_hz / 1_000_000_000)
        self._samples += lost
        return lost

    def _expected_ns(self) -> int:
        return self._duration_ns(self._samples)

    def _duration_ns(self, samples: int) -> int:
        return samples * 1_000_000_000 // self.rate_hz


class _Lateness:
    """How late blocks are by one clock, against the count of samples: usually, and the least of two windows."""

    def __init__(self) -> None:
        self.usual_ns: int | None = None  # None until the first window has passed
        self.least_ns: int | None = None  # of the window that is open
        self.previous_ns: int | None = None  # and of the one before

    def add(self, late_ns: int) -> None:
        self.least_ns = late_ns if self.least_ns is None else min(self.least_ns, late_ns)

    def excess(self, late_ns: int) -> int:
        return 0 if self.usual_ns is None else late_ns - self.usual_ns

    def excess_of_two_windows(self) -> int:
        if self.usual_ns is None or self.previous_ns is None or self.least_ns is None:
            return 0
        return min(self.least_ns, self.previous_ns) - self.usual_ns

    def next_window(self, told_ns: int) -> None:
        """Begin a window; `told_ns` is the loss just told, which the count of samples has from here on."""
        assert self.least_ns is not None  # a block ends a window, after it was added
        self.least_ns -= told_ns
        if self.usual_ns is None:
            self.usual_ns = self.least_ns
        elif self.least_ns - self.usual_ns < THRESHOLD_NS:  # else a loss that the next window proves passed for drift
            self.usual_ns += min(self.least_ns - self.usual_ns, _DRIFT_NS_PER_WINDOW)
        self.previous_ns, self.least_ns = self.least_ns, None
