"""What a client knows of the server's clock, and how it came to know it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_WINDOW_NS = 60 * 10**9


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How far the run's clock is ahead of the local monotonic clock.

    Attributes
    ----------
    offset_ns : int
        Add it to ``time.monotonic_ns()`` to get nanoseconds since the run started.
    round_trip_ns : int
        Of the probe it comes from, less the server's own time; the error is at most half of it.
    """

    offset_ns: int
    round_trip_ns: int


@dataclass(frozen=True, slots=True)
class Probe:
    """One ping: sent and answered on the local clock, received and replied to on the run's clock, all in ns."""

    t0_ns: int
    t1_ns: int
    t2_ns: int
    t3_ns: int

    def estimate(self) -> ClockOffset:
        """Return the offset, as if both ways took equally long.

        Examples
        --------
        >>> Probe(t0_ns=100, t1_ns=1150, t2_ns=1160, t3_ns=210).estimate()
        ClockOffset(offset_ns=1000, round_trip_ns=100)
        """
        return ClockOffset(
            offset_ns=((self.t1_ns - self.t0_ns) + (self.t2_ns - self.t3_ns)) // 2,
            round_trip_ns=(self.t3_ns - self.t0_ns) - (self.t2_ns - self.t1_ns),
        )


def best_estimate(probes: Sequence[Probe]) -> ClockOffset:
    """Return the estimate of the probe with the least round trip, which waited least on the way."""
    return min((probe.estimate() for probe in probes), key=lambda estimate: estimate.round_trip_ns)


class LeastDelay:
    """The offset by which the fastest of the last messages took no time; for want of a better one.

    Ages by it are relative: they leave out what every message takes. The window of one to two minutes keeps the drift
    of two quartz clocks (some 6 ms a minute at worst) out of it.

    Examples
    --------
    >>> delay = LeastDelay()
    >>> delay.follow(t_pub_ns=1000, t_recv_ns=600), delay.follow(t_pub_ns=2000, t_recv_ns=1700)
    (None, None)
    >>> delay.offset_ns
    400
    """

    def __init__(self) -> None:
        self._window_start_ns = 0
        self._now: int | None = None
        self._before: int | None = None

    def follow(self, t_pub_ns: int, t_recv_ns: int) -> None:
        """Take note of when a message was sent, on the run's clock, and received, on the local one."""
        if self._now is None or t_recv_ns - self._window_start_ns > _WINDOW_NS:
            self._window_start_ns, self._before, self._now = t_recv_ns, self._now, None
        offset_ns = t_pub_ns - t_recv_ns
        self._now = offset_ns if self._now is None else max(self._now, offset_ns)

    @property
    def offset_ns(self) -> int | None:
        """The offset, None before the first message."""
        known = [offset for offset in (self._before, self._now) if offset is not None]
        return max(known, default=None)
