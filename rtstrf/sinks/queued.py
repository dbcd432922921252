"""A slow sink behind a bounded queue and on a thread of its own, so that the engine never waits for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from rtstrf.sinks.sink import Sink
from rtstrf.sound.source import Block

HANGS_AFTER_S = 60.0  # of one call, when the stream has ended: a recorder may have much to complete
IDLE_S = 0.25  # of nothing, after which a sink is told so
PATIENCE_S = 0.02  # how late a patient sink may be called


class Queued(Sink):
    """Call a sink on a thread of its own.

    Parameters
    ----------
    sink : Sink
    capacity : int
        Calls that may wait; those beyond it are lost to this sink, and counted.
    failed : callable
        ``failed(sink, error)``, called once from the sink's thread when one of its methods raises, or by `close`.
    patience_s : float
        How long `close` waits for one call to return.

    Attributes
    ----------
    lost : int
        Calls that the sink never saw, since it was slower than the stream.

    Notes
    -----
    `close` waits for what is queued, but for no sink that hangs: that is a failure, and its thread is left behind. A
    sink that has failed takes nothing more; closing it is left to `failed`.

    Examples
    --------
    >>> class Names(Sink):
    ...     def event(self, name, t_ns, details):
    ...         print(name)
    >>> queued = Queued(Names(), capacity=4, failed=lambda sink, error: None)
    >>> queued.open({})
    >>> queued.event("mark", 0, {})
    >>> queued.close()
    mark
    """

    def __init__(
        self,
        sink: Sink,
        capacity: int,
        failed: Callable[[Sink, Exception], None],
        patience_s: float = HANGS_AFTER_S,
    ) -> None:
        self.name = sink.name
        self.immediate = True  # what the engine calls is an append
        self.lost = 0
        self._lost_untold = 0
        self._looks_every_s = PATIENCE_S if sink.patient else IDLE_S
        self._sink = sink
        self._failed = failed
        self._capacity = capacity
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._patience_s = patience_s
        self._taken = 0  # calls begun so far
        self._thread: threading.Thread | None = None

    def open(self, greeting: dict[str, Any]) -> None:
        """Open the sink on the caller's thread, so that a mistake of the configuration is told at once."""
        self._sink.open(greeting)
        self._thread = threading.Thread(target=self._work, name=f"rtstrf-{self.name}", daemon=True)
        self._thread.start()

    def sound(self, block: Block, at_sample: int) -> None:
        self._put(self._sink.sound, block, at_sample)

    def rows(self, kind: str, header: dict[str, Any], rows: np.ndarray) -> None:
        self._put(self._sink.rows, kind, header, rows)

    def event(self, name: str, t_ns: int, details: dict[str, Any]) -> None:
        self._put(self._sink.event, name, t_ns, details)

    def close(self) -> None:
        with self._changed:
            if self._lost_untold and not self._closing:
                self._calls.append((self._sink.missed, (self._lost_untold,)))
            self._closing = True
            self._changed.notify_all()
        taken = -1
        while self._thread is not None and self._thread.is_alive():
            if taken == self._taken:
                error = TimeoutError(f"one of its calls has not returned within {self._patience_s:g} s")
                self._failed(self._sink, error)
                return
            taken = self._taken
            self._thread.join(self._patience_s)

    def wraps(self, sink: Sink) -> bool:
        """Return whether this is the queue of that sink."""
        return self._sink is sink

    def _put(self, method: Callable[..., None], *arguments: Any) -> None:
        with self._changed:
            if self._closing:
                return
            if len(self._calls) >= self._capacity:
                self.lost += 1
                self._lost_untold += 1
                return
            if self._lost_untold:
                self._calls.append((self._sink.missed, (self._lost_untold,)))
                self._lost_untold = 0
            self._calls.append((method, arguments))
            if not self._sink.patient:
                self._changed.notify_all()

    def _work(self) -> None:
        try:
            while (call := self._take()) is not None:
                method, arguments = call
                method(*arguments)
        except Exception as error:  # whatever a plugin raises is its own end, not the stream's
            with self._changed:
                self._closing = True
                self._calls.clear()
            self._failed(self._sink, error)
            return
        try:
            self._sink.close()
        except Exception as error:
            self._failed(self._sink, error)

    def _take(self) -> tuple[Callable[..., None], tuple[Any, ...]] | None:
        with self._changed:
            waited_s = 0.0
            while not self._calls and not self._closing:
                if not self._changed.wait(self._looks_every_s):
                    waited_s += self._looks_every_s
                    if waited_s >= IDLE_S and not self._calls:
                        return self._sink.idle, ()
            self._taken += 1
            return self._calls.popleft() if self._calls else None
