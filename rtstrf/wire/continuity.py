"""What a client missed: by the numbers of the messages, and by the bins they hold."""

from __future__ import annotations

from collections import Counter

from rtstrf.wire.message import Message


class Continuity:
    """Follows the runs, numbers and bins of messages in the order they are received.

    Attributes
    ----------
    runs_seen : list of str
        Every run, in the order they were first heard of.
    lost : Counter of str
        Messages lost in this run, by topic.
    bins_lost : int
        Bins of rates missing in this run, whether the server never computed them or the network lost them.

    Examples
    --------
    >>> continuity = Continuity()
    >>> for seq in (4, 5, 8):
    ...     new_run = continuity.follow(Message("event/main/", "event", "main", {"run": "r", "seq": seq}))
    >>> continuity.lost["event/main/"]
    2
    """

    def __init__(self) -> None:
        self.runs_seen: list[str] = []
        self._restart()

    def _restart(self) -> None:
        self.lost: Counter[str] = Counter()
        self.bins_lost = 0
        self._last_seq: dict[str, int] = {}
        self._next_bin: dict[str, int] = {}

    @property
    def run(self) -> str | None:
        """The run of the last message, None before the first."""
        return self.runs_seen[-1] if self.runs_seen else None

    def follow(self, message: Message) -> bool:
        """Take note of a message; True where it begins a new run, whose counters start at nothing."""
        new_run = message.run != self.run
        if new_run:
            self.runs_seen.append(message.run)
            self._restart()
        last_seq = self._last_seq.get(message.topic)
        if last_seq is not None and message.seq > last_seq + 1:
            self.lost[message.topic] += message.seq - last_seq - 1
        self._last_seq[message.topic] = message.seq
        if message.kind == "rates":
            self._follow_bins(message)
        return new_run

    def _follow_bins(self, message: Message) -> None:
        first, count = message.header["i0"], message.header["n"]
        expected = self._next_bin.get(message.topic)
        self._next_bin[message.topic] = first + count
        if expected is not None:  # whoever joins late has not lost what was before
            # A gap the server tells of is a jump of i0 too; a message that was lost is a jump alone.
            self.bins_lost += max(0, first - expected, message.header.get("gap", 0))
