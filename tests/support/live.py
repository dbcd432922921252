"""A live session and its client in one test, over real sockets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from rtstrf.config.live import LiveConfig
from rtstrf.config.load import load_config
from rtstrf.engine.engine import Engine
from rtstrf.sinks.sink import Sink
from rtstrf.sound.source import Block, Source, SourceInfo
from rtstrf.wire.client import Client
from rtstrf.wire.message import Flags, Message

FREE_PORTS = ("wire.data=tcp://127.0.0.1:0", "wire.control=tcp://127.0.0.1:0")
DEADLINE_S = 60.0


@contextmanager
def session(
    *keys: str, source: Source | None = None, topics: Sequence[str] = ("rates",), sinks: Sequence[Sink] = ()
) -> Iterator[tuple[Engine, Client]]:
    """Start an engine that waits for `start`, and a client that has had its greeting.

    The fewer topics it hears, the longer it may stall before the server leaves messages out for it. Unless a key says
    otherwise every hop is a step of its own, however late the machine of the test is: then what is heard is exact.
    """
    defaults = ("source.kind=silence",) if not any(key.startswith("streams=") for key in keys) else ()
    config = load_config(
        LiveConfig, None, [*defaults, "engine.overload.rungs=[]", *keys, *FREE_PORTS, "engine.autostart=false"]
    )
    engine = Engine(config, source, sinks)
    engine.start()
    try:
        # Its lag policy is tested with the wire; here nothing may be skipped.
        with Client(engine.server.data_endpoint, engine.server.control_endpoint, topics=topics, lag_s=1e6) as client:
            receive(client, until=lambda _: client.hello is not None)
            yield engine, client
    finally:
        engine.stop()


def receive(client: Client, until: Callable[[list[Message]], bool]) -> list[Message]:
    """Return what comes until the condition holds for it."""
    messages: list[Message] = []
    deadline = time.monotonic() + DEADLINE_S
    while not until(messages):
        assert time.monotonic() < deadline, f"nothing more after {len(messages)} messages"
        messages += client.poll(0.2)
    return messages


def is_over(messages: list[Message]) -> bool:
    """Tell whether the run has ended: its state is final and its last message is here."""
    final = any(m.kind == "event" and m.header["details"].get("state") == "ended" for m in messages)
    return final and any(Flags.LAST in m.flags for m in messages if m.kind == "rates")


def of_kind(messages: list[Message], kind: str) -> list[Message]:
    """Return the messages of a kind, those without bins left out."""
    return [m for m in messages if m.kind == kind and (m.array is None or len(m.array))]


def events(messages: list[Message], name: str) -> list[dict]:
    """Return the details of the events of a name."""
    return [m.header["details"] for m in messages if m.kind == "event" and m.header["name"] == name]


def joined(messages: list[Message], kind: str) -> np.ndarray:
    """Return all bins of a kind, (bins, m)."""
    return np.concatenate([m.array for m in of_kind(messages, kind) if m.array is not None])


def flags(message: Message) -> Flags:
    """Return a message's flags without those that say what kind of sound it is."""
    return message.flags & ~(Flags.REPLAY | Flags.WARMING_UP | Flags.OVERLOADED)


class ScriptedSource(Source):
    """A device that delivers what the test wrote down, once it is told to play: blocks, losses and failures.

    At an event in the script it is silent until the test sets it.
    """

    live = True
    can_wait = False

    def __init__(self, script: Sequence[Block | Exception | threading.Event], rate_hz: int = 48000) -> None:
        self.info = SourceInfo("microphone", "scripted", rate_hz)
        self.script = list(script)
        self.is_open = False
        self._playing = threading.Event()

    def play(self) -> None:
        self._playing.set()

    def open(self) -> None:
        self.is_open = True

    def read(self, max_samples: int, timeout_s: float = 0.1) -> Block | None:
        if not self._playing.wait(timeout_s):
            return Block(np.empty(0, dtype=np.float32), time.monotonic_ns())
        if not self.script:
            return None
        item = self.script[0]
        if isinstance(item, threading.Event) and not item.wait(timeout_s):
            return Block(np.empty(0, dtype=np.float32), time.monotonic_ns())
        self.script.pop(0)
        if isinstance(item, threading.Event):
            return Block(np.empty(0, dtype=np.float32), time.monotonic_ns())
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self.is_open = False


def noise(samples: int, seed: int = 0) -> np.ndarray:
    """Return white noise of 0.1 Pa, float32."""
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)
