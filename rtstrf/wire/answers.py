"""What the server itself answers on the control channel; the rest is the engine's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from rtstrf.wire.publisher import Publisher
from rtstrf.wire.request import RequestError
from rtstrf.wire.streams import Stream, Streams

Reply = dict[str, Any]


class Answers:
    """Answers ``hello ping status events``, sees that a stream that is named exists, and passes on the others.

    Parameters
    ----------
    run : str
    streams : Streams
    first : Stream or None
        The one that is meant where none is named.
    publisher : Publisher
    describe : callable
        Returns what the server adds to every greeting.
    handle : callable
        ``handle(cmd, args)`` of the engine.
    """

    def __init__(
        self,
        run: str,
        streams: Streams,
        first: Stream | None,
        publisher: Publisher,
        describe: Callable[[], Reply],
        handle: Callable[[str, Reply], Reply | Future[Reply]],
    ) -> None:
        self._run = run
        self._streams = streams
        self._first = first
        self._publisher = publisher
        self._describe = describe
        self._handle = handle

    def __call__(self, cmd: str, args: Reply) -> Reply | Future[Reply]:
        """Execute a command whose arguments have been checked."""
        if cmd == "ping":
            return {"run": self._run}
        name = args.get("stream")
        if name is not None and name not in self._streams:
            raise RequestError(
                "unknown_stream", f"no stream {name[:80]!r}", remedy="the reply to hello lists the streams there are"
            )
        if cmd not in ("hello", "status", "events"):
            return self._handle(cmd, args)
        stream = self._first if name is None else self._streams.find(name)
        if cmd == "hello":
            return self._answer_hello(stream)
        if stream is None or not stream.present:
            raise RequestError("unknown_stream", f"{cmd} of which stream?", remedy="name one that hello lists: stream")
        return self._publisher.state(stream) if cmd == "status" else stream.events.since(args.get("since", 0))

    def _answer_hello(self, stream: Stream | None) -> Reply:
        listed = {"run": self._run, "streams": self._streams.names()}
        if stream is None or not stream.present:
            return {**self._describe(), **listed}
        self._publisher.greet(stream)
        return {**self._publisher.greeting(stream), "stream": stream.name, **listed}
