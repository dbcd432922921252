"""A client in a process of its own that keeps what it was told: python -m rtstrf.chaos.witness ENDPOINT.

Each line of its standard input is a JSON list, of a question and its values; each is answered by a line of JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rtstrf.wire.client import Client
from rtstrf.wire.message import Flags, Message

UNWELL = Flags.CONCEALED | Flags.DISCONTINUITY | Flags.OVERLOADED
LATE_NS = 100_000_000
TURN_S = 0.02
GREETED_WITHIN_S = 30.0


class Witness:
    """Keeps every bin and every event that a client has received.

    Parameters
    ----------
    client : Client
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._bins: list[tuple[int, int, int, int, int, int, int]] = []
        self._events: list[dict[str, Any]] = []
        self._run: str | None = None
        self._first_ns = 0
        self._stale_ns: int | None = None
        self._bin_ns = round(1e9 * client.wait_hello(GREETED_WITHIN_S)["bin_s"])

    def take(self, messages: list[Message]) -> None:
        """Take note of messages; those of a run that has ended are forgotten."""
        for message in messages:
            if message.run != self._run:
                self._run, self._bins, self._events, self._first_ns = message.run, [], [], 0
            header = message.header
            if message.kind == "rates":
                self._first_ns = self._first_ns or message.t_recv_ns
                own_ns = (header["n"] - 1) * self._bin_ns  # the time of a message is that of its last bin
                late_ns = header["t_pub"] - header["t_cap"] + max(0, own_ns)
                self._bins.append(
                    (
                        header["i0"],
                        header["n"],
                        header["gap"],
                        header["flags"],
                        header["seq"],
                        late_ns,
                        message.t_recv_ns,
                    )
                )
            elif message.kind == "event":
                self._events.append({"name": header["name"], "t": header["t"], **header["details"]})

    def look(self) -> None:
        """Take note of the time when the client first knows that the stream is stale."""
        if self._stale_ns is None and self._client.stale:
            self._stale_ns = time.monotonic_ns()

    def told(self, from_bin: int, to_bin: int, since_ns: int, events_from: int) -> dict[str, Any]:
        """Return what was told of the bins from one to before another, and of the events from a number on.

        ``well_ns`` is when the first message came after which all were well, and not before `since_ns`.
        """
        rows = [row for row in self._bins if from_bin <= row[0] < to_bin]
        well_ns = None
        for _, _, _, flags, _, late_ns, received_ns in reversed([row for row in rows if row[6] >= since_ns]):
            if flags & UNWELL or late_ns > LATE_NS:
                break
            well_ns = received_ns
        return {
            **self.where(),
            "bins": len({index for i0, n, *_ in rows for index in range(i0, min(i0 + n, to_bin))}),
            "gap_bins": sum(row[2] for row in rows),
            "gaps": [[row[0], row[2]] for row in rows if row[2]],
            "concealed": [[row[0], row[1]] for row in rows if row[3] & Flags.CONCEALED],
            "latest_ms": max((row[5] for row in rows), default=0) / 1e6,
            "events": self._events[events_from:],
            "well_ns": well_ns,
        }

    def where(self) -> dict[str, Any]:
        """Return how far it is, and what it missed."""
        client = self._client
        last = self._bins[-1] if self._bins else None
        return {
            "run": self._run,
            "runs_seen": client.runs_seen,
            "next_bin": 0 if last is None else last[0] + last[1],
            "last_seq": -1 if last is None else last[4],
            "event_count": len(self._events),
            "lost": sum(client.lost.values()),
            "rates_lost": client.lost.get("rates/main/", 0),
            "skipped": client.skipped.get("rates/main/", 0),
            "malformed": client.malformed,
            "stale": client.stale,
            "stale_ns": self._stale_ns,
            "heartbeat": client.heartbeat,
            "first_ns": self._first_ns,
            "now_ns": time.monotonic_ns(),
        }

    def seqs(self) -> dict[str, Any]:
        """Return how many messages of rates it has read, and the numbers of the first and the last."""
        numbers = [row[4] for row in self._bins]
        return {**self.where(), "read": len(numbers), "first_seq": numbers[0], "to_seq": numbers[-1]}


def main(endpoint: str, lag_s: float) -> None:
    """Receive, and answer, until the standard input ends."""
    asked: deque[str | None] = deque()

    def listen() -> None:
        for line in sys.stdin:
            asked.append(line)
        asked.append(None)

    with Client(endpoint, topics=("rates",), lag_s=lag_s) as client:
        witness = Witness(client)
        print(json.dumps({"greeted": True}), flush=True)
        threading.Thread(target=listen, daemon=True).start()
        while True:
            witness.take(client.poll(TURN_S))
            witness.look()
            while asked:
                line = asked.popleft()
                if line is None:
                    return
                question, *values = json.loads(line)
                answers: dict[str, Callable[..., Any]] = {
                    "told": witness.told,
                    "where": witness.where,
                    "seqs": witness.seqs,
                }
                print(json.dumps(answers[question](*values)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
