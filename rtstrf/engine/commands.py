"""What clients may ask of a running engine: called on the wire thread, carried out between two hops."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from rtstrf.config.live import StreamSection
from rtstrf.config.load import check
from rtstrf.errors import ConfigError

if TYPE_CHECKING:
    from rtstrf.engine.engine import Engine
    from rtstrf.engine.stream import LiveStream

Reply = dict[str, Any]

SHUTDOWN_AFTER_S = 0.25  # time for the reply to arrive
FARTHEST_START_NS = 24 * 3600 * 10**9


class Commands:
    """Carry out control commands on an engine.

    Parameters
    ----------
    engine : Engine
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def handle(self, cmd: str, args: dict[str, Any]) -> Reply | Future[Reply]:
        """Carry out a command whose arguments the wire has checked (docs/protocol.md lists them)."""
        engine = self._engine
        if cmd == "shutdown":
            # Not at once: closing a connection with something unread resets it, and the reply would go with it.
            threading.Timer(SHUTDOWN_AFTER_S, engine.request_stop).start()
            return {"state": "stopping"}
        if cmd == "get":
            return engine.parameters.get(args.get("name"))
        if cmd == "record.start":
            return _in_background(lambda: engine.recordings.start(args.get("name")))
        if cmd == "record.stop":
            return _in_background(engine.recordings.stop)
        if cmd == "stream.add":
            section = check(StreamSection, args, "the stream")
            return _in_background(lambda: _told_of(engine.roster.add(section)))
        if cmd == "stream.remove":
            return _in_background(lambda: engine.roster.remove(args["name"]))
        streams = self._meant(args.get("stream"))
        if cmd == "mark":
            return _one_of([self._mark(stream, args) for stream in streams], streams)
        if cmd == "start":
            return self._start(streams, args.get("at"))
        if cmd in ("stop", "arm"):
            return self._between_hops(streams, _pause_to("stopped" if cmd == "stop" else "armed"))
        if cmd == "reset":
            return self._between_hops(streams, lambda stream: stream.inference.reset_by_client())
        if cmd == "set":
            return self._set(args["name"], args["value"], args.get("stream"))
        raise ConfigError(f"no command {cmd!r}", remedy="see docs/protocol.md")

    def _meant(self, name: str | None) -> list[LiveStream]:
        """Return the stream of a name, all of them without one."""
        streams = self._engine.streams
        if name is None:
            return list(streams.values())
        if name not in streams:
            raise ConfigError(f"no stream {name[:80]!r}", remedy=f"there are {', '.join(streams)}")
        return [streams[name]]

    def _start(self, streams: list[LiveStream], at_ns: int | None) -> Reply:
        engine = self._engine
        if all(stream.wanted == "running" for stream in streams):
            if at_ns is None:
                return {"state": streams[0].state, "at": None}
            raise ConfigError("the stream is running already", remedy="send stop first, then start at a time to come")
        now_ns = engine.clock.now_ns()
        if at_ns is not None and not now_ns <= at_ns <= now_ns + FARTHEST_START_NS:
            raise ConfigError(
                f"start at {at_ns} ns, and it is {now_ns} ns since the run started",
                remedy="give a time to come, at most a day ahead; ping tells the time of the run",
            )
        for stream in streams:
            if stream.wanted != "running":
                stream.begin(None if at_ns is None else engine.clock.start_ns + at_ns)
        return {"state": streams[0].state, "at": at_ns}

    def _set(self, name: str, value: Any, stream: str | None) -> Future[Reply]:
        if stream is not None:
            raise ConfigError(f"{name} is of all streams", remedy="set it without naming a stream")
        change = self._engine.parameters.checked(name, value)
        applied = False

        def apply(each: LiveStream) -> Reply:
            nonlocal applied
            if not applied:
                self._engine.parameters.apply(change)
                applied = True
            return each.inference.changed(change)

        return self._between_hops(self._meant(None), apply)

    def _between_hops(self, streams: list[LiveStream], action: Callable[[LiveStream], Reply]) -> Future[Reply]:
        done: Future[Reply] = Future()

        def carry_out() -> None:
            try:
                done.set_result(_one_of([action(stream) for stream in streams], streams))
            except Exception as error:
                done.set_exception(error)

        self._engine.handover.command(carry_out)
        return done

    def _mark(self, stream: LiveStream, args: dict[str, Any]) -> Reply:
        mark = {"label": args["label"], **stream.mark_now()}
        if "t_client" in args:
            mark["t_client"] = args["t_client"]
        stream.outlet.event("mark", **mark)
        return mark


def _in_background(action: Callable[[], Reply]) -> Future[Reply]:
    """Carry out what waits for the disk, on a thread of its own."""
    done: Future[Reply] = Future()

    def carry_out() -> None:
        try:
            done.set_result(action())
        except Exception as error:
            done.set_exception(error)

    threading.Thread(target=carry_out, name="rtstrf-record", daemon=True).start()
    return done


def _told_of(stream: LiveStream) -> Reply:
    return {"stream": stream.name, "state": stream.state, "source": stream.source_name}


def _pause_to(state: str) -> Callable[[LiveStream], Reply]:
    def pause(stream: LiveStream) -> Reply:
        stream.pause(state)
        return {"state": state, "bin": stream.inference.next_bin}

    return pause


def _one_of(replies: list[Reply], streams: list[LiveStream]) -> Reply:
    """Return the reply of the first stream, with those of all of them by name where there are several."""
    if len(replies) == 1:
        return replies[0]
    return {**replies[0], "streams": {stream.name: reply for stream, reply in zip(streams, replies, strict=True)}}
