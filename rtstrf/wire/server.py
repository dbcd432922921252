"""The server: one thread that owns both sockets, so that the engine never waits for the network.

engine ── submit ─► Outbox ─► wire thread ─► XPUB   rates, spectrogram... hello, heartbeat, event
                                 ▲   └─────► ROUTER replies
                    subscriptions, requests
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rtstrf.errors import WireError
from rtstrf.extras import require
from rtstrf.wire import host, message, sockets, strict_json
from rtstrf.wire.control import Control
from rtstrf.wire.event_log import EventLog
from rtstrf.wire.outbox import Draft, Outbox
from rtstrf.wire.security import Security
from rtstrf.wire.subscriptions import Subscriptions
from rtstrf.wire.waker import Waker

if TYPE_CHECKING:
    import zmq
else:
    zmq = require("zmq", "wire")

_log = logging.getLogger(__name__)

HEARTBEAT_EVERY_S = 1.0
HELLO_EVERY_S = 10.0
HELLO_AT_LEAST_APART_S = 0.02  # many who subscribe at once share one; far within the 250 ms a late joiner is promised
MESSAGES_A_TURN = 16  # a quarter of what ZeroMQ holds for a subscriber
PAUSE_IN_A_BACKLOG_S = 0.001
REQUESTS_A_TURN = 16
SUBSCRIPTIONS_A_TURN = 256
RECEIVE_LIMIT_BYTES = 1024 * 1024  # ZeroMQ hangs up beyond it; between the request limit and this there is a reply
LINGER_AT_STOP_MS = 500


class Clock(Protocol):
    """The clock of a run."""

    def now_ns(self) -> int:
        """Return the time since the run started; monotonic."""

    def anchor(self) -> dict[str, str]:
        """Return ``monotonic_ns`` and ``utc`` of the start of the run, as text."""


class WireServer:
    """Publishes a stream and answers control requests.

    Parameters
    ----------
    data, control : str
        Endpoints to bind; port 0 or ``*`` takes a free one.
    stream : str
        Name of the stream, the second part of every topic.
    clock : Clock
        ``now_ns()`` since the run started, and ``anchor()``.
    hello : callable
        Returns what stays the same in a run; the server adds ``protocol``, ``run``, ``stream``, ``endpoints``,
        ``security``, ``anchor`` and ``machine``. Called on the wire thread, like `status` and `handle`.
    status : callable
        Returns what changes; the server adds ``seqs``, ``clients``, ``dropped`` and ``memory_bytes``.
    handle : callable
        ``handle(cmd, args)`` executes ``arm start stop reset mark get set shutdown`` and returns a dict, or a Future
        of one where it takes a while. What it raises becomes the error of the reply; give a `RequestError` for a code
        of its own.
    queue_messages : int, optional
        Messages that may wait for the wire thread.
    insecure_lan : bool, optional
        Allow endpoints that other machines can reach.

    Attributes
    ----------
    run : str
        Unique per server object.

    Raises
    ------
    WireError
        If an endpoint or the stream cannot be used, or could be reached from other machines.
    """

    def __init__(
        self,
        data: str = "tcp://127.0.0.1:5590",
        control: str = "tcp://127.0.0.1:5591",
        stream: str = "main",
        *,
        clock: Clock,
        hello: Callable[[], dict[str, Any]],
        status: Callable[[], dict[str, Any]],
        handle: Callable[[str, dict[str, Any]], dict[str, Any] | Future[dict[str, Any]]],
        queue_messages: int = 1024,
        insecure_lan: bool = False,
    ) -> None:
        self._security = Security(insecure_lan=insecure_lan)
        for endpoint in (data, control):
            self._security.check_bind(endpoint)
        self._topics = {kind: message.topic_of(kind, stream).encode() for kind in message.KINDS}
        self.run = uuid.uuid4().hex
        self.stream = stream
        self.data_endpoint = data
        self.control_endpoint = control
        self._clock = clock
        self._hello = hello
        self._status = status
        self._handle = handle
        self._outbox = Outbox(queue_messages)
        self._events = EventLog()
        self._waker = Waker()
        self._subscriptions = Subscriptions(self._topics.values())
        self._control = Control(self._answer, clock.now_ns, self._waker.wake)
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._hello_wanted = False
        self._lifecycle = threading.Lock()

    # --- any thread -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bind both sockets, then start the wire thread.

        Raises
        ------
        WireError
            If a port is taken or an address is not of this machine; nothing is left open then.
        """
        with self._lifecycle:
            if self._thread is not None or self._stopping:
                raise WireError("this server was started before", remedy="make a new WireServer for a new run")
            self._context = zmq.Context()
            try:
                self._data = self._make_data_socket()
                self._router = self._make_control_socket()
            except BaseException:
                self._context.destroy(linger=0)
                raise
            self._thread = threading.Thread(
                target=self._run_thread, args=(self._waker.open(),), name="rtstrf-wire", daemon=True
            )
            self._thread.start()

    def submit(self, kind: str, header: dict[str, Any], payload: np.ndarray | None = None) -> bool:
        """Hand a message over; never blocks.

        Parameters
        ----------
        kind : str
            ``rates``, ``spectrogram``, ``onoff``, ``level`` or ``spikes``.
        header : dict
            The fields of docs/protocol.md from ``i0`` on, scalars only. ``v kind run stream seq t_pub n m dtype`` are
            filled in.
        payload : ndarray, shape (n, m)
            Copied at once; it may be overwritten after the call.

        Returns
        -------
        queued : bool
            False where the queue was full or the server is stopped; the message is lost then, and counted.

        Raises
        ------
        WireError
            If the message could not be read by a client.
        """
        if kind not in message.ARRAY_KINDS or payload is None:
            raise WireError(f"{kind!r} cannot be submitted", remedy=f"give an array of {message.ARRAY_KINDS}")
        data = message.as_payload(payload)
        n, m = payload.shape
        try:
            fields = {name: strict_json.plain(value, depth_limit=0) for name, value in header.items()}
        except (TypeError, ValueError) as error:
            raise WireError(f"the header of a {kind} message cannot be sent: {error}") from None
        queued = self._outbox.put(kind, {**fields, "n": n, "m": m, "dtype": message.DTYPE}, data)
        self._waker.wake()
        return queued

    def event(self, name: str, **details: Any) -> None:
        """Number, keep and publish an event; never blocks.

        Parameters
        ----------
        name : str
            What happened, such as ``state`` or ``mark``.
        **details
            Anything JSON can hold.
        """
        self._outbox.put("event", self._events.add(name, self._clock.now_ns(), details))
        self._waker.wake()

    @property
    def dropped(self) -> int:
        """Messages dropped because the queue to the wire thread was full."""
        return self._outbox.dropped

    @property
    def clients(self) -> int:
        """Clients that listen, as far as subscriptions tell."""
        return self._subscriptions.clients

    def stop(self) -> None:
        """Send what is queued, answer what was asked, close both sockets; may be called twice."""
        with self._lifecycle:
            self._outbox.close()
            self._stopping = True
            thread = self._thread
        self._waker.wake()
        # Joined outside the lock: the wire thread may be on its way into this method, by a shutdown.
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def __enter__(self) -> WireServer:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    # --- opening ----------------------------------------------------------------------------------------------------

    def _make_data_socket(self) -> zmq.Socket[bytes]:
        data = self._context.socket(zmq.XPUB)
        sockets.set_common_options(data, self.data_endpoint)
        data.setsockopt(zmq.SNDHWM, sockets.HWM_MESSAGES)
        data.setsockopt(zmq.MAXMSGSIZE, RECEIVE_LIMIT_BYTES)
        data.setsockopt(zmq.XPUB_VERBOSER, 1)  # a second subscriber of a topic is a new one to greet, and to count
        self.data_endpoint = sockets.bind(data, self.data_endpoint, "data")
        return data

    def _make_control_socket(self) -> zmq.Socket[bytes]:
        router = self._context.socket(zmq.ROUTER)
        sockets.set_common_options(router, self.control_endpoint)
        router.setsockopt(zmq.SNDHWM, sockets.HWM_MESSAGES)
        router.setsockopt(zmq.RCVHWM, sockets.HWM_MESSAGES)
        router.setsockopt(zmq.MAXMSGSIZE, RECEIVE_LIMIT_BYTES)
        router.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a client that names itself and restarts takes its name along
        self.control_endpoint = sockets.bind(router, self.control_endpoint, "control")
        return router

    # --- the wire thread --------------------------------------------------------------------------------------------

    def _run_thread(self, wake_descriptor: int) -> None:
        try:
            self._serve(wake_descriptor)
        finally:
            self._waker.close()
            self._data.close(linger=LINGER_AT_STOP_MS)
            self._router.close(linger=LINGER_AT_STOP_MS)
            self._context.term()

    def _serve(self, wake_descriptor: int) -> None:
        poller = zmq.Poller()
        for each in (self._data, self._router, wake_descriptor):
            poller.register(each, zmq.POLLIN)
        heartbeat_due_s = hello_due_s = time.monotonic()
        hello_sent_s = 0.0
        while True:
            stopping = self._stopping  # read before the queue is emptied: nothing is queued after it was set
            self._guarded(self._send_queued)
            self._guarded(self._receive_subscriptions)
            self._guarded(self._receive_requests)
            self._guarded(self._send_late_replies)
            if stopping and not self._outbox:
                self._control.abandon()
                self._guarded(self._send_late_replies)
                return
            now_s = time.monotonic()
            if self._hello_wanted:
                self._hello_wanted = False
                hello_due_s = min(hello_due_s, max(now_s, hello_sent_s + HELLO_AT_LEAST_APART_S))
            if now_s >= hello_due_s:
                self._guarded(self._send_hello)
                hello_sent_s, hello_due_s = now_s, now_s + HELLO_EVERY_S
            if now_s >= heartbeat_due_s:
                self._guarded(self._send_heartbeat)
                heartbeat_due_s = max(heartbeat_due_s + HEARTBEAT_EVERY_S, now_s)
            if not self._outbox:
                wait_s = min(heartbeat_due_s, hello_due_s) - time.monotonic()
                poller.poll(max(0, math.ceil(wait_s * 1000)))
                self._waker.clear()

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do one step; a fault in it must not silence the stream, but must be seen."""
        try:
            step()
        except Exception:
            _log.exception("the wire thread goes on after a fault")

    def _send_queued(self) -> None:
        for _ in range(MESSAGES_A_TURN):
            draft = self._outbox.take()
            if draft is None:
                return
            self._send(draft)
        # A backlog sent at one go would overrun ZeroMQ's queues, and be lost to those who do read.
        time.sleep(PAUSE_IN_A_BACKLOG_S)

    def _send(self, draft: Draft) -> None:
        fixed = {"v": message.VERSION, "kind": draft.kind, "run": self.run, "stream": self.stream, "seq": draft.seq}
        header = {**fixed, **draft.fields, **fixed}  # first for whoever reads it, last so that no field overrides it
        header["t_pub"] = self._clock.now_ns()
        self._data.send_multipart(message.encode(header, draft.payload), zmq.DONTWAIT)

    def _send_hello(self) -> None:
        self._send(Draft("hello", self._outbox.number("hello"), self._greeting(), None))

    def _send_heartbeat(self) -> None:
        self._send(Draft("heartbeat", self._outbox.number("heartbeat"), self._state(), None))

    def _greeting(self) -> dict[str, Any]:
        return {
            **strict_json.plain(self._hello()),
            "protocol": message.PROTOCOL,
            "run": self.run,
            "stream": self.stream,
            "endpoints": {"data": self.data_endpoint, "control": self.control_endpoint},
            "security": self._security.describe(),
            "anchor": strict_json.plain(self._clock.anchor()),
            "machine": host.machine_id(),
        }

    def _state(self) -> dict[str, Any]:
        try:
            status = strict_json.plain(self._status())
        except Exception as error:  # a heartbeat that says so is better than silence, which means death
            _log.exception("the status could not be read")
            status = {"state": "unknown", "fault": repr(error)}
        return {
            **status,
            "seqs": {self._topics[kind].decode(): seq for kind, seq in self._outbox.last_numbers().items()},
            "clients": self._subscriptions.clients,
            "dropped": self._outbox.dropped,
            "memory_bytes": host.resident_memory_bytes(),
        }

    def _receive_subscriptions(self) -> None:
        hello_topic = self._topics["hello"]
        for _ in range(SUBSCRIPTIONS_A_TURN):
            try:
                frame = self._data.recv(zmq.DONTWAIT)
            except zmq.Again:
                return
            prefix = self._subscriptions.follow(frame)
            if prefix is not None and hello_topic.startswith(prefix):
                self._hello_wanted = True

    def _receive_requests(self) -> None:
        for _ in range(REQUESTS_A_TURN):
            try:
                frames = self._router.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            *envelope, request = frames
            if len(envelope) > 1 and envelope[1:] != [b""]:  # a REQ socket puts one empty frame before its request
                envelope, request = envelope[:1], b"more than one frame"
            reply = self._control.receive(tuple(envelope), request)
            if reply is not None:
                self._router.send_multipart([*envelope, reply], zmq.DONTWAIT)

    def _send_late_replies(self) -> None:
        for envelope, reply in self._control.resolved():
            self._router.send_multipart([*envelope, reply], zmq.DONTWAIT)

    def _answer(self, cmd: str, args: dict[str, Any]) -> dict[str, Any] | Future[dict[str, Any]]:
        if cmd == "hello":
            self._hello_wanted = True
            return self._greeting()
        if cmd == "ping":
            return {"run": self.run}
        if cmd == "status":
            return self._state()
        if cmd == "events":
            return self._events.since(args.get("since", 0))
        return self._handle(cmd, args)
