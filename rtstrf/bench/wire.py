"""`rtstrf bench wire`: how long rates take to other processes, and how soon one that comes late knows everything.

One process publishes rates on the pace of real time as the engine does; others, real ones over loopback, receive. All
read the one monotonic clock of the machine, so a latency is one difference, of no estimated offset.

Columns:

p50_us ... max_us       from handing a bin to the server until another process holds the checked array, all clients
sent_*                  of which, until the wire thread sends it
submit_*                what handing over costs the thread that computes
load                    share of a core that the publishing process used, its pacing included
missed_deadlines        messages that took longer than a bin
lost                    messages that a client missed, all clients
late_hello_ms           from a client's start to its greeting, for one that joins in the run
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rtstrf.bench.conditions import Conditions
from rtstrf.bench.floors import jitter_floor
from rtstrf.bench.spread import spread_us
from rtstrf.bench.telling import Telling
from rtstrf.clock import RunClock
from rtstrf.errors import WireError
from rtstrf.wire.message import Flags
from rtstrf.wire.server import WireServer

BIN_NS = 5_000_000
LEAD_NS = 500_000_000  # between the last greeting and the first bin
ENDPOINTS = ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
ENDS_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    units: int
    clients: int
    seconds: float
    jitter_s: float


QUICK = Effort(units=1024, clients=8, seconds=10.0, jitter_s=1.0)
FULL = Effort(units=1024, clients=8, seconds=60.0, jitter_s=10.0)


def wire_rows(conditions: Conditions, telling: Telling, units: int | None, clients: int | None) -> list[dict[str, Any]]:
    """Return one row: so many units to so many clients."""
    effort = QUICK if conditions.quick else FULL
    return [
        {
            "bench": "wire",
            "mode": "quick" if conditions.quick else "full",
            **published(units or effort.units, clients or effort.clients, effort.seconds, telling),
            **jitter_floor(effort.jitter_s, effort.jitter_s, BIN_NS),
        }
    ]


def published(units: int, clients: int, seconds: float, telling: Telling) -> dict[str, Any]:
    """Publish to that many processes for that long, and one more that joins in the middle."""
    clock = RunClock()
    bins = max(2, round(seconds * 1e9 / BIN_NS))
    rates_hz = np.random.default_rng(0).random((1, units), dtype=np.float32)
    with ExitStack() as stack:
        server = stack.enter_context(
            WireServer(*ENDPOINTS, clock=clock, hello=dict, status=dict, handle=lambda cmd, args: {})
        )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kept = [folder / f"{number}.npz" for number in range(clients + 1)]
        with telling.work(f"{clients} clients start"):
            running = [stack.enter_context(client(server.data_endpoint, path)) for path in kept[:-1]]
            for process in running:
                greeted(process)
        submit_ns = np.empty(bins, dtype=np.int64)
        start_ns, began_s, began_cpu_s = time.monotonic_ns() + LEAD_NS, time.monotonic(), time.process_time()
        with telling.progress(f"{units} units to {clients} processes", bins, seconds) as advance:
            for i0 in range(bins):
                time.sleep(max(0, start_ns + i0 * BIN_NS - time.monotonic_ns()) * 1e-9)
                if i0 == bins - 1:
                    greeted(running[-1])  # who is not there for the last bin would wait for it for ever
                if i0 == bins // 4:
                    running.append(stack.enter_context(client(server.data_endpoint, kept[-1])))
                before_ns = clock.now_ns()
                server.submit("rates", header(i0, before_ns, last=i0 == bins - 1), rates_hz)
                submit_ns[i0] = clock.now_ns() - before_ns
                if i0 % 200 == 199:
                    advance(200)
        load = (time.process_time() - began_cpu_s) / (time.monotonic() - began_s)
        for process in running:
            process.wait(ENDS_WITHIN_S)
        heard = [dict(np.load(path)) for path in kept]
    received_ns = np.concatenate([one["received_ns"] for one in heard])
    return {
        "units": units,
        "clients": clients,
        "bin_ms": BIN_NS / 1e6,
        **spread_us(received_ns),
        **spread_us(np.concatenate([one["sent_ns"] for one in heard]), "sent_"),
        **spread_us(submit_ns, "submit_"),
        "missed_deadlines": int(np.count_nonzero(received_ns > BIN_NS)),
        "lost": sum(int(one["bins_lost"]) for one in heard),
        "hops": bins,
        "messages_received": len(received_ns),
        "load": round(load, 4),
        "late_hello_ms": round(1e3 * float(heard[-1]["hello_s"]), 2),
    }


def header(i0: int, now_ns: int, *, last: bool) -> dict[str, Any]:
    """Return the header of a bin, with the time at which it is handed over."""
    told = {"i0": i0, "unit": "Hz", "s0": 240 * i0, "s1": 240 * (i0 + 1), "t_cap": now_ns, "t_raw": now_ns}
    told |= {"t_proc": 0, "gap": 0, "flags": int(Flags.LAST) if last else 0, "load": 0.0, "q": 0}
    return {**told, "t_submit": now_ns}


def client(endpoint: str, out: Path) -> subprocess.Popen[str]:
    """Start a process that receives."""
    command = [sys.executable, "-m", "rtstrf.bench.wire_client", endpoint, str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def greeted(process: subprocess.Popen[str]) -> None:
    """Wait until a client has had its greeting; where it fails, its own words are on the standard error."""
    assert process.stdout is not None
    if not process.stdout.readline():
        raise WireError("a client of the benchmark ended without a greeting", remedy="see its message above")
