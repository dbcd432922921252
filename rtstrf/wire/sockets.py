"""The ZeroMQ options both sides share, and how a failed bind or connect is told."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rtstrf.errors import WireError
from rtstrf.extras import require
from rtstrf.wire.keys import ClientKeys, KeyPair

if TYPE_CHECKING:
    import zmq
else:
    zmq = require("zmq", "wire")

HOLD_MESSAGES = 320
"""Messages held for a subscriber that does not read: 64 of each kind of array, 0.3 s at 200 bins a second."""

REPLIES_HELD = 64
RECONNECT_IVL_MS = 100
CONNECT_TIMEOUT_MS = 1000
CLIENT_RECEIVE_LIMIT_BYTES = 16 * 1024 * 1024
RECEIVE_LIMIT_BYTES = 1024 * 1024  # ZeroMQ hangs up beyond it; between the request limit and this there is a reply
BUFFER_BYTES = 64 * 1024
HEARTBEAT_IVL_MS = 1000
HEARTBEAT_TIMEOUT_MS = 3000
HANDSHAKE_MS = 5000  # whoever connects and says nothing holds a file descriptor for so long


def set_common_options(socket: zmq.Socket[bytes], endpoint: str) -> None:
    """Set what both sides set, before they bind or connect: ZeroMQ ignores most options afterwards."""
    socket.setsockopt(zmq.SNDBUF, BUFFER_BYTES)
    socket.setsockopt(zmq.RCVBUF, BUFFER_BYTES)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_IVL_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS)
    if "[" in endpoint:  # an IPv6 address
        socket.setsockopt(zmq.IPV6, 1)


def set_server_key(socket: zmq.Socket[bytes], pair: KeyPair, domain: str) -> None:
    """Let nobody in without a key, and ask the gate about each; `domain` is the name the gate knows the socket by."""
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt_string(zmq.CURVE_SECRETKEY, pair.secret)
    socket.setsockopt_string(zmq.ZAP_DOMAIN, domain)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # or everybody would be let in while no gate is there


def set_client_key(socket: zmq.Socket[bytes], keys: ClientKeys | None) -> None:
    """Show a key, and talk to the server it is for only; nothing is set where there is none."""
    if keys is not None:
        socket.setsockopt_string(zmq.CURVE_SERVERKEY, keys.server)
        socket.setsockopt_string(zmq.CURVE_PUBLICKEY, keys.pair.public)
        socket.setsockopt_string(zmq.CURVE_SECRETKEY, keys.pair.secret)


def data_socket(
    context: zmq.Context[zmq.Socket[bytes]],
    endpoint: str,
    hold_messages: int = HOLD_MESSAGES,
    pair: KeyPair | None = None,
) -> zmq.Socket[bytes]:
    """Return the server's data socket, bound; encrypted where a pair of keys is given.

    Raises
    ------
    WireError
        If the port is taken, or the address is not one of this machine.
    """
    data = context.socket(zmq.XPUB)
    set_common_options(data, endpoint)
    data.setsockopt(zmq.SNDHWM, hold_messages)
    data.setsockopt(zmq.MAXMSGSIZE, RECEIVE_LIMIT_BYTES)
    data.setsockopt(zmq.XPUB_VERBOSER, 1)  # a second subscriber of a topic is a new one to greet, and to count
    if pair is not None:
        set_server_key(data, pair, "data")
    bind(data, endpoint, "data")
    return data


def control_socket(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: str, pair: KeyPair | None = None
) -> zmq.Socket[bytes]:
    """Return the server's control socket, bound; raises as `data_socket` does."""
    router = context.socket(zmq.ROUTER)
    set_common_options(router, endpoint)
    router.setsockopt(zmq.SNDHWM, REPLIES_HELD)
    router.setsockopt(zmq.RCVHWM, REPLIES_HELD)
    router.setsockopt(zmq.MAXMSGSIZE, RECEIVE_LIMIT_BYTES)
    router.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a client that names itself and restarts takes its name along
    if pair is not None:
        set_server_key(router, pair, "control")
    bind(router, endpoint, "control")
    return router


def subscriber_socket(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: str, hold_messages: int, keys: ClientKeys | None
) -> zmq.Socket[bytes]:
    """Return a client's data socket, not yet connected."""
    data = context.socket(zmq.SUB)
    set_common_options(data, endpoint)
    data.setsockopt(zmq.RCVHWM, hold_messages)
    data.setsockopt(zmq.RECONNECT_IVL, RECONNECT_IVL_MS)
    data.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS)
    data.setsockopt(zmq.MAXMSGSIZE, CLIENT_RECEIVE_LIMIT_BYTES)
    set_client_key(data, keys)
    return data


def endpoint_of(socket: zmq.Socket[bytes]) -> str:
    """Return where a socket is bound, with the port it got."""
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def bind(socket: zmq.Socket[bytes], endpoint: str, role: str) -> None:
    """Bind, or say why it cannot be done.

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
