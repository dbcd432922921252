"""Real servers and clients on ports of their own, closed at the end of each test."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

import rtstrf
from rtstrf.wire.client import Client
from rtstrf.wire.message import Message
from rtstrf.wire.server import WireServer

PATIENCE_S = 20.0  # a bound on waiting, far above what is needed, so that a busy machine does not fail a test


class RunClock:
    """Time since it was made."""

    def __init__(self) -> None:
        self.start_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        return time.monotonic_ns() - self.start_ns

    def anchor(self) -> dict[str, str]:
        return {"monotonic_ns": str(self.start_ns), "utc": "2026-01-01T00:00:00Z"}


class Engine:
    """Stands where the engine stands: remembers what it was told to do, and can publish rates."""

    def __init__(self, **options: Any) -> None:
        self.clock = RunClock()
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.answer: Callable[[str, dict[str, Any]], Any] = lambda cmd, args: {"did": cmd}
        self.server = WireServer(
            options.pop("data", "tcp://127.0.0.1:0"),
            options.pop("control", "tcp://127.0.0.1:0"),
            clock=self.clock,
            hello=options.pop("hello", lambda: {"model": "test"}),
            status=options.pop("status", lambda: {"state": "running"}),
            handle=self.handle,
            **options,
        )

    def handle(self, cmd: str, args: dict[str, Any]) -> Any:
        self.told.append((cmd, args))
        return self.answer(cmd, args)

    def publish(self, i0: int, n: int = 1, m: int = 3, kind: str = "rates", **header: Any) -> bool:
        now_ns = self.clock.now_ns()
        fields = {"i0": i0, "unit": "Hz", "t_cap": now_ns, "gap": 0, "flags": 0, **header}
        return self.server.submit(kind, fields, np.full((n, m), i0, dtype=np.float32))


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start(closing: ExitStack) -> Callable[..., Engine]:
    """Return a function that starts a server."""

    def make(**options: Any) -> Engine:
        engine = Engine(**options)
        closing.enter_context(engine.server)
        return engine

    return make


@pytest.fixture
def engine(start: Callable[..., Engine]) -> Engine:
    return start()


@pytest.fixture
def connect(closing: ExitStack) -> Callable[..., Client]:
    """Return a function that connects a client to a server and waits until it hears it."""

    def make(engine: Engine, *, control: str | None = None, **options: Any) -> Client:
        client = closing.enter_context(Client(engine.server.data_endpoint, control, **options))
        client.wait_hello(PATIENCE_S)
        return client

    return make


@pytest.fixture
def context(closing: ExitStack) -> zmq.Context:
    """Return a context for bare sockets, which are closed with it."""
    context = zmq.Context()
    closing.callback(context.destroy, linger=0)
    return context


@pytest.fixture
def gather() -> Callable[[Client, Callable[[list[Message]], bool]], list[Message]]:
    """Return a function that polls a client until what has come is enough."""

    def until(client: Client, enough: Callable[[list[Message]], bool]) -> list[Message]:
        messages: list[Message] = []
        deadline_s = time.monotonic() + PATIENCE_S
        while not enough(messages):
            if time.monotonic() > deadline_s:
                pytest.fail(f"still not enough after {PATIENCE_S} s: {[m.topic for m in messages]}")
            messages += client.poll(0.05)
        return messages

    return until


@pytest.fixture
def start_process(closing: ExitStack) -> Callable[..., subprocess.Popen[str]]:
    """Return a function that runs a script of this folder in a process of its own, killed at the end."""

    def run(script: str, *args: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(Path(rtstrf.__file__).resolve().parents[1])}
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(script)), *args],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

        def end() -> None:
            process.kill()
            process.wait()
            process.stdout.close()

        closing.callback(end)
        return process

    return run
