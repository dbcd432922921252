"""The ZeroMQ options both sides share, and how a failed bind or connect is told."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rtstrf.errors import WireError
from rtstrf.extras import require

if TYPE_CHECKING:
    import zmq
else:
    zmq = require("zmq", "wire")

HWM_MESSAGES = 64
BUFFER_BYTES = 64 * 1024
HEARTBEAT_IVL_MS = 1000
HEARTBEAT_TIMEOUT_MS = 3000


def set_common_options(socket: zmq.Socket[bytes], endpoint: str) -> None:
    """Set what both sides set, before they bind or connect: ZeroMQ ignores most options afterwards."""
    socket.setsockopt(zmq.SNDBUF, BUFFER_BYTES)
    socket.setsockopt(zmq.RCVBUF, BUFFER_BYTES)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_IVL_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS)
    if "[" in endpoint:  # an IPv6 address
        socket.setsockopt(zmq.IPV6, 1)


def bind(socket: zmq.Socket[bytes], endpoint: str, role: str) -> str:
    """Bind and return the endpoint with the port it got.

    Parameters
    ----------
    socket : zmq.Socket
    endpoint : str
        Port 0 or ``*`` takes a free one.
    role : str
        ``data`` or ``control``: the key of the configuration that the remedy names.

    Raises
    ------
    WireError
        If the port is taken, or the address is not one of this machine.
    """
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        if error.errno in (zmq.EADDRINUSE, errno.EACCES):
            why = "is in use by another program" if error.errno == zmq.EADDRINUSE else "needs more rights than you have"
            raise WireError(
                f"port {endpoint.rpartition(':')[2]} for {role} ({endpoint}) {why}",
                remedy=f"stop that program, or choose another port: --set wire.{role}=tcp://127.0.0.1:5600",
            ) from None
        raise WireError(
            f"cannot bind {role} to {endpoint}: {error.strerror}",
            remedy="use an address of this machine, such as tcp://127.0.0.1:5590",
        ) from None
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def connect(socket: zmq.Socket[bytes], endpoint: str) -> None:
    """Connect, or say what is wrong with the endpoint; whether anybody is there shows later.

    Raises
    ------
    WireError
        If the endpoint cannot be used at all.
    """
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        raise WireError(
            f"cannot connect to {endpoint!r}: {error.strerror}",
            remedy="write it as tcp://HOST:PORT, such as tcp://127.0.0.1:5590",
        ) from None
