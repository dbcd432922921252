"""The client's end of the control channel: one request at a time, repeated until it is answered or too late."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rtstrf.errors import WireError
from rtstrf.extras import require
from rtstrf.wire import sockets, strict_json
from rtstrf.wire.handshake import Handshake
from rtstrf.wire.keys import ClientKeys
from rtstrf.wire.message import VERSION
from rtstrf.wire.request import RequestError

if TYPE_CHECKING:
    import zmq
else:
    zmq = require("zmq", "wire")

REPEAT_S = 0.5
RECONNECT_IVL_MS = 50
RECEIVE_LIMIT_BYTES = 16 * 1024 * 1024


class Requester:
    """A DEALER socket that never leaves a request behind: what was not answered in time is not sent later either.

    Parameters
    ----------
    context : zmq.Context
    endpoint : str
        Of the server's control channel.
    keys : ClientKeys, optional
        What to enter with, where the server wants a key.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, keys: ClientKeys | None = None) -> None:
        self.endpoint = endpoint
        self._context = context
        self._keys = keys
        self._handshake: Handshake | None = None
        self._socket: zmq.Socket[bytes] | None = None

    def exchange(
        self, identity: str, cmd: str, args: dict[str, Any], timeout_s: float, deadline_s: float
    ) -> dict[str, Any]:
        """Send a request and return its reply.

        Parameters
        ----------
        identity : str
            The id of the request.
        cmd : str
        args : dict
        timeout_s : float
            For the message of the error.
        deadline_s : float
            On the monotonic clock.

        Returns
        -------
        reply : dict
            With ``t0`` and ``t3``, when the answered request was sent and its reply received, local monotonic ns.

        Raises
        ------
        RequestError
            If the server refuses it, or if it cannot be sent.
        WireError
            If nobody answers in time.
        """
        try:
            data = strict_json.dumps(strict_json.plain({"v": VERSION, "id": identity, "cmd": cmd, "args": args}))
        except (TypeError, ValueError) as error:
            raise RequestError("bad_arguments", f"{cmd} cannot be sent: {error}") from None
        reply = self._send_until_answered(identity, data, deadline_s)
        if reply is None:
            why, remedy = (self._handshake and self._handshake.refusal()) or ("", "")
            raise WireError(
                f"no answer to {cmd!r} from {self.endpoint} within {timeout_s:g} s{': ' if why else ''}{why}",
                remedy=remedy
                or "check that the server runs, and that this is its control endpoint and not that of the data",
            )
        if reply["ok"] is True:
            return reply
        refusal = reply["error"]
        raise RequestError(str(refusal.get("code")), str(refusal.get("message")), remedy=refusal.get("hint") or None)

    def _send_until_answered(self, identity: str, data: bytes, deadline_s: float) -> dict[str, Any] | None:
        socket = self._opened()
        repeat_s = time.monotonic()
        t0_ns = 0
        while (now_s := time.monotonic()) < deadline_s:
            due = now_s >= repeat_s
            wait_s = min(deadline_s - now_s, REPEAT_S) if due else min(deadline_s, repeat_s) - now_s
            ready = socket.poll(int(wait_s * 1000 + 0.999), zmq.POLLIN | zmq.POLLOUT if due else zmq.POLLIN)
            if ready & zmq.POLLIN:
                frames = socket.recv_multipart()
                reply = _read_reply(frames, identity)
                if reply is not None:
                    return {**reply, "t0": t0_ns, "t3": time.monotonic_ns()}
            elif due and ready & zmq.POLLOUT:
                t0_ns = time.monotonic_ns()
                socket.send(data, zmq.DONTWAIT)
                repeat_s = time.monotonic() + REPEAT_S
            elif self._handshake is not None:
                self._handshake.retry(self.endpoint)
        return None

    def _opened(self) -> zmq.Socket[bytes]:
        if self._socket is None:
            socket = self._context.socket(zmq.DEALER)
            try:
                sockets.set_common_options(socket, self.endpoint)
                socket.setsockopt(zmq.IMMEDIATE, 1)  # or it would wait for a server that starts an hour later
                socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_IVL_MS)
                socket.setsockopt(zmq.MAXMSGSIZE, RECEIVE_LIMIT_BYTES)
                sockets.set_client_key(socket, self._keys)
                self._handshake = Handshake(self._context, socket, self._keys is not None)
                sockets.connect(socket, self.endpoint)
            except BaseException:
                self._leave(socket)
                raise
            self._socket = socket
        return self._socket

    def close(self) -> None:
        """Disconnect, forgetting what was not sent; may be called twice."""
        if self._socket is not None:
            self._leave(self._socket)
            self._socket = None

    def _leave(self, socket: zmq.Socket[bytes]) -> None:
        if self._handshake is not None:
            self._handshake.close()
            self._handshake = None
        socket.close(linger=0)


def _read_reply(frames: list[bytes], identity: str) -> dict[str, Any] | None:
    """Return the reply to this request; None where it is to an earlier one, or not a reply at all."""
    try:
        reply = strict_json.loads_object(frames[-1])
    except ValueError:
        return None
    complete = isinstance(reply.get("result" if reply.get("ok") is True else "error"), dict)
    timed = all(isinstance(reply.get(name), int) for name in ("t1", "t2"))
    return reply if complete and timed and reply.get("id") == identity else None
