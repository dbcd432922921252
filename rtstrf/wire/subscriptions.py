"""Who listens to what, from the subscription messages that reach an XPUB socket."""

from __future__ import annotations

from collections import Counter

from rtstrf.wire.message import may_begin_topic

REMEMBERED = 100_000


class Subscriptions:
    """Counts the subscriptions that could match a topic of the protocol.

    Parameters
    ----------
    limit : int, optional
        Different prefixes to remember, so that nobody can fill the memory with made-up ones; beyond that every topic
        counts as wanted.

    Attributes
    ----------
    clients : int
        Subscribers of the prefix that has most of them, exact where all clients share one subscription; as of the
        last `count`.

    Examples
    --------
    >>> subscriptions = Subscriptions()
    >>> subscriptions.follow(b"\\x01rates/")
    b'rates/'
    >>> subscriptions.wanted(b"rates/main/"), subscriptions.wanted(b"level/main/")
    (True, False)
    """

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._counts: dict[bytes, int] = {}
        self._lengths: Counter[int] = Counter()
        self._wanted: dict[bytes, bool] = {}
        self._overflowed = False
        self.clients = 0

    def follow(self, frame: bytes) -> bytes | None:
        """Take note of a frame from the socket.

        Returns
        -------
        prefix : bytes or None
            What was subscribed; None where the frame is an unsubscription or no business of ours.
        """
        sign, prefix = frame[:1], frame[1:]
        if sign not in (b"\x00", b"\x01") or not may_begin_topic(prefix):
            return None
        count = self._counts.get(prefix, 0)
        if sign == b"\x01":
            if count == 0:
                if len(self._counts) >= self._limit:
                    self._overflowed = True
                    return prefix
                self._lengths[len(prefix)] += 1
                self._wanted.clear()
            self._counts[prefix] = count + 1
            return prefix
        if count > 1:
            self._counts[prefix] = count - 1
        elif count == 1:
            del self._counts[prefix]
            self._lengths[len(prefix)] -= 1
            if not self._lengths[len(prefix)]:
                del self._lengths[len(prefix)]
            self._wanted.clear()
        return None

    def wanted(self, topic: bytes) -> bool:
        """Tell whether anybody listens to a topic: where nobody does, a message need not be made."""
        known = self._wanted.get(topic)
        if known is None:
            known = self._overflowed or any(topic[:length] in self._counts for length in self._lengths)
            self._wanted[topic] = known
        return known

    def clients_of(self, topics: list[bytes]) -> int:
        """Return the subscribers of the prefix that has most of them, among those that match one of these topics."""
        prefixes = {topic[:length] for topic in topics for length in self._lengths}
        return max((self._counts.get(prefix, 0) for prefix in prefixes), default=0)

    def count(self) -> None:
        """Bring `clients` up to date, so that any thread can read it."""
        self.clients = max(self._counts.values(), default=0)
