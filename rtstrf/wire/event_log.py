"""The last events, numbered, so that a client that missed some can ask for them."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from rtstrf.wire import strict_json

KEPT = 1024


class EventLog:
    """The last 1024 events; written and read from any thread.

    Examples
    --------
    >>> log = EventLog()
    >>> log.add("mark", 17, {"label": "left"})
    {'number': 0, 'name': 'mark', 't': 17, 'details': {'label': 'left'}}
    >>> log.since(0)["next"]
    1
    """

    def __init__(self) -> None:
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._next = 0
        self._lock = threading.Lock()

    def add(self, name: str, t_ns: int, details: dict[str, Any]) -> dict[str, Any]:
        """Number and keep an event.

        Parameters
        ----------
        name : str
            What happened.
        t_ns : int
            When, since the run started.
        details : dict
            Anything JSON can hold.

        Returns
        -------
        event : dict
            ``number``, ``name``, ``t`` and ``details``, as it is published.
        """
        details = strict_json.plain(details, depth_limit=strict_json.DEPTH_LIMIT - 4)  # it is nested in a reply
        with self._lock:
            event = {"number": self._next, "name": name, "t": t_ns, "details": details}
            self._next += 1
            self._events.append(event)
            return event

    def since(self, number: int) -> dict[str, Any]:
        """Return the kept events from a number on.

        Returns
        -------
        answer : dict
            ``events``; ``oldest``, the number of the oldest one kept; ``next``, what to ask for next time.
        """
        with self._lock:
            return {
                "events": [event for event in self._events if event["number"] >= number],
                "oldest": self._next - len(self._events),
                "next": self._next,
            }
