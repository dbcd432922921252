"""The client: keeps up or says so, and finds a server again that was restarted."""

from __future__ import annotations

import os
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from rtstrf.errors import WireError
from rtstrf.extras import require
from rtstrf.wire import security, sockets
from rtstrf.wire.clock_offset import ClockOffset, Probe, best_estimate
from rtstrf.wire.handshake import Handshake
from rtstrf.wire.keys import ClientKeys
from rtstrf.wire.knowledge import Knowledge
from rtstrf.wire.lag import Lag, newest_of
from rtstrf.wire.message import PLAIN_KINDS, Message, decode, topic_of
from rtstrf.wire.request import COMMANDS
from rtstrf.wire.requester import Requester

if TYPE_CHECKING:
    import zmq
else:
    zmq = require("zmq", "wire")

ALWAYS = PLAIN_KINDS
"""Topics every client follows, whatever it asked for."""

DRAIN_LIMIT_MESSAGES = 100_000  # a server that sends faster than this reads must not hold a call for ever
TURN_S = 0.1  # how often a wait looks whether the client was closed, or refused


class Client(Knowledge):
    """Receives a stream and commands its server; a context manager and an iterator.

    Iterating yields the messages of the topics asked for, and waits for them as long as it takes. `poll` returns
    everything that has come, greetings, heartbeats and events too. Use a client in one thread at a time.

    Parameters
    ----------
    data : str, optional
        Endpoint of the rates.
    control : str, optional
        Endpoint of the control channel; taken from the server's greeting where it is not given.
    topics : iterable of str, optional
        Of ``rates spectrogram onoff level spikes`` and, to have them in an iteration, ``hello heartbeat event``.
    stream : str, optional
        Only this stream, which is then what requests concern too; every stream where it is not given.
    on_lag : {"drain", "raise", "exit"}, optional
        What to do when messages are read more than `lag_s` after they were sent: skip to the newest and count what was
        skipped, raise a WireError, or end the program.
    lag_s : float, optional
    stale_s : float, optional
        Silence after which `stale` is true; a server sends a heartbeat each second.
    keys : path or ClientKeys, optional
        The file of this client's key (``rtstrf keys client``), where the server wants one.
    queue_messages : int, optional
        Messages the library keeps while the program does something else.

    Attributes
    ----------
    hellos : dict of str to dict
        The last greeting of each stream in the present run, by its name.
    heartbeats : dict of str to dict
        The last heartbeat of each.
    skipped : Counter of str
        Messages skipped to catch up, by topic, in the present run.
    malformed : int
        Messages that were not as the protocol says, ignored.

    Examples
    --------
    >>> with Client("tcp://127.0.0.1:5590") as client:
    ...     messages = client.poll(timeout_s=0.0)
    """

    def __init__(
        self,
        data: str = "tcp://127.0.0.1:5590",
        control: str | None = None,
        *,
        topics: Iterable[str] = ("rates",),
        stream: str | None = None,
        on_lag: Literal["drain", "raise", "exit"] = "drain",
        lag_s: float = 1.0,
        stale_s: float = 3.0,
        keys: str | os.PathLike[str] | ClientKeys | None = None,
        queue_messages: int = 4096,
    ) -> None:
        topics = (topics,) if isinstance(topics, str) else tuple(topics)
        for kind in topics:
            topic_of(kind, stream or "main")  # raises where either is no name
        self._lag = Lag(on_lag, lag_s)
        security.host_of(data)
        if control is not None:
            security.host_of(control)
        super().__init__()
        self.data_endpoint = data
        self.malformed = 0
        self._control = control
        self._stream = stream
        self._keys = keys if keys is None or isinstance(keys, ClientKeys) else ClientKeys.load(keys)
        self._topics = topics
        self._stale_s = stale_s
        self._heard_ns = time.monotonic_ns()
        self._pending: deque[Message] = deque()
        self._requester: Requester | None = None
        self._closed = False
        self._context = zmq.Context()
        try:
            self._data = self._connect_data(data, stream, queue_messages)
        except BaseException:
            self._context.destroy(linger=0)
            raise

    def _connect_data(self, endpoint: str, stream: str | None, queue_messages: int) -> zmq.Socket[bytes]:
        data = sockets.subscriber_socket(self._context, endpoint, queue_messages, self._keys)
        self._handshake = Handshake(self._context, data, self._keys is not None)
        sockets.connect(data, endpoint)
        # Connected first and hello last: subscriptions then arrive in this order, and whoever has been greeted misses
        # nothing from then on. (Those made before the connection would be sent in the order of the alphabet.)
        for kind in sorted({*ALWAYS, *self._topics}, key="hello".__eq__):
            data.setsockopt_string(zmq.SUBSCRIBE, f"{kind}/" if stream is None else topic_of(kind, stream))
        return data

    # --- receiving --------------------------------------------------------------------------------------------------

    def poll(self, timeout_s: float = 0.0, max_messages: int = 1024) -> list[Message]:
        """Return what has come, oldest first; wait for the first one if need be.

        Parameters
        ----------
        timeout_s : float, optional
            How long to wait where nothing has come yet.
        max_messages : int, optional
            Return no more than these at a time.

        Returns
        -------
        messages : list of Message
            Of every kind; empty where nothing came in time.

        Raises
        ------
        WireError
            If the messages are late and `on_lag` is ``"raise"``.
        SystemExit
            If they are late and `on_lag` is ``"exit"``.
        """
        if self._pending:
            messages = [self._pending.popleft() for _ in range(min(max_messages, len(self._pending)))]
        else:
            messages = self._receive(timeout_s, max_messages)
        late_ns = self._lag.of(messages, self.run, self.run_time_ns())
        return messages if late_ns is None else self._catch_up(messages, late_ns)

    def __iter__(self) -> Iterator[Message]:
        """Yield the messages of the topics asked for until the client is closed."""
        while not self._closed:
            for message in self.poll(TURN_S):
                if message.kind in self._topics:
                    yield message

    def wait_hello(self, timeout_s: float = 2.0) -> dict[str, Any]:
        """Return the server's greeting, waiting for it; the messages that come meanwhile are kept for `poll`.

        Raises
        ------
        WireError
            If no server greets in time.
        """
        deadline_s = time.monotonic() + timeout_s
        while self.hello is None:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                why, remedy = self._handshake.refusal() or ("", "")
                raise WireError(
                    f"no server greeted at {self.data_endpoint} within {timeout_s:g} s{': ' if why else ''}{why}",
                    remedy=remedy or "start one with: rtstrf live; or give the endpoint it printed",
                )
            self._pending.extend(self._receive(left_s, 64))
        return self.hello

    def _receive(self, timeout_s: float, max_messages: int) -> list[Message]:
        self._check_open()
        deadline_s = time.monotonic() + timeout_s
        messages: list[Message] = []
        while not messages:
            left_s = max(0.0, deadline_s - time.monotonic())
            if not self._data.poll(int(min(left_s, TURN_S) * 1000 + 0.999)):
                self._handshake.retry(self.data_endpoint)
                if left_s <= TURN_S:
                    break
                continue
            messages = self._receive_waiting(max_messages)
        return messages

    def _receive_waiting(self, max_messages: int) -> list[Message]:
        messages: list[Message] = []
        while len(messages) < max_messages:
            try:
                frames = self._data.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            self._heard_ns = time.monotonic_ns()
            try:
                message = decode(frames, self._heard_ns)
            except WireError:
                self.malformed += 1
                continue
            self._follow(message)
            messages.append(message)
        return messages

    def _catch_up(self, messages: list[Message], late_ns: int) -> list[Message]:
        """Do what the caller chose about messages that are late."""
        self._lag.complain(late_ns)
        messages = messages + list(self._pending) + self._receive_waiting(DRAIN_LIMIT_MESSAGES)
        self._pending.clear()
        kept, skipped = newest_of(messages)
        self.skipped.update(message.topic for message in skipped if message.run == self.run)
        return kept

    # --- what is known ----------------------------------------------------------------------------------------------

    @property
    def silence_s(self) -> float:
        """Time since something was received; 0 where something waits to be read."""
        if not self._closed and self._data.poll(0):
            return 0.0
        return (time.monotonic_ns() - self._heard_ns) / 1e9

    @property
    def stale(self) -> bool:
        """Whether nothing, not even a heartbeat, has come for longer than `stale_s`."""
        return self.silence_s > self._stale_s

    @property
    def refusal(self) -> str | None:
        """Why the server does not let this client in, as far as it is known; None where it does, or is not there."""
        refusal = None if self._closed else self._handshake.refusal()
        return None if refusal is None else f"{refusal[0]}: {refusal[1]}"

    # --- control ----------------------------------------------------------------------------------------------------

    @property
    def control_endpoint(self) -> str | None:
        """Where requests go: as given, or as the server's greeting says, None before that."""
        if self._control is not None:
            return self._control
        endpoints = (self.hello or {}).get("endpoints")
        control = endpoints.get("control") if isinstance(endpoints, dict) else None
        if not isinstance(control, str):
            return None
        return security.seen_from(control, self.data_endpoint)

    def request(self, cmd: str, timeout_s: float = 2.0, **args: Any) -> dict[str, Any]:
        """Send a command and return its result.

        Parameters
        ----------
        cmd : str
            ``hello ping status events arm start stop reset mark get set record.start record.stop shutdown``.
        timeout_s : float, optional
            It is repeated under the same id until then, and executed once.
        **args
            The arguments of the command (docs/protocol.md). ``stream`` is the client's own where it was given one.

        Returns
        -------
        result : dict

        Raises
        ------
        RequestError
            If the server refuses it; has the server's ``code``.
        WireError
            If no server answers in time.
        """
        if self._stream is not None and "stream" in COMMANDS.get(cmd, ()):
            args = {"stream": self._stream, **args}
        return self._exchange(cmd, args, timeout_s)["result"]

    def mark(self, label: str, timeout_s: float = 2.0) -> dict[str, Any]:
        """Put a mark with this client's own time into the stream; it comes back as an event."""
        return self.request("mark", timeout_s, label=label, t_client=str(time.monotonic_ns()))

    def ping(self, probes: int = 8, timeout_s: float = 2.0) -> ClockOffset:
        """Estimate the server's clock from the probe with the least round trip, and go by it from now on.

        Parameters
        ----------
        probes : int, optional
        timeout_s : float, optional
            For each probe.

        Returns
        -------
        offset : ClockOffset

        Raises
        ------
        WireError
            If no server answers.
        """
        taken = []
        for _ in range(max(1, probes)):
            reply = self._exchange("ping", {}, timeout_s)
            taken.append(Probe(reply["t0"], reply["t1"], reply["t2"], reply["t3"]))
        offset = best_estimate(taken)
        self._clock.pinged(offset)
        return offset

    def _exchange(self, cmd: str, args: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        self._check_open()
        deadline_s = time.monotonic() + timeout_s
        if self.control_endpoint is None:
            self.wait_hello(timeout_s)
        endpoint = self.control_endpoint
        if endpoint is None:
            raise WireError("the greeting names no control endpoint", remedy="give it: Client(..., control=...)")
        if self._requester is not None and self._requester.endpoint != endpoint:
            self._requester.close()
            self._requester = None
        if self._requester is None:
            self._requester = Requester(self._context, endpoint, self._keys)
        return self._requester.exchange(uuid.uuid4().hex, cmd, args, timeout_s, deadline_s)

    # --- closing ----------------------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise WireError("this client is closed", remedy="make a new one")

    def close(self) -> None:
        """Disconnect; may be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._requester is not None:
            self._requester.close()
        self._handshake.close()
        self._data.close(linger=0)
        self._context.term()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


__all__ = ["Client", "Message"]
