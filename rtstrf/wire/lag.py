"""What a client does when it reads messages too long after they were sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rtstrf.errors import WireError
from rtstrf.wire.message import ARRAY_KINDS, Message


class Lag:
    """Tells how late messages are, and complains where that was asked for.

    Parameters
    ----------
    on_lag : {"drain", "raise", "exit"}
    limit_s : float

    Raises
    ------
    WireError
        If `on_lag` is none of these.
    """

    def __init__(self, on_lag: Literal["drain", "raise", "exit"], limit_s: float) -> None:
        if on_lag not in ("drain", "raise", "exit"):
            raise WireError(f"on_lag is {on_lag!r}", remedy="choose drain, raise or exit")
        self._on_lag = on_lag
        self._limit_ns = int(limit_s * 1e9)

    def of(self, messages: Sequence[Message], run: str | None, now_ns: int | None) -> int | None:
        """Return how late the first array of a run is, in ns, where that is too late; `now_ns` by the run's clock."""
        for message in messages:
            if message.kind in ARRAY_KINDS and now_ns is not None and message.run == run:
                late_ns = now_ns - message.header["t_pub"]
                return late_ns if late_ns > self._limit_ns else None
        return None

    def complain(self, late_ns: int) -> None:
        """Raise what was chosen; return where the client shall skip to the newest."""
        if self._on_lag == "drain":
            return
        what = f"messages are read {late_ns / 1e9:.1f} s after they were sent; the limit is {self._limit_ns / 1e9:g} s"
        remedy = 'do less between polls, or skip to the newest with on_lag="drain"'
        if self._on_lag == "exit":
            raise SystemExit(f"{what}\n  -> {remedy}")
        raise WireError(what, remedy=remedy)


def newest_of(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """Return the newest array of each topic with everything that is no array, and the arrays that are older.

    Examples
    --------
    >>> old, new = (Message("rates/main/", "rates", "main", {"i0": i0}) for i0 in (0, 1))
    >>> event = Message("event/main/", "event", "main", {})
    >>> kept, skipped = newest_of([old, event, new])
    >>> kept == [event, new], skipped == [old]
    (True, True)
    """
    newest = {message.topic: index for index, message in enumerate(messages) if message.kind in ARRAY_KINDS}
    kept: list[Message] = []
    skipped: list[Message] = []
    for index, message in enumerate(messages):
        (kept if newest.get(message.topic, index) == index else skipped).append(message)
    return kept, skipped
