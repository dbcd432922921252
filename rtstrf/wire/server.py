"""The server: one thread that owns both sockets, so that the engine never waits for the network.

engine ── submit ─► Outbox ─► wire thread ─► XPUB   rates, spectrogram... hello, heartbeat, event
                                 ▲   └─────► ROUTER replies
                    subscriptions, requests
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rtstrf.errors import WireError
from rtstrf.extras import require
from rtstrf.wire import host, message, sockets, strict_json
from rtstrf.wire.allow_list import ServerKeys
from rtstrf.wire.answers import Answers
from rtstrf.wire.control import Control
from rtstrf.wire.gate import Gate
from rtstrf.wire.keys import ClientKeys
from rtstrf.wire.outbox import Outbox
from rtstrf.wire.publisher import Publisher
from rtstrf.wire.security import Security
from rtstrf.wire.streams import Stream, Streams
from rtstrf.wire.subscriptions import Subscriptions
from rtstrf.wire.waker import Waker
from rtstrf.wire.wire_thread import WireThread

if TYPE_CHECKING:
    import zmq
else:
    zmq = require("zmq", "wire")

PORTIONS = 4  # a backlog is sent in portions of a fourth of what ZeroMQ holds for a subscriber


class Clock(Protocol):
    """The clock of a run."""

    def now_ns(self) -> int:
        """Return the time since the run started; monotonic."""

    def anchor(self) -> dict[str, str]:
        """Return ``monotonic_ns`` and ``utc`` of the start of the run, as text."""


class WireServer:
    """Publishes streams and answers control requests.

    Parameters
    ----------
    data, control : str
        Endpoints to bind; port 0 or ``*`` takes a free one.
    stream : str or None
        Name of the first stream, the second part of its topics: what is meant where no stream is named. None where
        `add_stream` brings them all.
    clock : Clock
        ``now_ns()`` since the run started, and ``anchor()``.
    hello : callable
        Returns what stays the same in a run, as the same object where nothing has changed: it is encoded once then.
        The server adds ``protocol``, ``run``, ``stream``, ``endpoints``, ``security``, ``anchor`` and ``machine``.
        Called on the wire thread, like `status` and `handle`.
    status : callable
        Returns what changes; the server adds ``seqs``, ``clients``, ``dropped`` and ``memory_bytes``.
    handle : callable
        ``handle(cmd, args)`` executes ``arm start stop reset mark get set record.start record.stop shutdown`` and
        returns a dict, or a Future of one where it takes a while. ``args["stream"]`` is there where the client named
        one, and is the name of one there is. What it raises becomes the error of the reply; give a `RequestError` for
        a code of its own.
    queue_messages : int, optional
        Messages of each stream that may wait for the wire thread.
    hold_messages : int, optional
        Messages that ZeroMQ holds for a client that does not read, before it loses them. It should be a few times
        what all streams together publish at one go.
    insecure_lan : bool, optional
        Allow endpoints that other machines can reach, to anybody and unencrypted.
    keys : path, optional
        A folder made by ``rtstrf keys``: everything is encrypted, and only clients that are allowed there get in.

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
        stream: str | None = "main",
        *,
        clock: Clock,
        hello: Callable[[], dict[str, Any]],
        status: Callable[[], dict[str, Any]],
        handle: Callable[[str, dict[str, Any]], dict[str, Any] | Future[dict[str, Any]]],
        queue_messages: int = 1024,
        hold_messages: int = sockets.HOLD_MESSAGES,
        insecure_lan: bool = False,
        keys: str | os.PathLike[str] | None = None,
    ) -> None:
        self._security = Security(insecure_lan, None if keys is None else ServerKeys(keys))
        for endpoint in (data, control):
            self._security.check_bind(endpoint)
        self.run = uuid.uuid4().hex
        self.data_endpoint = data
        self.control_endpoint = control
        self._clock = clock
        self._handle = handle
        self._hold_messages = hold_messages
        self._streams = Streams(self.run, hello, status)
        self._first = None if stream is None else self._streams.add(stream)
        self._outbox = Outbox(queue_messages)
        self._waker = Waker()
        self._subscriptions = Subscriptions()
        self._thread: threading.Thread | None = None
        self._stopping = False
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
            context = zmq.Context()
            try:
                keys = self._security.keys
                gate = None if keys is None else Gate(context, keys)
                pair = None if keys is None else keys.pair
                data_socket = sockets.data_socket(context, self.data_endpoint, self._hold_messages, pair)
                router = sockets.control_socket(context, self.control_endpoint, pair)
            except BaseException:
                context.destroy(linger=0)
                raise
            self.data_endpoint = sockets.endpoint_of(data_socket)
            self.control_endpoint = sockets.endpoint_of(router)
            publisher = Publisher(
                data_socket,
                self._streams,
                self._outbox,
                self._subscriptions,
                self._describe,
                self._clock.now_ns,
                portion_messages=max(1, self._hold_messages // PORTIONS),
            )
            answers = Answers(self.run, self._streams, self._first, publisher, self._describe, self._handle)
            control = Control(answers, self._clock.now_ns, self._waker.wake)
            served = WireThread(
                context,
                data_socket,
                router,
                gate,
                publisher,
                control,
                self._outbox,
                self._streams,
                self._waker,
                lambda: self._stopping,
            )
            self._thread = threading.Thread(
                target=served.run, args=(self._waker.open(),), name="rtstrf-wire", daemon=True
            )
            self._thread.start()

    def add_stream(
        self,
        name: str,
        hello: Callable[[], dict[str, Any]] | None = None,
        status: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        """Publish one more stream, from now on; whoever subscribed to it already is greeted at once.

        Parameters
        ----------
        name : str
            1 to 64 letters, digits, points, dashes or underscores. One that was removed may come back, and goes on
            with its numbers.
        hello, status : callable, optional
            As for the server, and the server's where they are not given.

        Raises
        ------
        WireError
            If it is no name, or the name of a stream there is.
        """
        self._streams.add(name, hello, status)
        self._waker.wake()

    def remove_stream(self, name: str) -> None:
        """End a stream: what is queued is still sent, and an event ``removed`` after it; WireError if there is none."""
        stream = self._streams.find(name)
        self._put_event(stream, "removed", {})
        self._streams.remove(name)

    @property
    def streams(self) -> list[str]:
        """Names of the streams there are, in the order they were added."""
        return self._streams.names()

    @property
    def stream(self) -> str | None:
        """Name of the stream that is meant where none is named."""
        return None if self._first is None else self._first.name

    def submit(
        self, kind: str, header: dict[str, Any], payload: np.ndarray | None = None, stream: str | None = None
    ) -> bool:
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
        stream : str, optional
            The first one where it is not given.

        Returns
        -------
        queued : bool
            False where the queue was full, the server is stopped or the stream was removed; the message is lost then,
            and counted.

        Raises
        ------
        WireError
            If the message could not be read by a client, or there never was a stream of this name.
        """
        if kind not in message.ARRAY_KINDS or payload is None:
            raise WireError(f"{kind!r} cannot be submitted", remedy=f"give an array of {message.ARRAY_KINDS}")
        target = self._named(stream)
        data = message.as_payload(payload)
        try:
            fields = strict_json.plain_fields(header)
        except (TypeError, ValueError) as error:
            raise WireError(f"the header of a {kind} message cannot be sent: {error}") from None
        for name in message.SET_BY_SERVER & fields.keys():
            del fields[name]
        fields["n"], fields["m"] = payload.shape
        fields["dtype"] = message.DTYPE
        if target is None:
            return False
        queued = self._outbox.put(target, kind, fields, data)
        self._waker.wake()
        return queued

    def event(self, name: str, /, *, stream: str | None = None, **details: Any) -> None:
        """Number, keep and publish an event; never blocks.

        Parameters
        ----------
        name : str
            What happened, such as ``state`` or ``mark``.
        stream : str, optional
            Whose event it is; the first stream's where it is not given.
        **details
            Anything JSON can hold.
        """
        target = self._named(stream)
        if target is not None:
            self._put_event(target, name, details)

    def _put_event(self, stream: Stream, name: str, details: dict[str, Any]) -> None:
        self._outbox.put(stream, "event", stream.events.add(name, self._clock.now_ns(), details))
        self._waker.wake()

    def _named(self, stream: str | None) -> Stream | None:
        """Return the stream meant, None where it was removed."""
        if stream is not None:
            return self._streams.get(stream)
        if self._first is None:
            raise WireError("no stream is named, and this server has no first one", remedy="give stream=NAME")
        return self._first if self._first.present else None

    @property
    def dropped(self) -> int:
        """Messages dropped because the queue to the wire thread was full."""
        return self._outbox.dropped

    @property
    def clients(self) -> int:
        """Clients that listen, as far as subscriptions tell."""
        return self._subscriptions.clients

    def guest_keys(self, name: str) -> ClientKeys | None:
        """Return keys for a display that this process opens, good until the server ends; None where none are wanted."""
        return None if self._security.keys is None else self._security.keys.guest(name)

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

    def _describe(self) -> dict[str, Any]:
        """Return what the server adds to each greeting."""
        return {
            "protocol": message.PROTOCOL,
            "endpoints": {"data": self.data_endpoint, "control": self.control_endpoint},
            "security": self._security.describe(),
            "anchor": strict_json.plain(self._clock.anchor()),
            "machine": host.machine_id(),
        }
