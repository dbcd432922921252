"""Messages from the network, read by a thread so that a busy window loses none, and handed over by a bounded queue."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rtstrf.display.history import MessageLike
from rtstrf.errors import WireError

QUEUE_MESSAGES = 20_000
REFUSED_S = 3.0  # a server that starts, or lets a key in, may refuse for a moment
TOPICS = ("rates", "spectrogram", "onoff", "level", "spikes")


class MessageSource(Protocol):
    """What is needed of a client (`rtstrf.wire.client.Client` is one)."""

    def poll(self, timeout_s: float = 0.0) -> Sequence[MessageLike]:
        """Return what has come, waiting for the first one if need be."""

    def close(self) -> None:
        """Disconnect."""


@dataclass(slots=True)
class Dropped:
    """Messages of one run and topic that were thrown away, since nobody took them in time.

    Attributes
    ----------
    first, last : MessageLike
        Without a gap in between, other than what was lost on the way.
    t_ns : int
        When the last one was thrown away, by the local monotonic clock.
    """

    first: MessageLike
    last: MessageLike
    t_ns: int


class Feed:
    """Reads a client in a thread of its own; a context manager.

    Parameters
    ----------
    connect : callable
        Makes the client; called here, so that a wrong endpoint is reported before anything runs.
    queue_messages : int, optional
        Messages kept for who takes them; beyond that the oldest are thrown away, which `take` tells.

    Attributes
    ----------
    error : BaseException or None
        What ended the thread, if anything did.
    """

    def __init__(self, connect: Callable[[], MessageSource], queue_messages: int = QUEUE_MESSAGES) -> None:
        self.error: BaseException | None = None
        self._client = connect()
        self._queue_messages = queue_messages
        self._queue: deque[MessageLike] = deque()
        self._dropped: dict[tuple[object, ...], Dropped] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._arrived = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtstrf-display-feed", daemon=True)

    def _run(self) -> None:
        heard, patience_ends_s = False, time.monotonic() + REFUSED_S
        try:
            while not self._stopping.is_set():
                messages = self._client.poll(timeout_s=0.1)
                if messages:
                    heard = True
                    self._keep(messages)
                    self._arrived.set()
                elif not heard and time.monotonic() > patience_ends_s:
                    refusal = getattr(self._client, "refusal", None)
                    if refusal is not None:
                        raise WireError(refusal)
        except Exception as error:
            self.error = error
        finally:
            self._client.close()

    def _keep(self, messages: Sequence[MessageLike]) -> None:
        with self._lock:
            self._queue.extend(messages)
            while len(self._queue) > self._queue_messages:
                oldest = self._queue.popleft()
                key = oldest.header.get("run"), oldest.kind, oldest.header.get("stream")
                dropped = self._dropped.setdefault(key, Dropped(oldest, oldest, 0))
                dropped.last, dropped.t_ns = oldest, messages[-1].t_recv_ns

    def take(self) -> tuple[list[Dropped], list[MessageLike]]:
        """Return what was thrown away and what has come since the last call, in this order; never waits."""
        self._arrived.clear()
        with self._lock:
            dropped, self._dropped = list(self._dropped.values()), {}
            messages, self._queue = list(self._queue), deque()
        return dropped, messages

    def wait(self, timeout_s: float) -> bool:
        """Wait until something has come; True where it has."""
        return self._arrived.wait(timeout_s)

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join(timeout=5.0)


class OneStream:
    """Pass on one stream of a server that may have several: the one that is heard first in a run.

    Parameters
    ----------
    client : MessageSource
    """

    def __init__(self, client: MessageSource) -> None:
        self._client = client
        self._chosen: tuple[object, object] | None = None  # of which run, and its name

    def poll(self, timeout_s: float = 0.0) -> Sequence[MessageLike]:
        """Return what has come of the stream, waiting for the first message if need be."""
        passed = []
        for message in self._client.poll(timeout_s=timeout_s):
            run, name = message.header.get("run"), message.header.get("stream")
            if self._chosen is None or self._chosen[0] != run:
                self._chosen = run, name
            if self._chosen[1] == name:
                passed.append(message)
        return passed

    @property
    def refusal(self) -> str | None:
        """Why the server does not let the client in, None where it does or where nothing is known."""
        return getattr(self._client, "refusal", None)

    def close(self) -> None:
        """Disconnect."""
        self._client.close()


def connect(
    endpoint: str, control: str | None = None, keys: str | None = None, stream: str | None = None
) -> MessageSource:
    """Return a client of the wire that follows everything the display shows, of one stream."""
    from rtstrf.wire.client import Client

    client = Client(endpoint, control, topics=TOPICS, keys=keys, stream=stream)
    return client if stream is not None else OneStream(client)
