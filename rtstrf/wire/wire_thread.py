"""The loop of the thread that owns the sockets of a server."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rtstrf.extras import require
from rtstrf.wire.control import Control
from rtstrf.wire.gate import Gate
from rtstrf.wire.outbox import Outbox
from rtstrf.wire.publisher import Publisher
from rtstrf.wire.streams import Streams
from rtstrf.wire.waker import Waker

if TYPE_CHECKING:
    import zmq
else:
    zmq = require("zmq", "wire")

_log = logging.getLogger(__name__)

PAUSE_IN_A_BACKLOG_S = 0.001
REQUESTS_A_TURN = 16
LINGER_AT_STOP_MS = 500


class WireThread:
    """Sends what is queued, greets, beats and answers until it is told to stop.

    Parameters
    ----------
    context : zmq.Context
    data, router : zmq.Socket
        Bound; closed at the end, with the context.
    gate : Gate or None
    publisher : Publisher
    control : Control
    outbox : Outbox
    streams : Streams
    waker : Waker
    is_stopping : callable
        True once nothing more is queued.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        data: zmq.Socket[bytes],
        router: zmq.Socket[bytes],
        gate: Gate | None,
        publisher: Publisher,
        control: Control,
        outbox: Outbox,
        streams: Streams,
        waker: Waker,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._context = context
        self._data = data
        self._router = router
        self._gate = gate
        self._publisher = publisher
        self._control = control
        self._outbox = outbox
        self._streams = streams
        self._waker = waker
        self._is_stopping = is_stopping

    def run(self, wake_descriptor: int) -> None:
        """Serve until the end; `wake_descriptor` is that of the waker."""
        try:
            self._serve(wake_descriptor)
        finally:
            self._waker.close()
            self._data.close(linger=LINGER_AT_STOP_MS)
            self._router.close(linger=LINGER_AT_STOP_MS)
            if self._gate is not None:
                self._gate.close()
            self._context.term()

    def _serve(self, wake_descriptor: int) -> None:
        poller = zmq.Poller()
        for each in (self._data, self._router, wake_descriptor):
            poller.register(each, zmq.POLLIN)
        publisher, streams, gate = self._publisher, self._streams, self._gate
        if gate is not None:
            poller.register(gate.socket, zmq.POLLIN)
        while True:
            stopping = self._is_stopping()  # read before the queue is emptied: nothing is queued after it was set
            backlog = self._guarded(publisher.send_queued)
            if self._control.has_resolved:
                self._guarded(self._send_late_replies)
            if stopping and not self._outbox:
                self._guarded(self._receive_requests)
                self._control.abandon()
                self._guarded(self._send_late_replies)
                return
            if streams.arrivals:
                self._guarded(publisher.welcome_arrivals)
            backlog = self._guarded(publisher.send_due) or backlog
            if backlog:  # sent at one go it would overrun ZeroMQ's queues, and be lost to those who do read
                time.sleep(PAUSE_IN_A_BACKLOG_S)
            self._waker.arm()
            waiting = self._outbox or streams.arrivals or self._control.has_resolved or self._is_stopping()
            idle = not (waiting or backlog)
            ready = dict(poller.poll(math.ceil(publisher.wait_s() * 1000) if idle else 0))
            if wake_descriptor in ready:
                self._waker.clear()
            if gate is not None and gate.socket in ready:
                self._guarded(gate.answer)
            if self._data in ready:
                self._guarded(publisher.receive_subscriptions)
            if self._router in ready:
                self._guarded(self._receive_requests)

    def _guarded(self, step: Callable[[], bool | None]) -> bool:
        """Do one step; a fault in it must not silence the stream, but must be seen."""
        try:
            return bool(step())
        except Exception:
            _log.exception("the wire thread goes on after a fault")
            return False

    def _receive_requests(self) -> None:
        for _ in range(REQUESTS_A_TURN):
            try:
                frames = self._router.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            *envelope, request = (frame.bytes for frame in frames)
            if len(envelope) > 1 and envelope[1:] != [b""]:  # a REQ socket puts one empty frame before its request
                envelope, request = envelope[:1], b"more than one frame"
            # A connection outlives the permission it was made with: the list is asked again for each request.
            allowed = self._gate is None or self._gate.may_enter("control", str(frames[-1].get("User-Id")))
            reply = self._control.receive(tuple(envelope), request, allowed=allowed)
            if reply is not None:
                self._router.send_multipart([*envelope, reply], zmq.DONTWAIT)

    def _send_late_replies(self) -> None:
        for envelope, reply in self._control.resolved():
            self._router.send_multipart([*envelope, reply], zmq.DONTWAIT)
