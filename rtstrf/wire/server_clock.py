"""The server's clock as a client knows it: from a greeting on the same machine, by ping, or by the fastest message."""

from __future__ import annotations

import time

from rtstrf.wire.clock_offset import ClockOffset, LeastDelay
from rtstrf.wire.message import Message

PING_GOOD_FOR_NS = 600 * 10**9  # two quartz clocks may have drifted apart by 60 ms then
CLOCK_TOLERANCE_NS = 10**6


class ServerClock:
    """Follows what tells of the server's clock, and goes by the best of it.

    Parameters
    ----------
    machine : str
        The name of this machine (`host.machine_id`): a greeting from the same one states the offset exactly.

    Examples
    --------
    >>> clock = ServerClock("4896")
    >>> clock.follow(Message("event/main/", "event", "main", {"t_pub": 1000}, t_recv_ns=600))
    >>> clock.source, clock.run_time_ns(700)
    ('least delay', 1100)
    """

    def __init__(self, machine: str) -> None:
        self._machine = machine
        self.restart()

    def restart(self) -> None:
        """Forget everything: a new run has a clock of its own."""
        self._anchor_offset_ns: int | None = None
        self._pinged: ClockOffset | None = None
        self._pinged_ns = 0
        self._least_delay = LeastDelay()

    def follow(self, message: Message) -> None:
        """Take note of when a message was sent and received, and of what a greeting states."""
        self._least_delay.follow(message.header["t_pub"], message.t_recv_ns)
        if message.kind == "hello":
            self._anchor_offset_ns = self._anchor_of(message)

    def pinged(self, offset: ClockOffset) -> None:
        """Take note of what probes have told."""
        self._pinged, self._pinged_ns = offset, time.monotonic_ns()

    @property
    def source(self) -> str | None:
        """How it is known: ``anchor`` (same machine), ``ping``, ``least delay`` (relative), or not."""
        return self._offset()[0]

    def run_time_ns(self, monotonic_ns: int | None = None) -> int | None:
        """Return the time since the run started at a reading of the local monotonic clock, None if it is not known."""
        offset_ns = self._offset()[1]
        if offset_ns is None:
            return None
        return (time.monotonic_ns() if monotonic_ns is None else monotonic_ns) + offset_ns

    def _offset(self) -> tuple[str | None, int | None]:
        if self._anchor_offset_ns is not None:
            return "anchor", self._anchor_offset_ns
        if self._pinged is not None and time.monotonic_ns() - self._pinged_ns < PING_GOOD_FOR_NS:
            return "ping", self._pinged.offset_ns
        relative_ns = self._least_delay.offset_ns
        return (None if relative_ns is None else "least delay"), relative_ns

    def _anchor_of(self, hello: Message) -> int | None:
        """Return the offset the greeting states, where the server shares this machine's clock."""
        anchor = hello.header.get("anchor")
        if hello.header.get("machine") != self._machine or not isinstance(anchor, dict):
            return None
        try:
            offset_ns = -int(anchor["monotonic_ns"])
        except (KeyError, TypeError, ValueError):
            return None
        # A greeting from the future means that the clock is not shared after all (a container may have its own).
        return offset_ns if hello.t_recv_ns + offset_ns > hello.header["t_pub"] - CLOCK_TOLERANCE_NS else None
