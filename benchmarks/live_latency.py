"""How long from a complete block to its rates in another process, paced in real time over loopback.

    python benchmarks/live_latency.py --minutes 10 --out benchmarks/results/live_latency.json

The sound is paced, so the true time at which each block was complete is known. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from rtstrf.cli.session import live_config
from rtstrf.engine.engine import Engine
from rtstrf.engine.process import real_time_process
from rtstrf.machine import machine_facts

CLIENT = """
import sys, numpy as np
from rtstrf.wire.client import Client
from rtstrf.wire.message import Flags
latency, proc, sent, over = [], [], [], False
with Client(sys.argv[1], lag_s=1e6) as client:
    while not over:
        for m in client.poll(0.5):
            if m.kind == "rates":
                over = Flags.LAST in m.flags
                if len(m.array):
                    start = int(client.hello["anchor"]["monotonic_ns"])
                    latency.append(m.t_recv_ns - start - m.header["t_cap"])
                    proc.append(m.header["t_proc"])
                    sent.append(m.header["t_pub"] - m.header["t_cap"])
        if client.hello is not None and not latency:
            print("greeted", flush=True)
    np.savez(sys.argv[2], latency_ns=latency, t_proc_ns=proc, sent_ns=sent, bins_lost=client.bins_lost)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--model", default="statenet-gru-ns1")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    keys = [f"model={args.model}", f"source.duration_s={60 * args.minutes}", "engine.autostart=false"]
    keys += ["wire.data=tcp://127.0.0.1:0", "wire.control=tcp://127.0.0.1:0"]
    engine = Engine(live_config(None, "noise", keys))
    with tempfile.TemporaryDirectory() as folder, real_time_process(engine.config.engine.threads) as settle:
        engine.start()
        settle()
        kept = Path(folder) / "kept.npz"
        command = [sys.executable, "-c", CLIENT, engine.server.data_endpoint, str(kept)]
        client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert client.stdout is not None
        client.stdout.readline()
        engine.begin()
        engine.wait()
        engine.stop()
        client.stdout.read()
        client.wait()
        measured = np.load(kept)
    status = engine.status()
    hop_ms = 1e3 * engine.batch.hop_samples / engine.batch.rate_hz
    latency_ms = measured["latency_ns"] / 1e6
    result = {
        "machine": machine_facts(),
        "model": args.model,
        "minutes": args.minutes,
        "bins_published": status["bins"],
        "bins_received": len(latency_ms),
        "bins_missing": status["bins_missing"] + int(measured["bins_lost"]),
        "later_than_a_hop": int(np.count_nonzero(latency_ms > hop_ms)),
        "block_to_client_ms": percentiles(latency_ms),
        "block_to_sent_ms": percentiles(measured["sent_ns"] / 1e6),
        "computing_us": percentiles(measured["t_proc_ns"] / 1e3),
        "status": status,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text + "\n")


def percentiles(values: np.ndarray) -> dict[str, float]:
    """Return the figures that matter of a distribution."""
    shares = {"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9, "max": 100}
    return {name: round(float(np.percentile(values, share)), 4) for name, share in shares.items()}


if __name__ == "__main__":
    main()
