"""Answering control requests: each is executed once, however often it is repeated, and each gets a reply. No socket."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from rtstrf.errors import RtstrfError
from rtstrf.wire import strict_json
from rtstrf.wire.request import Request, RequestError, check, id_of, read_object, refusal_of, result_of, write_reply

_log = logging.getLogger(__name__)

READ_ONLY = frozenset({"hello", "ping", "status", "events", "get"})
"""Commands that change nothing, so that repeating them is no harm and the answer should be a fresh one."""

UNIQUE_FROM_CHARACTERS = 16
"""A text id of so many characters is taken as unique in the world, a shorter one or an integer as one client's own."""

REMEMBERED_REQUESTS = 1024
REMEMBERED_S = 60.0

Envelope = tuple[bytes, ...]
Outcome = dict[str, Any]


@dataclass(slots=True)
class _Entry:
    """A request that changes something, while it is executed and for a minute after."""

    request: Request
    envelope: Envelope
    t1_ns: int
    since_s: float
    outcome: Outcome | None = None


class Control:
    """Turns the bytes of requests into the bytes of replies; called from one thread only.

    Parameters
    ----------
    answer : callable
        ``answer(cmd, args)`` executes a checked command and returns a dict, or a Future of one. An RtstrfError it
        raises becomes the error of the reply.
    now_ns : callable
        Time since the run started.
    wake : callable
        Called, from any thread, when a Future has resolved and `resolved` has something to return.
    """

    def __init__(
        self,
        answer: Callable[[str, dict[str, Any]], dict[str, Any] | Future[dict[str, Any]]],
        now_ns: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self._answer = answer
        self._now_ns = now_ns
        self._wake = wake
        self._entries: OrderedDict[tuple[bytes, str | int], _Entry] = OrderedDict()
        self._resolved: deque[tuple[_Entry, Future[dict[str, Any]]]] = deque()

    def receive(self, envelope: Envelope, data: bytes, *, allowed: bool = True) -> bytes | None:
        """Execute a request.

        Parameters
        ----------
        envelope : tuple of bytes
            Where the reply goes; returned by `resolved`.
        data : bytes
            As received.
        allowed : bool, optional
            False where its sender may not command this server any more: the reply says so, and nothing is done.

        Returns
        -------
        reply : bytes or None
            None where the reply follows later, from `resolved`.
        """
        t1_ns = self._now_ns()
        identity: str | int | None = None
        try:
            raw = read_object(data)
            identity = id_of(raw)
            if not allowed:
                raise RequestError(
                    "not_allowed", "this key may not command this server any more", remedy="ask who runs it"
                )
            request = check(raw)
            if request.cmd in READ_ONLY:
                outcome = self._execute(_Entry(request, envelope, t1_ns, 0.0))
            else:
                outcome = self._once(request, envelope, t1_ns)
        except RequestError as error:
            outcome = refusal_of(error)
        return None if outcome is None else write_reply(identity, outcome, t1_ns, self._now_ns())

    @property
    def has_resolved(self) -> bool:
        """Whether `resolved` has something to return."""
        return bool(self._resolved)

    def resolved(self) -> list[tuple[Envelope, bytes]]:
        """Return the replies to requests that took a while and are done now, each with its envelope."""
        replies = []
        while self._resolved:
            entry, future = self._resolved.popleft()
            entry.outcome = _outcome_of(entry.request, future.result)
            reply = write_reply(entry.request.id, entry.outcome, entry.t1_ns, self._now_ns())
            replies.append((entry.envelope, reply))
        return replies

    def abandon(self) -> None:
        """Give up the requests whose Future has not resolved; `resolved` then tells their senders."""
        for entry in self._entries.values():
            if entry.outcome is None:
                given_up: Future[dict[str, Any]] = Future()
                given_up.set_exception(RequestError("stopping", f"the server stops before {entry.request.cmd} is done"))
                self._resolved.append((entry, given_up))

    def _once(self, request: Request, envelope: Envelope, t1_ns: int) -> Outcome | None:
        now_s = time.monotonic()
        self._forget(now_s)
        unique = isinstance(request.id, str) and len(request.id) >= UNIQUE_FROM_CHARACTERS
        # The first frame of an envelope is the client's connection, or the name it has given itself.
        key = (b"" if unique else envelope[0], request.id)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(request, envelope, t1_ns, now_s)
            entry.outcome = self._execute(entry)
        elif not entry.request.same_as(request):
            raise RequestError(
                "id_reused",
                f"the id {str(request.id)[:40]!r} was used for another request less than {REMEMBERED_S:g} s ago",
                remedy="give each request an id of its own, such as a UUID",
            )
        else:
            entry.envelope = envelope  # the client may have reconnected since, under a new identity
        return entry.outcome

    def _execute(self, entry: _Entry) -> Outcome | None:
        """Return the outcome, or None where a Future will bring it."""
        futures: list[Future[dict[str, Any]]] = []

        def call() -> dict[str, Any]:
            result = self._answer(entry.request.cmd, entry.request.args)
            if isinstance(result, Future):
                futures.append(result)
                return {}
            return result

        outcome = _outcome_of(entry.request, call)
        if not futures:
            return outcome
        futures[0].add_done_callback(lambda future: self._done(entry, future))
        return None

    def _done(self, entry: _Entry, future: Future[dict[str, Any]]) -> None:
        self._resolved.append((entry, future))
        self._wake()

    def _forget(self, now_s: float) -> None:
        while self._entries:
            oldest = next(iter(self._entries.values()))
            if len(self._entries) < REMEMBERED_REQUESTS and now_s - oldest.since_s < REMEMBERED_S:
                break
            self._entries.popitem(last=False)


def _outcome_of(request: Request, call: Callable[[], dict[str, Any]]) -> Outcome:
    try:
        result = strict_json.plain(call(), depth_limit=strict_json.DEPTH_LIMIT - 1)
        if not isinstance(result, dict):
            raise TypeError(f"{request.cmd} returned a {type(result).__name__}, not a dict")
        return result_of(result)
    except RequestError as error:
        return refusal_of(error)
    except RtstrfError as error:
        return refusal_of(RequestError("refused", error.what, remedy=error.remedy))
    except Exception as error:
        _log.exception("the control command %s failed", request.cmd)
        return refusal_of(
            RequestError("internal", f"{request.cmd} failed: {error!r}", remedy="the server's log has the traceback")
        )
