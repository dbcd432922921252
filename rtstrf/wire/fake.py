"""A server that is nobody's simulator: known rates, and faults at known places, for clients to be tested against.

It speaks by bare sockets and is not `server.WireServer`: what it does wrong, it does on purpose. Bin b of unit u is
``(b mod 100) + u`` Hz.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rtstrf.errors import WireError
from rtstrf.extras import require
from rtstrf.wire import host, message, sockets, strict_json
from rtstrf.wire.control import Control
from rtstrf.wire.golden_frames import golden_messages
from rtstrf.wire.message import Flags

if TYPE_CHECKING:
    import zmq
else:
    zmq = require("zmq", "wire")

FAULTS = {
    "golden": "the golden frames, byte for byte, as a run of their own",
    "malformed": "the bad ones of the golden frames, between good messages",
    "gap": "10 bins lost before computing: i0 jumps and gap says so, seq runs on",
    "loss": "7 messages lost on the way: seq and i0 jump",
    "late": "2 s of messages held back, then sent at once with the time they should have been sent at",
    "stall": "4 s without a byte, heartbeats included; the bins of that time are a gap",
    "restart": "the sockets closed, and 0.5 s later a server with a new run",
}
"""What can go wrong, by name."""

BIN_S = 0.005
STREAM = "main"
GAP_BINS = 10
LOST_MESSAGES = 7
LATE_S = 2.0
STALL_S = 4.0
RESTART_S = 0.5
HEARTBEAT_EVERY_S = 1.0


@dataclass
class Expected:
    """What a client that does everything right has counted at the end of a run.

    Attributes
    ----------
    run : str
    messages : int
        Good messages of rates.
    lost, bins_lost : int
        Messages of rates lost on the way, and bins missing for whatever reason.
    malformed : int
        Messages to be passed over, as they reach a client that subscribes to ``rates/``.
    longest_silence_s, latest_s : float
        The longest time without a byte, and the age of the latest message.
    """

    run: str
    messages: int = 0
    lost: int = 0
    bins_lost: int = 0
    malformed: int = 0
    longest_silence_s: float = 0.0
    latest_s: float = 0.0


@dataclass
class _Run:
    """What begins anew with each run."""

    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    start_ns: int = field(default_factory=time.monotonic_ns)
    seqs: dict[str, int] = field(default_factory=dict)
    next_bin: int = 0
    heartbeat_due_s: float = 0.0
    starts: dict[str, bytes] = field(default_factory=dict)


class FakeServer:
    """Plays rates and faults to whoever listens; a context manager.

    Parameters
    ----------
    data, control : str
        Endpoints to bind, on loopback.
    units : int
    part_bins : int
        Bins before, between and after the faults.

    Attributes
    ----------
    expected : list of Expected
        One a run, in the order they were played.
    """

    def __init__(self, data: str, control: str, *, units: int = 3, part_bins: int = 100) -> None:
        self.units = units
        self.part_bins = part_bins
        self.expected: list[Expected] = []
        self._context = zmq.Context()
        try:
            self._bind(data, control)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._begin_run()

    def _bind(self, data: str, control: str) -> None:
        self._data = sockets.data_socket(self._context, data, hold_messages=100_000)
        self._router = sockets.control_socket(self._context, control)
        self.data_endpoint = sockets.endpoint_of(self._data)
        self.control_endpoint = sockets.endpoint_of(self._router)

    def _begin_run(self) -> None:
        self._run = _Run()
        self._run.starts = {kind: message.header_start(kind, self._run.name, STREAM) for kind in message.KINDS}
        self._control = Control(self._answer, self._now_ns, lambda: None)
        self.expected.append(Expected(self._run.name))

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._run.start_ns

    # --- playing ----------------------------------------------------------------------------------------------------

    def wait_for_client(self, timeout_s: float | None = None) -> bool:
        """Wait until somebody has subscribed to the rates, and greet them; False where nobody has in time."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while deadline_s is None or time.monotonic() < deadline_s:
            if any(b"rates/main/".startswith(prefix) for prefix in self._serve(0.05)):
                self._serve(0.1)  # its other subscriptions
                return True
        return False

    def play(self, faults: Sequence[str]) -> None:
        """Send rates, each fault in its turn with rates before and after it, and the end of the run.

        Raises
        ------
        WireError
            If there is no such fault.
        """
        for fault in faults:
            if fault not in FAULTS:
                raise WireError(f"no fault {fault[:40]!r}", remedy=f"choose from {', '.join(FAULTS)}")
        self._state("running", "armed")
        self._rates(self.part_bins)
        for fault in faults:
            getattr(self, f"_{fault}")()
            self._rates(self.part_bins)
        self._send_rates(0, flags=int(Flags.LAST))
        self._state("ended", "running")
        self._serve(0.2)

    def _rates(self, bins: int) -> None:
        due_s = time.monotonic()
        for _ in range(bins):
            due_s += BIN_S
            self._serve(max(0.0, due_s - time.monotonic()))
            self._send_rates(1)

    def _golden(self) -> None:
        """Send a run of its own in the midst of another: what follows is a new run again."""
        facts = [each.facts for each in golden_messages() if each.good]
        rates = [fact for fact in facts if fact["topic"] == "rates/main/"]
        for each in golden_messages():
            if each.good:
                self._data.send_multipart(each.frames)
        self.expected.append(Expected("golden", messages=len(rates), lost=3, bins_lost=8))
        self._begin_run()
        self._greet()

    def _malformed(self) -> None:
        for each in golden_messages():
            if not each.good and each.frames[0].startswith(b"rates/"):
                self._data.send_multipart(each.frames)
                self.expected[-1].malformed += 1

    def _gap(self) -> None:
        self._skip_bins(GAP_BINS)

    def _skip_bins(self, bins: int) -> None:
        self._run.next_bin += bins
        self.expected[-1].bins_lost += bins
        self._send_rates(1, gap=bins, flags=int(Flags.DISCONTINUITY))

    def _loss(self) -> None:
        self._run.next_bin += LOST_MESSAGES
        self._run.seqs["rates"] = self._run.seqs.get("rates", 0) + LOST_MESSAGES
        self.expected[-1].lost += LOST_MESSAGES
        self.expected[-1].bins_lost += LOST_MESSAGES

    def _late(self) -> None:
        times_ns = [self._now_ns() + round(1e9 * BIN_S * number) for number in range(round(LATE_S / BIN_S))]
        self._silence(LATE_S)
        for t_pub_ns in times_ns:
            self._send_rates(1, t_pub_ns=t_pub_ns)
        self.expected[-1].latest_s = max(self.expected[-1].latest_s, LATE_S)

    def _stall(self) -> None:
        self._silence(STALL_S)
        self._skip_bins(round(STALL_S / BIN_S))

    def _silence(self, seconds: float) -> None:
        self.expected[-1].longest_silence_s = max(self.expected[-1].longest_silence_s, seconds)
        time.sleep(seconds)
        self._run.heartbeat_due_s = time.monotonic()

    def _restart(self) -> None:
        self._data.close(linger=500)
        self._router.close(linger=500)
        self._context.term()
        time.sleep(RESTART_S)
        self._context = zmq.Context()
        self._bind(self.data_endpoint, self.control_endpoint)
        self._begin_run()
        self.wait_for_client(5.0)
        self._state("running", "armed")

    # --- messages ---------------------------------------------------------------------------------------------------

    def _send(
        self, kind: str, fields: dict[str, Any], payload: bytes | None = None, t_pub_ns: int | None = None
    ) -> None:
        seq = self._run.seqs.get(kind, 0)
        self._run.seqs[kind] = seq + 1
        now_ns = self._now_ns() if t_pub_ns is None else t_pub_ns
        header = message.header_of(self._run.starts[kind], seq, strict_json.dumps(strict_json.plain(fields)), now_ns)
        topic = message.topic_of(kind, STREAM).encode()
        self._data.send_multipart([topic, header] if payload is None else [topic, header, payload])

    def _send_rates(self, n: int, *, t_pub_ns: int | None = None, gap: int = 0, flags: int = 0) -> None:
        i0 = self._run.next_bin
        rows = np.add.outer(np.arange(i0, i0 + n) % 100, np.arange(self.units)).astype(np.float32)
        t_cap_ns = self._now_ns() if t_pub_ns is None else t_pub_ns
        times = {"s0": 240 * i0, "s1": 240 * (i0 + n), "t_cap": t_cap_ns, "t_raw": t_cap_ns, "t_proc": 0}
        fields = {"i0": i0, "unit": "Hz", **times, "gap": gap, "flags": flags, "load": 0.0, "q": 0}
        fields |= {"n": n, "m": self.units, "dtype": message.DTYPE}
        self._send("rates", fields, message.as_payload(rows), t_pub_ns)
        self._run.next_bin += n
        self.expected[-1].messages += 1

    def _state(self, state: str, previous: str) -> None:
        number = self._run.seqs.get("event", 0)
        details = {"state": state, "previous": previous}
        self._send("event", {"number": number, "name": "state", "t": self._now_ns(), "details": details})

    def _greeting(self) -> dict[str, Any]:
        return {
            "model": "fake", "protocol": message.PROTOCOL,
            "endpoints": {"data": self.data_endpoint, "control": self.control_endpoint},
            "security": {"mechanism": "NULL", "insecure_lan": False},
            "anchor": {"monotonic_ns": str(self._run.start_ns), "utc": ""}, "machine": host.machine_id(),
            "sample_rate_hz": 48000, "hop_samples": 240, "bin_s": BIN_S, "rate_unit": "Hz",
            "units": [{"id": str(unit)} for unit in range(self.units)],
        }  # fmt: skip

    def _greet(self) -> None:
        self._send("hello", self._greeting())

    def _status(self) -> dict[str, Any]:
        topics = {message.topic_of(kind, STREAM): following - 1 for kind, following in self._run.seqs.items()}
        return {"state": "running", "bins": self._run.next_bin, "seqs": topics, "clients": 1, "dropped": 0}

    # --- who asks ---------------------------------------------------------------------------------------------------

    def _answer(self, cmd: str, args: dict[str, Any]) -> dict[str, Any]:
        if cmd == "hello":
            return {**self._greeting(), "run": self._run.name, "streams": [STREAM]}
        if cmd == "ping":
            return {"run": self._run.name}
        if cmd == "mark":
            mark = {**args, "s": 240 * self._run.next_bin, "bin": self._run.next_bin, "t": self._now_ns()}
            number = self._run.seqs.get("event", 0)
            self._send("event", {"number": number, "name": "mark", "t": mark["t"], "details": mark})
            return mark
        return self._status() if cmd == "status" else {"cmd": cmd, **args}

    def _serve(self, seconds: float) -> list[bytes]:
        """Greet, answer and beat for a time; return what was subscribed."""
        deadline_s, prefixes = time.monotonic() + seconds, []
        while True:
            if time.monotonic() >= self._run.heartbeat_due_s:
                self._run.heartbeat_due_s = time.monotonic() + HEARTBEAT_EVERY_S
                self._send("heartbeat", self._status())
            left_s = deadline_s - time.monotonic()
            asked = [(self._data, zmq.POLLIN), (self._router, zmq.POLLIN)]
            ready = dict(zmq.zmq_poll(asked, max(0, round(left_s * 1000))))
            if self._data in ready:
                frame = self._data.recv()
                if frame[:1] == b"\x01":
                    prefixes.append(frame[1:])
                    if b"hello/main/".startswith(frame[1:]):
                        self._greet()
            if self._router in ready:
                *envelope, request = self._router.recv_multipart()
                reply = self._control.receive(tuple(envelope), request)
                if reply is not None:
                    self._router.send_multipart([*envelope, reply])
            if left_s <= 0 and not ready:
                return prefixes

    def close(self) -> None:
        """Send what is on its way, and close."""
        self._data.close(linger=1000)
        self._router.close(linger=1000)
        self._context.term()

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
