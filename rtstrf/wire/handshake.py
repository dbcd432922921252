"""Why a server does not let a client in, as far as ZeroMQ tells the client."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING

from rtstrf.extras import require

if TYPE_CHECKING:
    import zmq
    from zmq.utils.monitor import recv_monitor_message
else:
    zmq = require("zmq", "wire")
    recv_monitor_message = require("zmq.utils.monitor", "wire").recv_monitor_message

_WATCHED = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
)
_GIVEN_UP = (zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
_MECHANISM_MISMATCH = 0x11000002
RETRY_S = 1.0


class Handshake:
    """Follows the attempts of one socket to be let in; made before it connects.

    Parameters
    ----------
    context : zmq.Context
    socket : zmq.Socket
    with_key : bool
        Whether the socket has a key to show.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], socket: zmq.Socket[bytes], with_key: bool) -> None:
        endpoint = f"inproc://handshake-{uuid.uuid4().hex}"
        self._with_key = with_key
        self._socket = socket
        self._last: tuple[int, int] | None = None
        self._tried_s = time.monotonic()
        socket.monitor(endpoint, _WATCHED)
        self._events = context.socket(zmq.PAIR)
        self._events.setsockopt(zmq.RCVHWM, 0)  # or ZeroMQ's own thread would wait for whoever does not read them
        self._events.setsockopt(zmq.LINGER, 0)
        self._events.connect(endpoint)

    def refusal(self) -> tuple[str, str] | None:
        """Return why the last attempt failed and what to do, None where none did."""
        while self._events.poll(0):
            event = recv_monitor_message(self._events)
            seen = int(event["event"]), int(event["value"])
            known = self._last is not None and self._last[1] == _MECHANISM_MISMATCH
            # The server's end may close before it has said why, now and then: what it said before still holds.
            if not (known and seen[0] == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL):
                self._last = seen
        if self._last is None or self._last[0] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            return None
        event_id, value = self._last
        if event_id == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return "the server does not allow this key", "have it allowed there: rtstrf keys allow NAME KEY"
        if value == _MECHANISM_MISMATCH and self._with_key:
            return "the server has no keys of its own", "connect without a key, or start it with wire.keys"
        if value == _MECHANISM_MISMATCH:
            return "the server wants a key", "give yours: --keys FILE, made with: rtstrf keys client"
        if self._with_key:
            return "the server hangs up on this key", "check that the file names this server's key (rtstrf keys list)"
        if event_id == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            return "whoever listens there does not speak ZeroMQ", "check the endpoint"
        return None  # it hung up before it said anything: it may just be ending, or about to say more

    def retry(self, endpoint: str) -> None:
        """Try again, once a second, where ZeroMQ has given up: the server or its list may have changed since."""
        self.refusal()
        if self._last is None or self._last[0] not in _GIVEN_UP or time.monotonic() - self._tried_s < RETRY_S:
            return
        self._tried_s = time.monotonic()
        with contextlib.suppress(zmq.ZMQError):
            self._socket.disconnect(endpoint)
        self._socket.connect(endpoint)

    def close(self) -> None:
        """Stop following."""
        self._socket.disable_monitor()
        self._events.close(linger=0)
