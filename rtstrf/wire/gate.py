"""Whether a key may enter: ZeroMQ asks for every connection, before a byte of data passes (ZAP).

The protocol is https://rfc.zeromq.org/spec/27/. It is answered by the wire thread: the authenticators that come with
pyzmq run an event loop in one more thread, which can die while the stream goes on. ZeroMQ lets nobody in where nobody
answers (`ZAP_ENFORCE_DOMAIN`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rtstrf.extras import require
from rtstrf.wire.allow_list import ServerKeys

if TYPE_CHECKING:
    import zmq
    from zmq.utils import z85
else:
    zmq = require("zmq", "wire")
    z85 = require("zmq.utils.z85", "wire")

_log = logging.getLogger(__name__)

ENDPOINT = "inproc://zeromq.zap.01"
VERSION = b"1.0"
NEEDS = {"data": ("read-only", "read-write"), "control": ("read-write",)}
"""What a client must be allowed to reach a socket, by the name of the socket (its ZAP domain)."""


class Gate:
    """Answers for all sockets of a context; used by one thread.

    Parameters
    ----------
    context : zmq.Context
    keys : ServerKeys
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: ServerKeys) -> None:
        self._keys = keys
        self.socket = context.socket(zmq.REP)
        self.socket.bind(ENDPOINT)

    def answer(self) -> None:
        """Answer what was asked, all of it."""
        while True:
            try:
                version, request, domain, address, _, mechanism, *credentials = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            public = z85.encode(credentials[0]).decode() if mechanism == b"CURVE" and credentials else ""
            if version == VERSION and self.may_enter(domain.decode(), public):
                self.socket.send_multipart([VERSION, request, b"200", b"OK", public.encode(), b""])
            else:
                _log.warning("a client at %s was refused at %s: key %s", address.decode(), domain.decode(), public)
                self.socket.send_multipart([VERSION, request, b"400", b"this key is not allowed", b"", b""])

    def may_enter(self, domain: str, public: str) -> bool:
        """Tell whether a key may reach a socket, by the list as it is now."""
        return self._keys.access_of(public) in NEEDS.get(domain, ())

    def close(self) -> None:
        """Close it; the context lets nobody in from then on."""
        self.socket.close(linger=0)
