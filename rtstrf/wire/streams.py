"""The streams of a server: what each is called, what it greets with, and what it has counted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from rtstrf.errors import WireError
from rtstrf.wire import message
from rtstrf.wire.event_log import EventLog

Tell = Callable[[], dict[str, Any]]

NEVER_S = float("inf")


class Stream:
    """One stream: its topics, its numbers, its events and when it is to be heard of next.

    Parameters
    ----------
    name : str
        The second part of its topics.
    run : str
    hello, status : callable
        What stays the same, and what changes.

    Attributes
    ----------
    topics : dict of str to bytes
        The first frame of each kind, made once.
    starts : dict of str to bytes
        How the header of each kind begins, made once.
    events : EventLog
    numbers : dict of str to int
        The next number of each kind.
    queued, taken : int
        Messages put into the queue to the wire thread and taken out of it: each is written by one side only.
    dropped : int
        Messages that the queue could not hold.
    present : bool
        False once it was removed.
    """

    __slots__ = (
        "dropped", "events", "greeted_s", "heartbeat_due_s", "hello", "hello_due_s", "name", "numbers", "present",
        "queued", "starts", "status", "taken", "topics",
    )  # fmt: skip

    def __init__(self, name: str, run: str, hello: Tell, status: Tell) -> None:
        self.name = name
        self.hello = hello
        self.status = status
        self.topics = {kind: message.topic_of(kind, name).encode() for kind in message.KINDS}
        self.starts = {kind: message.header_start(kind, run, name) for kind in message.KINDS}
        self.events = EventLog()
        self.numbers = dict.fromkeys(message.KINDS, 0)
        self.queued = self.taken = self.dropped = 0
        self.present = True
        self.greeted_s = -NEVER_S
        self.hello_due_s = self.heartbeat_due_s = NEVER_S

    def last_numbers(self) -> dict[str, int]:
        """Return the last number given out, by topic."""
        return {self.topics[kind].decode(): following - 1 for kind, following in self.numbers.items() if following}


class Streams:
    """All streams of a server; added, removed and found from any thread.

    Parameters
    ----------
    run : str
    hello, status : callable
        For streams that do not bring their own.

    Examples
    --------
    >>> streams = Streams("0f", dict, dict)
    >>> streams.add("left").topics["rates"], streams.names()
    (b'rates/left/', ['left'])
    """

    def __init__(self, run: str, hello: Tell, status: Tell) -> None:
        self._run = run
        self._hello = hello
        self._status = status
        self._present: dict[str, Stream] = {}
        self._removed: dict[str, Stream] = {}
        self._lock = threading.Lock()
        self.arrivals: deque[Stream] = deque()
        """Streams whose greetings and heartbeats are yet to be scheduled."""

    def add(self, name: str, hello: Tell | None = None, status: Tell | None = None) -> Stream:
        """Add a stream; one that was removed before goes on with its numbers, since they belong to the run.

        Raises
        ------
        WireError
            If it cannot be a name, or is one already.
        """
        with self._lock:
            if name in self._present:
                raise WireError(f"there is a stream {name!r} already", remedy="give another name, or remove it first")
            stream = self._removed.pop(name, None)
            if stream is None:
                stream = Stream(name, self._run, hello or self._hello, status or self._status)
            else:
                stream.hello, stream.status = hello or self._hello, status or self._status
                stream.present = True
            self._present[name] = stream
        self.arrivals.append(stream)
        return stream

    def remove(self, name: str) -> Stream:
        """Take a stream away; WireError where there is none of this name."""
        stream = self.find(name)
        with self._lock:
            self._present.pop(name, None)
            self._removed[name] = stream
            stream.present = False
        return stream

    def get(self, name: str) -> Stream | None:
        """Return a stream, None where it was removed.

        Raises
        ------
        WireError
            If there never was one of this name.
        """
        stream = self._present.get(name)
        return stream if stream is not None or name in self._removed else self.find(name)

    def find(self, name: str) -> Stream:
        """Return a stream that is there.

        Raises
        ------
        WireError
            If it is not.
        """
        stream = self._present.get(name)
        if stream is None:
            raise WireError(f"no stream {name[:80]!r}", remedy="ask for hello: its reply lists the streams there are")
        return stream

    def names(self) -> list[str]:
        """Return the names of the streams, in the order they were added."""
        return list(self._present)

    def all(self) -> list[Stream]:
        """Return the streams, in the order they were added."""
        return list(self._present.values())

    def __contains__(self, name: str) -> bool:
        return name in self._present
