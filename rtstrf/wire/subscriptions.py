"""Who listens to what, from the subscription messages that reach an XPUB socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


class Subscriptions:
    """Counts the subscriptions that match one of the topics of a server.

    Parameters
    ----------
    topics : iterable of bytes
        All topics the server may publish; a subscription that matches none of them is not counted, so that nobody
        can fill the memory with made-up ones.

    Examples
    --------
    >>> subscriptions = Subscriptions([b"rates/main/"])
    >>> subscriptions.follow(b"\\x01rates/")
    b'rates/'
    >>> subscriptions.clients
    1
    """

    def __init__(self, topics: Iterable[bytes]) -> None:
        self._topics = tuple(topics)
        self._counts: Counter[bytes] = Counter()

    def follow(self, frame: bytes) -> bytes | None:
        """Take note of a frame from the socket.

        Returns
        -------
        prefix : bytes or None
            What was subscribed; None where the frame is an unsubscription or no business of ours.
        """
        sign, prefix = frame[:1], frame[1:]
        if sign not in (b"\x00", b"\x01") or not any(topic.startswith(prefix) for topic in self._topics):
            return None
        if sign == b"\x01":
            self._counts[prefix] += 1
            return prefix
        if self._counts[prefix] > 1:
            self._counts[prefix] -= 1
        else:
            self._counts.pop(prefix, None)
        return None

    @property
    def clients(self) -> int:
        """Subscribers of the prefix that has most of them: exact where all clients share one subscription."""
        return max(self._counts.values(), default=0)
