"""How long a message takes from the engine to another process: prints p50, p99, p99.9 and the maximum.

Run it on an idle machine: python benchmarks/wire.py [SECONDS]
One process publishes 119 rates every 5 ms, as a live run does, with the spectrogram and the ON and OFF channels beside
them; another receives them. Three times are reported, all on the one monotonic clock the two processes share:

    submit            what the engine's thread spends on handing a bin over
    submit -> sent    the hand-over to the wire thread (field t_pub)
    submit -> array   until the other process holds the checked array
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import time

import numpy as np

from rtstrf.wire.client import Client
from rtstrf.wire.message import Flags
from rtstrf.wire.server import WireServer

UNITS = 119
BANDS = 34
BIN_S = 0.005
LEAD_S = 0.5


class RunClock:
    def __init__(self) -> None:
        self.start_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        return time.monotonic_ns() - self.start_ns

    def anchor(self) -> dict[str, str]:
        return {"monotonic_ns": str(self.start_ns), "utc": ""}


def show(name: str, times_ns: list[int]) -> None:
    p50, p99, p999, most = np.percentile(np.array(times_ns) / 1e6, [50, 99, 99.9, 100])
    print(f"{name:16s} p50 {p50:7.3f} ms   p99 {p99:7.3f} ms   p99.9 {p999:7.3f} ms   max {most:7.3f} ms")


def receive(endpoint: str) -> None:
    """The other process."""
    sent, arrived = [], []
    with Client(endpoint, topics=("rates", "spectrogram", "onoff"), on_lag="raise") as client:
        client.wait_hello(10.0)
        print("ready", flush=True)
        for message in client:
            if message.kind == "rates":
                submitted_ns = message.header["t_submit"]
                sent.append(message.header["t_pub"] - submitted_ns)
                arrived.append(client.run_time_ns(message.t_recv_ns) - submitted_ns)
                if message.flags & Flags.LAST:
                    break
        show("submit -> sent", sent)
        show("submit -> array", arrived)
        print(f"{len(arrived)} messages received, lost: {client.lost or 'none'}")


def publish(bins: int) -> None:
    """The engine's process."""
    clock, spent = RunClock(), []
    rates, spectrogram = np.zeros((1, UNITS), np.float32), np.zeros((1, BANDS), np.float32)
    onoff = np.zeros((1, 2 * BANDS), np.float32)
    endpoints = ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
    with WireServer(*endpoints, clock=clock, hello=dict, status=dict, handle=lambda cmd, args: {}) as server:
        command = [sys.executable, __file__, "--receive", server.data_endpoint]
        receiver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert receiver.stdout is not None
        receiver.stdout.readline()
        due_s = time.monotonic() + LEAD_S
        for i0 in range(bins):
            due_s += BIN_S
            time.sleep(max(0.0, due_s - time.monotonic()))
            header = {"i0": i0, "unit": "Hz", "s0": 240 * i0, "s1": 240 * (i0 + 1), "t_cap": 0, "t_raw": 0, "t_proc": 0}
            header |= {"gap": 0, "flags": Flags.LAST if i0 == bins - 1 else 0, "load": 0.0, "q": 0}
            submitted_ns = clock.now_ns()
            server.submit("rates", {**header, "t_submit": submitted_ns}, rates)
            spent.append(clock.now_ns() - submitted_ns)
            server.submit("spectrogram", {"i0": i0, "flags": 0}, spectrogram)
            server.submit("onoff", {"i0": i0, "flags": 0}, onoff)
        report, _ = receiver.communicate(timeout=30)
    show("submit", spent)
    print(report, end="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", nargs="?", type=float, default=30.0)
    parser.add_argument("--receive", metavar="ENDPOINT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        receive(options.receive)
        return
    print(f"{platform.processor() or platform.machine()}, {platform.system()}, Python {platform.python_version()}")
    publish(max(1, round(options.seconds / BIN_S)))


if __name__ == "__main__":
    main()
