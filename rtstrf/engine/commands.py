"""What clients may ask of a running engine: called on the wire thread, carried out between two hops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from rtstrf.errors import ConfigError

if TYPE_CHECKING:
    from rtstrf.engine.engine import Engine

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
        if cmd == "mark":
            return self._mark(args)
        if cmd == "start":
            return self._start(args.get("at"))
        if cmd in ("stop", "arm"):
            return self._between_hops(lambda: self._pause("stopped" if cmd == "stop" else "armed"))
        if cmd == "reset":
            return self._between_hops(engine.inference.reset_by_client)
        if cmd == "set":
            change = engine.parameters.checked(args["name"], args["value"])
            return self._between_hops(lambda: engine.inference.change(change))
        raise ConfigError(f"no command {cmd!r}", remedy="see docs/protocol.md")

    def _start(self, at_ns: int | None) -> Reply:
        engine = self._engine
        if engine.state == "running":
            if at_ns is None:
                return {"state": engine.state, "at": None}
            raise ConfigError("the stream is running already", remedy="send stop first, then start at a time to come")
        now_ns = engine.clock.now_ns()
        if at_ns is not None and not now_ns <= at_ns <= now_ns + FARTHEST_START_NS:
            raise ConfigError(
                f"start at {at_ns} ns, and it is {now_ns} ns since the run started",
                remedy="give a time to come, at most a day ahead; ping tells the time of the run",
            )
        engine.begin(at_ns)
        return {"state": engine.state, "at": at_ns}

    def _between_hops(self, action: Callable[[], Reply]) -> Future[Reply]:
        done: Future[Reply] = Future()

        def carry_out() -> None:
            try:
                done.set_result(action())
            except Exception as error:
                done.set_exception(error)

        self._engine.handover.command(carry_out)
        return done

    def _pause(self, state: str) -> Reply:
        self._engine.inference.deafen()
        self._engine.set_state(state)
        return {"state": state, "bin": self._engine.inference.next_bin}

    def _mark(self, args: dict[str, Any]) -> Reply:
        engine = self._engine
        now_ns = time.monotonic_ns()
        source_sample = engine.ledger.sample_at(now_ns)
        sample = int(source_sample * engine.pipeline.rate_hz / engine.source_rate_hz)
        mark = {"label": args["label"], "s": sample, "bin": sample // engine.pipeline.hop_samples}
        mark["t"] = now_ns - engine.clock.start_ns
        if "t_client" in args:
            mark["t_client"] = args["t_client"]
        engine.outlet.event("mark", **mark)
        return mark
