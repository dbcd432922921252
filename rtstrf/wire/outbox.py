"""The bounded hand-over from the engine to the wire: never waits, counts what it had to drop."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, NamedTuple

from rtstrf.wire.streams import Stream


class Draft(NamedTuple):
    """A message that has its number but not yet its time."""

    stream: Stream
    kind: str
    seq: int
    fields: dict[str, Any]
    payload: bytes | None


class Outbox:
    """Messages on their way to the wire thread, each stream's in the order of their numbers.

    The lock is held for an append and a few additions only, by threads that submit; the wire thread takes without it.

    Parameters
    ----------
    limit : int
        Messages of one stream that it holds; one more is dropped, and its number with it, so that clients see that it
        is missing. No stream takes another's place.

    Examples
    --------
    >>> outbox, stream = Outbox(1), Stream("main", "0f", dict, dict)
    >>> outbox.put(stream, "rates", {}), outbox.put(stream, "rates", {})
    (True, False)
    >>> outbox.take().seq, outbox.take(), stream.dropped
    (0, None, 1)
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._drafts: deque[Draft] = deque()
        self._closed = False
        self._lock = threading.Lock()
        self.dropped = 0

    def put(self, stream: Stream, kind: str, fields: dict[str, Any], payload: bytes | None = None) -> bool:
        """Number a message and queue it; False where the queue is full or closed."""
        with self._lock:
            if self._closed:
                return False
            seq = stream.numbers[kind]
            stream.numbers[kind] = seq + 1
            if stream.queued - stream.taken >= self._limit:
                stream.dropped += 1
                self.dropped += 1
                return False
            stream.queued += 1
            self._drafts.append(Draft(stream, kind, seq, fields, payload))
            return True

    def take(self) -> Draft | None:
        """Return the oldest message, None where there is none; for one thread only."""
        try:
            draft = self._drafts.popleft()
        except IndexError:
            return None
        draft.stream.taken += 1
        return draft

    def number(self, stream: Stream, kind: str) -> int:
        """Return the next number of a kind, for a message that is sent without queueing."""
        with self._lock:
            seq = stream.numbers[kind]
            stream.numbers[kind] = seq + 1
            return seq

    def close(self) -> None:
        """Accept nothing more; what is queued can still be taken."""
        with self._lock:
            self._closed = True

    def __len__(self) -> int:
        return len(self._drafts)
