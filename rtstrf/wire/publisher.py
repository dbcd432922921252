"""What goes out on the data socket: messages that were queued, greetings, heartbeats. Used by the wire thread only."""

from __future__ import annotations

import heapq
import itertools
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rtstrf.extras import require
from rtstrf.wire import host, message, strict_json
from rtstrf.wire.outbox import Outbox
from rtstrf.wire.streams import NEVER_S, Stream, Streams
from rtstrf.wire.subscriptions import Subscriptions

if TYPE_CHECKING:
    import zmq
else:
    zmq = require("zmq", "wire")

_log = logging.getLogger(__name__)

HEARTBEAT_EVERY_S = 1.0
HELLO_EVERY_S = 10.0
HELLO_AT_LEAST_APART_S = 0.02  # many who subscribe at once share one; far within the 250 ms a late joiner is promised
RETRY_HELLO_S = 1.0
HEARTBEAT_SLOTS = 64  # the heartbeats of many streams are spread over the second
SUBSCRIPTIONS_A_TURN = 256
GREETINGS_KEPT = 64

Describe = Callable[[], dict[str, Any]]


class Publisher:
    """Sends what the streams of a server have to say to those who listen.

    Parameters
    ----------
    socket : zmq.Socket
        XPUB, bound.
    streams : Streams
    outbox : Outbox
    subscriptions : Subscriptions
    describe : callable
        Returns what the server adds to every greeting.
    now_ns : callable
        Time since the run started.
    portion_messages : int
        Messages sent without a pause: a part of what ZeroMQ holds for a subscriber.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        streams: Streams,
        outbox: Outbox,
        subscriptions: Subscriptions,
        describe: Describe,
        now_ns: Callable[[], int],
        portion_messages: int,
    ) -> None:
        self._socket = socket
        self._streams = streams
        self._outbox = outbox
        self._subscriptions = subscriptions
        self._describe = describe
        self._now_ns = now_ns
        self._portion = portion_messages
        self._order = itertools.count()
        self._slots = itertools.count()
        self._schedule: list[tuple[float, int, Stream, str]] = []
        self._greetings: dict[int, tuple[dict[str, Any], bytes]] = {}

    # --- what was queued ----------------------------------------------------------------------------------------

    def send_queued(self) -> bool:
        """Send a portion of the queue; True where more may be left."""
        take, wanted, send = self._outbox.take, self._subscriptions.wanted, self._send
        for _ in range(self._portion):
            draft = take()
            if draft is None:
                return False
            stream, kind, seq, fields, payload = draft
            if wanted(stream.topics[kind]):
                send(stream, kind, seq, strict_json.dumps(fields), payload)
        return True

    def _send(self, stream: Stream, kind: str, seq: int, fields: bytes, payload: bytes | None = None) -> None:
        header = message.header_of(stream.starts[kind], seq, fields, self._now_ns())
        topic = stream.topics[kind]
        frames = [topic, header] if payload is None else [topic, header, payload]
        self._socket.send_multipart(frames, zmq.DONTWAIT)

    # --- greetings and heartbeats -------------------------------------------------------------------------------

    def welcome_arrivals(self) -> None:
        """Greet on behalf of streams that were added, and let their hearts beat."""
        arrivals = self._streams.arrivals
        while arrivals:
            stream, now_s = arrivals.popleft(), time.monotonic()
            stream.greeted_s, stream.hello_due_s = -NEVER_S, NEVER_S
            self._beat_at(stream, now_s + HEARTBEAT_EVERY_S * (next(self._slots) % HEARTBEAT_SLOTS) / HEARTBEAT_SLOTS)
            self.greet(stream)

    def greet(self, stream: Stream) -> None:
        """Greet soon: at once, or together with all who came within the same moment."""
        due_s = max(time.monotonic(), stream.greeted_s + HELLO_AT_LEAST_APART_S)
        if due_s < stream.hello_due_s:
            self._greet_at(stream, due_s)

    def _greet_at(self, stream: Stream, due_s: float) -> None:
        stream.hello_due_s = due_s
        heapq.heappush(self._schedule, (due_s, next(self._order), stream, "hello"))

    def _beat_at(self, stream: Stream, due_s: float) -> None:
        stream.heartbeat_due_s = due_s
        heapq.heappush(self._schedule, (due_s, next(self._order), stream, "heartbeat"))

    def send_due(self) -> bool:
        """Send a portion of the greetings and heartbeats that are due; True where more may be."""
        schedule = self._schedule
        for _ in range(self._portion):
            now_s = time.monotonic()
            if not schedule or schedule[0][0] > now_s:
                return False
            due_s, _, stream, kind = heapq.heappop(schedule)
            if stream.present and kind == "hello" and due_s == stream.hello_due_s:
                self._send_hello(stream, now_s)
            elif stream.present and kind == "heartbeat" and due_s == stream.heartbeat_due_s:
                self._send_heartbeat(stream, now_s)
        return True

    def wait_s(self) -> float:
        """Return the time until something is due."""
        return max(0.0, self._schedule[0][0] - time.monotonic()) if self._schedule else HEARTBEAT_EVERY_S

    def _send_hello(self, stream: Stream, now_s: float) -> None:
        again_s = HELLO_EVERY_S
        try:
            if self._subscriptions.wanted(stream.topics["hello"]):
                fields = self._greeting_fields(stream)
                self._send(stream, "hello", self._outbox.number(stream, "hello"), fields)
                stream.greeted_s = now_s
        except Exception:
            _log.exception("stream %s cannot greet; the wire goes on after a fault", stream.name)
            again_s = RETRY_HELLO_S
        self._greet_at(stream, now_s + again_s)

    def _send_heartbeat(self, stream: Stream, now_s: float) -> None:
        self._beat_at(stream, max(stream.heartbeat_due_s + HEARTBEAT_EVERY_S, now_s))
        if self._subscriptions.wanted(stream.topics["heartbeat"]):
            fields = strict_json.dumps(self.state(stream))
            self._send(stream, "heartbeat", self._outbox.number(stream, "heartbeat"), fields)

    def greeting(self, stream: Stream) -> dict[str, Any]:
        """Return the greeting of a stream, but for what is in every header."""
        own = strict_json.plain(stream.hello())
        return {**{name: own[name] for name in own if name not in message.SET_BY_SERVER}, **self._describe()}

    def _greeting_fields(self, stream: Stream) -> bytes:
        """Return the same as JSON; what the engine says is encoded once as long as it is the same object."""
        said = stream.hello()
        described = self._describe()
        kept = self._greetings.get(id(said))
        if kept is None or kept[0] is not said:
            own = strict_json.plain(said)
            for name in (*message.SET_BY_SERVER, *described):
                own.pop(name, None)
            kept = (said, strict_json.dumps(own))
            if len(self._greetings) >= GREETINGS_KEPT:
                self._greetings.pop(next(iter(self._greetings)))
            self._greetings[id(said)] = kept  # with the object itself, or another could be made with the same id
        separator = b"," if len(kept[1]) > 2 else b""
        return kept[1][:-1] + separator + strict_json.dumps(described)[1:]

    def state(self, stream: Stream) -> dict[str, Any]:
        """Return what a heartbeat says."""
        try:
            status = strict_json.plain(stream.status())
        except Exception as error:  # a heartbeat that says so is better than silence, which means death
            _log.exception("the status of stream %s could not be read", stream.name)
            status = {"state": "unknown", "fault": repr(error)}
        for name in message.SET_BY_SERVER & status.keys():
            del status[name]
        return {
            **status,
            "seqs": stream.last_numbers(),
            "clients": self._subscriptions.clients_of(list(stream.topics.values())),
            "dropped": stream.dropped,
            "memory_bytes": host.resident_memory_bytes(),
        }

    # --- who listens --------------------------------------------------------------------------------------------

    def receive_subscriptions(self) -> None:
        """Take note of a portion of those who come and go, and greet those who want it."""
        for _ in range(SUBSCRIPTIONS_A_TURN):
            try:
                frame = self._socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                break
            prefix = self._subscriptions.follow(frame)
            if prefix is not None:
                self._greet_subscriber(prefix)
        self._subscriptions.count()

    def _greet_subscriber(self, prefix: bytes) -> None:
        kind, _, name = prefix.partition(b"/")
        if name.endswith(b"/"):  # one stream: found by its name, however many there are
            if kind == b"hello" and name[:-1].decode() in self._streams:
                self.greet(self._streams.find(name[:-1].decode()))
            return
        for stream in self._streams.all():
            if stream.topics["hello"].startswith(prefix):
                self.greet(stream)
