"""The bounded hand-over from the engine to the wire: never waits, counts what it had to drop."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that has its number but not yet its time."""

    kind: str
    seq: int
    fields: dict[str, Any]
    payload: bytes | None


class Outbox:
    """Messages on their way to the wire thread, in the order of their numbers.

    The lock is held for an append and a few additions only, by threads that submit; the wire thread takes without it.

    Parameters
    ----------
    limit : int
        Messages it holds; one more is dropped, and its number with it, so that clients see that it is missing.

    Examples
    --------
    >>> outbox = Outbox(1)
    >>> outbox.put("rates", {}), outbox.put("rates", {})
    (True, False)
    >>> outbox.take().seq, outbox.take(), outbox.dropped
    (0, None, 1)
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._drafts: deque[Draft] = deque()
        self._next: Counter[str] = Counter()
        self._closed = False
        self._lock = threading.Lock()
        self.dropped = 0

    def put(self, kind: str, fields: dict[str, Any], payload: bytes | None = None) -> bool:
        """Number a message and queue it; False where the queue is full or closed."""
        with self._lock:
            if self._closed:
                return False
            seq = self._next[kind]
            self._next[kind] = seq + 1
            if len(self._drafts) >= self._limit:
                self.dropped += 1
                return False
            self._drafts.append(Draft(kind, seq, fields, payload))
            return True

    def take(self) -> Draft | None:
        """Return the oldest message, None where there is none."""
        try:
            return self._drafts.popleft()
        except IndexError:
            return None

    def number(self, kind: str) -> int:
        """Return the next number of a kind, for a message that is sent without queueing."""
        with self._lock:
            seq = self._next[kind]
            self._next[kind] = seq + 1
            return seq

    def close(self) -> None:
        """Accept nothing more; what is queued can still be taken."""
        with self._lock:
            self._closed = True

    def last_numbers(self) -> dict[str, int]:
        """Return the last number given out, by kind."""
        with self._lock:
            return {kind: following - 1 for kind, following in self._next.items()}

    def __len__(self) -> int:
        return len(self._drafts)
