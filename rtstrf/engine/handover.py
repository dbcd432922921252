"""From the thread that captures to the thread that computes: a bounded queue of hops, and commands between them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from rtstrf.engine.ledger import Hop


class Handover:
    """A bounded queue whose writer never waits, unless it asks to.

    Parameters
    ----------
    capacity : int
        Hops that may wait.

    Notes
    -----
    Commands wait apart from hops and come first: they are carried out between two hops. After `close`, what is
    queued still comes out.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._hops: deque[Hop] = deque()
        self._commands: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.dropped_hops = 0

    def __len__(self) -> int:
        return len(self._hops)

    def put(self, hop: Hop, *, wait: bool) -> bool:
        """Queue a hop; where the queue is full, wait for room, or drop it and return False."""
        with self._changed:
            while len(self._hops) >= self._capacity and wait and not self._closed:
                self._changed.wait()
            if self._closed or len(self._hops) >= self._capacity:
                self.dropped_hops += 1
                return False
            self._hops.append(hop)
            self._changed.notify_all()
            return True

    def command(self, command: Callable[[], None]) -> None:
        """Queue something to be done between two hops."""
        with self._changed:
            self._commands.append(command)
            self._changed.notify_all()

    def take(self) -> Hop | Callable[[], None] | None:
        """Wait for a command or a hop and return it; None when closed and empty."""
        with self._changed:
            while True:
                if self._commands:
                    return self._commands.popleft()
                if self._hops:
                    hop = self._hops.popleft()
                    if len(self._hops) == self._capacity - 1:
                        self._changed.notify_all()  # a writer may be waiting for this place
                    return hop
                if self._closed:
                    return None
                self._changed.wait()

    def close(self) -> None:
        """Let `take` return None once all is taken; what is put from now on is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
