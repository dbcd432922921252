"""All sinks of a stream: each is told everything, and one that fails takes no other with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from rtstrf.errors import ConfigError, RtstrfError
from rtstrf.sinks.queued import Queued
from rtstrf.sinks.sink import Sink
from rtstrf.sound.source import Block

QUEUE_CALLS = 8192  # some ten seconds of a stream with all its topics


class Sinks(Sink):
    """Tell several sinks, each as fast as it can take it.

    Parameters
    ----------
    sinks : iterable of Sink
    failed : callable
        ``failed(sink, error)`` is called once, from any thread, when a sink raises; it is closed and told nothing more.

    Examples
    --------
    >>> sinks = Sinks([], failed=lambda sink, error: None)
    >>> sinks.open({})
    >>> sinks.close()
    """

    immediate = True

    def __init__(self, sinks: Iterable[Sink], failed: Callable[[Sink, Exception], None]) -> None:
        self._failed = failed
        self._waiting = tuple(sinks)
        self._sinks: tuple[Sink, ...] = ()  # those that are open; replaced whole, so that a reader needs no lock

    def open(self, greeting: dict[str, Any]) -> None:
        """Open all; where one cannot be opened those before it are closed again, and its error is raised."""
        try:
            for sink in self._waiting:
                self.add(sink, greeting)
        except BaseException:
            self.close()
            raise

    def add(self, sink: Sink, greeting: dict[str, Any]) -> None:
        """Open one more while the stream runs; it sees what is told from now on."""
        added = sink if sink.immediate else Queued(sink, QUEUE_CALLS, self._end)
        try:
            added.open(greeting)
        except RtstrfError:
            raise
        except Exception as error:
            raise ConfigError(
                f"{sink.name} cannot be opened: {type(error).__name__}: {error}",
                remedy="correct its options, or leave it out of the configuration",
            ) from error
        self._sinks = (*self._sinks, added)

    def remove(self, sink: Sink) -> None:
        """Complete and close a sink while the stream runs."""
        for own in self._sinks:
            if own is sink or (isinstance(own, Queued) and own.wraps(sink)):
                self._sinks = tuple(other for other in self._sinks if other is not own)
                own.close()

    def sound(self, block: Block, at_sample: int) -> None:
        self._tell("sound", block, at_sample)

    def rows(self, kind: str, header: dict[str, Any], rows: np.ndarray) -> None:
        self._tell("rows", kind, header, rows)

    def event(self, name: str, t_ns: int, details: dict[str, Any]) -> None:
        self._tell("event", name, t_ns, details)

    def close(self) -> None:
        sinks, self._sinks = self._sinks, ()
        for sink in sinks:
            self._guarded(sink, sink.close)

    def lost(self) -> dict[str, int]:
        """Return how many calls each sink never saw, since it was slower than the stream; only those that lost any."""
        return {sink.name: sink.lost for sink in self._sinks if isinstance(sink, Queued) and sink.lost}

    def _tell(self, method: str, *arguments: Any) -> None:
        for sink in self._sinks:
            self._guarded(sink, getattr(sink, method), *arguments)

    def _guarded(self, sink: Sink, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except Exception as error:  # whatever a plugin raises is its own end, not the stream's
            self._end(sink, error)

    def _end(self, sink: Sink, error: Exception) -> None:
        """Take a sink out that failed, here or on its own thread, and close it."""
        was_open = [own for own in self._sinks if own is sink or (isinstance(own, Queued) and own.wraps(sink))]
        self._sinks = tuple(own for own in self._sinks if own not in was_open)
        if was_open:
            with suppress(Exception):  # it has failed once already, and that is told
                sink.close()
        self._failed(sink, error)
