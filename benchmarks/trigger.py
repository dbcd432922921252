"""How long from a complete block to a trigger's packet in another process, paced in real time.

    python benchmarks/trigger.py --minutes 2 --out benchmarks/results/trigger.json

Bursts of noise make the mean rate cross a threshold some eight times a second; each crossing sends a UDP packet over
loopback, and another process notes when it arrives. The sound is paced, so the true time at which each block was
complete is known. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from rtstrf.cli.session import live_config
from rtstrf.engine.engine import Engine
from rtstrf.engine.process import real_time_process
from rtstrf.machine import machine_facts
from rtstrf.sinks.sink import Sink

# Nothing but the socket, as a rig of one's own would be written.
RECEIVER = """
import socket, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
    receiver.bind(("127.0.0.1", 0))
    print(receiver.getsockname()[1], flush=True)
    with open(sys.argv[1], "w") as kept:
        while (packet := receiver.recv(4096)) != b"end":
            kept.write(f"{time.monotonic_ns()} {packet.decode()}\\n")
"""


class Marks(Sink):
    """Keeps the events of triggers."""

    def __init__(self) -> None:
        self.fired: list[dict[str, Any]] = []

    def event(self, name: str, t_ns: int, details: dict[str, Any]) -> None:
        if name == "trigger":
            self.fired.append(details)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--model", default="statenet-gru-ns1")
    parser.add_argument("--threshold-hz", type=float, default=25.0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "packets"
        receiver = subprocess.Popen([sys.executable, "-c", RECEIVER, str(kept)], stdout=subprocess.PIPE, text=True)
        assert receiver.stdout is not None
        port = int(receiver.stdout.readline())
        action = f"action: {{kind: udp, port: {port}}}"
        keys = [
            f"model={args.model}",
            f"source.duration_s={60 * args.minutes}",
            "source.burst_ms=60",
            "source.gap_ms=60",
        ]
        keys += ["wire.data=tcp://127.0.0.1:0", "wire.control=tcp://127.0.0.1:0"]
        keys += [f"triggers=[{{name: t, threshold_hz: {args.threshold_hz}, refractory_ms: 0, {action}}}]"]
        marks = Marks()
        engine = Engine(live_config(None, "noise", keys), sinks=[marks])
        with real_time_process(engine.config.engine.threads):
            engine.run()
        start_ns = engine.clock.start_ns
        stop(port)
        receiver.wait()
        packets = [line.split(" ", 1) for line in kept.read_text().splitlines()]
    fired = {details["bin"]: details for details in marks.fired}
    arrived = {json.loads(text)["bin"]: int(at_ns) - start_ns for at_ns, text in packets}
    both = sorted(fired.keys() & arrived.keys())
    if not both:
        sys.exit("the rates crossed no threshold: lower --threshold-hz")
    t_cap, t_fire = (np.array([fired[bin_][name] for bin_ in both]) for name in ("t_cap", "t_fire"))
    t_arrived = np.array([arrived[bin_] for bin_ in both])
    result = {
        "machine": machine_facts(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "model": args.model,
        "minutes": args.minutes,
        "fired": len(fired),
        "packets_missing": len(fired) - len(both),
        "block_to_fire_ms": percentiles((t_fire - t_cap) / 1e6),
        "fire_to_packet_ms": percentiles((t_arrived - t_fire) / 1e6),
        "block_to_packet_ms": percentiles((t_arrived - t_cap) / 1e6),
        "status": engine.status(),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text + "\n")


def stop(port: int) -> None:
    """Let the receiver end."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"end", ("127.0.0.1", port))


def percentiles(values: np.ndarray) -> dict[str, float]:
    """Return the figures that matter of a distribution."""
    shares = {"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9, "max": 100}
    return {name: round(float(np.percentile(values, share)), 4) for name, share in shares.items()}


if __name__ == "__main__":
    main()
