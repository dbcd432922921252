"""Prove lost samples by counting: what was captured against the clock.

PortAudio's overflow flag is not always raised. But samples that were lost are time that passed without samples: from
then on every sample is captured later than the count of samples says, for good. Late delivery and jitter make single
blocks look late too, yet never for long, so the earliest block of a window of time tells the two apart.
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
    with that block. State: the lateness of the device and the earliest blocks of two windows.

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
        self._origin_ns: int | None = None
        self._lateness_ns: int | None = None  # as it was before; None until the first window has passed
        self._window_start_ns = 0
        self._earliest_ns = 0  # least lateness of the window that is open
        self._previous_ns: int | None = None  # and of the one before

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
        if self._origin_ns is None:
            self._origin_ns = end_ns - self._duration_ns(count)
            self._window_start_ns = arrived_ns
            self._earliest_ns = 0
            return 0
        late_ns = end_ns - self._origin_ns - self._duration_ns(self._samples)
        lost = 0
        if flagged and self._lateness_ns is not None and late_ns - self._lateness_ns >= THRESHOLD_NS:
            lost += self._tell(late_ns - self._lateness_ns)
            late_ns = self._lateness_ns
        self._earliest_ns = min(self._earliest_ns, late_ns)
        if arrived_ns - self._window_start_ns >= WINDOW_NS:
            lost += self._end_window()
            self._window_start_ns = arrived_ns
            self._earliest_ns = late_ns - self._duration_ns(lost)
        return lost

    def count_dropped(self, count: int) -> None:
        """Take note of samples that are known to be missing and were told otherwise."""
        self._samples += count

    def _end_window(self) -> int:
        earliest_ns, previous_ns = self._earliest_ns, self._previous_ns
        self._previous_ns = earliest_ns
        if self._lateness_ns is None:
            self._lateness_ns = earliest_ns
            return 0
        if previous_ns is not None and min(earliest_ns, previous_ns) - self._lateness_ns >= THRESHOLD_NS:
            lost = self._tell(min(earliest_ns, previous_ns) - self._lateness_ns)
            self._previous_ns = earliest_ns - self._duration_ns(lost)
            return lost
        if earliest_ns - self._lateness_ns < THRESHOLD_NS:  # not to take a loss that the next window proves for drift
            self._lateness_ns += min(earliest_ns - self._lateness_ns, _DRIFT_NS_PER_WINDOW)
        return 0

    def _tell(self, missing_ns: int) -> int:
        lost = round(missing_ns * self.rate_hz / 1_000_000_000)
        self._samples += lost
        return lost

    def _duration_ns(self, samples: int) -> int:
        return samples * 1_000_000_000 // self.rate_hz
