"""What a client knows of the streams it follows, from the messages it has received."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rtstrf.wire import host
from rtstrf.wire.continuity import Continuity
from rtstrf.wire.message import ARRAY_KINDS, Message
from rtstrf.wire.server_clock import ServerClock


class Knowledge:
    """Follows messages; the part of a client that has no socket.

    Attributes
    ----------
    hellos : dict of str to dict
        The last greeting of each stream in the present run, by its name.
    heartbeats : dict of str to dict
        The last heartbeat of each.
    skipped : Counter of str
        Messages skipped to catch up, by topic, in the present run.
    """

    def __init__(self) -> None:
        self.hellos: dict[str, dict[str, Any]] = {}
        self.heartbeats: dict[str, dict[str, Any]] = {}
        self.skipped: Counter[str] = Counter()
        self._continuity = Continuity()
        self._clock = ServerClock(host.machine_id())
        self._newest: Message | None = None

    def _follow(self, message: Message) -> None:
        if self._continuity.follow(message):
            self._newest = None
            self.hellos, self.heartbeats, self.skipped = {}, {}, Counter()
            self._clock.restart()
        self._clock.follow(message)
        if message.kind in ARRAY_KINDS:
            self._newest = message
        elif message.kind == "hello":
            self.hellos[message.stream] = message.header
        elif message.kind == "heartbeat":
            self.heartbeats[message.stream] = message.header

    @property
    def hello(self) -> dict[str, Any] | None:
        """The greeting of the present run; of the stream that greeted first, where there are several."""
        return next(iter(self.hellos.values()), None)

    @property
    def heartbeat(self) -> dict[str, Any] | None:
        """The last heartbeat of the present run; of the same stream as `hello`, where there are several."""
        first = next(iter(self.hellos or self.heartbeats), None)
        return None if first is None else self.heartbeats.get(first)

    @property
    def run(self) -> str | None:
        """The present run, None before the first message."""
        return self._continuity.run

    @property
    def runs_seen(self) -> list[str]:
        """Every run heard of, the present one last."""
        return list(self._continuity.runs_seen)

    @property
    def lost(self) -> dict[str, int]:
        """Messages lost in the present run, by topic."""
        return dict(self._continuity.lost)

    @property
    def bins_lost(self) -> int:
        """Bins of rates missing in the present run; not those that were skipped."""
        return self._continuity.bins_lost

    @property
    def clock_source(self) -> str | None:
        """How the server's clock is known: ``anchor`` (same machine), ``ping``, ``least delay`` (relative), or not."""
        return self._clock.source

    def run_time_ns(self, monotonic_ns: int | None = None) -> int | None:
        """Return the time since the run started, by what is known of the server's clock.

        Parameters
        ----------
        monotonic_ns : int, optional
            A reading of ``time.monotonic_ns()``; now where it is not given.

        Returns
        -------
        t_ns : int or None
            None before the first message.
        """
        return self._clock.run_time_ns(monotonic_ns)

    @property
    def age_s(self) -> float | None:
        """Time since the newest array was sent; None where there is none."""
        return self._age_by("t_pub")

    @property
    def sound_age_s(self) -> float | None:
        """Time since the last sound sample in the newest array was captured; None where there is none."""
        return self._age_by("t_cap")

    def _age_by(self, field: str) -> float | None:
        now_ns = self.run_time_ns()
        if self._newest is None or now_ns is None or not isinstance(self._newest.header.get(field), int):
            return None
        return (now_ns - self._newest.header[field]) / 1e9
