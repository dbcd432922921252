"""Messages from the network, read by a thread so that a busy window loses none, and handed over by a bounded queue."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

from rtstrf.display.history import MessageLike

QUEUE_MESSAGES = 20_000
TOPICS = ("rates", "spectrogram", "onoff", "level")


class MessageSource(Protocol):
    """What is needed of a client (`rtstrf.wire.client.Client` is one)."""

    def poll(self, timeout_s: float = 0.0) -> Sequence[MessageLike]:
        """Return what has come, waiting for the first one if need be."""

    def close(self) -> None:
        """Disconnect."""


class Feed:
    """Reads a client in a thread of its own; a context manager.

    Parameters
    ----------
    connect : callable
        Makes the client; called here, so that a wrong endpoint is reported before anything runs.

    Attributes
    ----------
    error : BaseException or None
        What ended the thread, if anything did.
    """

    def __init__(self, connect: Callable[[], MessageSource]) -> None:
        self.error: BaseException | None = None
        self._client = connect()
        self._queue: deque[MessageLike] = deque(maxlen=QUEUE_MESSAGES)
        self._stopping = threading.Event()
        self._arrived = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtstrf-display-feed", daemon=True)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                messages = self._client.poll(timeout_s=0.1)
                self._queue.extend(messages)
                if messages:
                    self._arrived.set()
        except Exception as error:
            self.error = error
        finally:
            self._client.close()

    def take(self) -> list[MessageLike]:
        """Return what has come since the last call; never waits."""
        self._arrived.clear()
        return [self._queue.popleft() for _ in range(len(self._queue))]

    def wait(self, timeout_s: float) -> bool:
        """Wait until something has come; True where it has."""
        return self._arrived.wait(timeout_s)

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join(timeout=5.0)


def connect(endpoint: str, control: str | None = None) -> MessageSource:
    """Return a client of the wire that follows everything the display shows."""
    from rtstrf.wire.client import Client

    return Client(endpoint, control, topics=TOPICS)
