"""A live session for a long time: memory of all its processes, lateness of every message, and whether one is missing.

    python benchmarks/soak.py --minutes 60 --out benchmarks/results/soak.json

A session of the bundled model at real time, which records, and eight clients, each in a process of its own. The run is
looked at in five parts: nothing may be missing, no process may have grown from the first part to the last, and the
99th percentile of lateness in the last part may be 1.1 times that of the first at most. On a machine that others use,
lateness says more of them than of rtstrf: with --busy it is measured but not judged, and what is missing must only be
announced. Exit code 1 where one of these does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from rtstrf.bench.floors import jitter_floor
from rtstrf.cli.main import ended_by_sigterm
from rtstrf.machine import machine_facts
from rtstrf.wire.client import Client

PARTS = 5
CLIENTS = 8
SAMPLE_EVERY_S = 2.0
GROWTH, GROWTH_BYTES = 0.02, 1_000_000  # allocators give and take so much without a leak
BYTES_A_MINUTE = 60 * (48_000 * 4 + 200 * 119 * 4)  # of a recording, about
P99_RATIO = 1.1
NOT_OF_A_BUSY_MACHINE = ("nothing is missing", "p99 of the last part")


def main() -> int:
    """Soak, print and keep what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the sound (10)")
    parser.add_argument("--clients", type=int, default=CLIENTS, help=f"processes that receive ({CLIENTS})")
    parser.add_argument("--busy", action="store_true", help="others use the machine: do not judge lateness")
    parser.add_argument("--out", type=Path, help="keep the result as JSON")
    args = parser.parse_args()
    with ended_by_sigterm():
        result = soak(args.minutes, args.clients)
    result["judged"] = result.pop("holds")
    if args.busy:
        for name in NOT_OF_A_BUSY_MACHINE:
            del result["judged"][name]
    result["good"] = all(result["judged"].values())
    for name, holds in result["judged"].items():
        print(f"{name}: {'yes' if holds else 'NO'}", file=sys.stderr)
    text = json.dumps(result, indent=1)
    print(text)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text + "\n", encoding="utf-8")
    return 0 if result["good"] else 1


def soak(minutes: float, clients: int) -> dict[str, Any]:
    """Run a session for so long, and return what was measured."""
    seconds = 60 * minutes
    with tempfile.TemporaryDirectory(prefix="rtstrf-") as name, ExitStack() as stack:
        folder = Path(name)
        recorded = shutil.disk_usage(folder).free > 2 * minutes * BYTES_A_MINUTE
        server, data, control = start_server(folder, seconds, recorded=recorded)
        stack.callback(server.wait)
        stack.callback(server.kill)
        kept = [folder / f"{number}.npz" for number in range(clients)]
        receivers = [start_client(data, path, round(200 * seconds), seconds) for path in kept]
        for receiver in receivers:
            stack.callback(receiver.wait)
            stack.callback(receiver.kill)
            assert receiver.stdout is not None
            assert receiver.stdout.readline() == "greeted\n"
        with Client(data, control, topics=()) as client:
            client.request("start", 10.0)
            memory = watch([server, *receivers], seconds, client)
            heartbeat = client.heartbeat or {}
        heard = [dict(np.load(path)) for path in kept]
    bins = round(200 * seconds)
    result = {
        "machine": machine_facts(),
        "minutes": minutes,
        "clients": clients,
        "recorded": recorded,
        **lateness_of(heard),
        **missing_of(heard, heartbeat, bins),
        **memory_of(memory),
        "cpu_share": {key: round(value / seconds, 3) for key, value in memory["cpu_s"].items()},
        "sleep": jitter_floor(2.0, 2.0, 5_000_000),
    }
    missing = ("bins_lost", "messages_lost", "bins_missing", "messages_dropped")
    result["holds"] = {
        "nothing is lost silently": (result["bins_missing"] or 0) + result["bins_received_least"] == bins
        and not result["messages_lost"]
        and not result["messages_dropped"],
        "nothing is missing": result["bins_received_least"] == bins and not any(result[name] for name in missing),
        "memory is flat": result["memory_flat"],
        "p99 of the last part": result["p99_ratio"] <= P99_RATIO,
    }
    return result


def start_server(folder: Path, seconds: float, *, recorded: bool) -> tuple[subprocess.Popen[str], str, str]:
    """Start a session that waits for its start."""
    keys = [f"source.duration_s={seconds}", "source.gap_ms=0", "engine.autostart=false"]
    keys += ["wire.data=tcp://127.0.0.1:0", "wire.control=tcp://127.0.0.1:0"]
    command = [sys.executable, "-m", "rtstrf", "live", "--source", "noise"]
    command += ["--record", str(folder / "recordings")] if recorded else []
    for key in keys:
        command += ["--set", key]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.stderr is not None
    told = re.search(r"rates on (\S+), control on ([^;\s]+)", process.stderr.readline())
    assert told is not None, process.stderr.read()
    return process, told.group(1), told.group(2)


def start_client(data: str, out: Path, bins: int, seconds: float) -> subprocess.Popen[str]:
    """Start a process that receives to the end of the run."""
    script = str(Path(__file__).with_name("soak_client.py"))
    command = [sys.executable, script, data, str(out), str(bins), str(seconds / PARTS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def watch(processes: list[subprocess.Popen[str]], seconds: float, client: Client) -> dict[str, Any]:
    """Look at the memory of all processes until they have ended, and tell how far it is."""
    names = ["server", *(f"client {number}" for number in range(1, len(processes)))]
    began_s = time.monotonic()
    samples: list[list[float]] = []  # when, and the resident bytes of each
    told, running = 0, True
    cpu_s = dict.fromkeys(names, 0.0)
    while running:
        client.poll()  # its heartbeats
        time.sleep(min(SAMPLE_EVERY_S, seconds / (4 * PARTS)))
        now_s = time.monotonic() - began_s
        running = processes[0].poll() is None
        if now_s > seconds + 60:
            raise SystemExit("the session has not ended in time")
        if running and now_s < seconds:
            samples.append([now_s, *(resident_bytes(process.pid) for process in processes)])
            for name, process in zip(names, processes, strict=True):
                cpu_s[name] = cpu_seconds(process.pid) or cpu_s[name]
        if int(10 * now_s / seconds) > told and samples:
            told = int(10 * now_s / seconds)
            resident = sum(samples[-1][1:]) / 1e6
            print(f"{min(100, 10 * told)} %, {resident:.0f} MB in all", file=sys.stderr, flush=True)
    for process in processes[1:]:
        process.wait(60)
    return {"names": names, "samples": np.array(samples), "cpu_s": cpu_s, "seconds": seconds}


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:  # not Linux, or over
        told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
        return 1024 * int(told.strip() or 0)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lateness_of(heard: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the lateness of messages, all clients, by part of the run."""
    parts = []
    for part in range(PARTS):
        late_ms = np.concatenate([one["late_ms"][one["part"] == part] for one in heard])
        shares = {"p50": 50, "p99": 99, "p99.9": 99.9, "max": 100}
        parts.append({name: round(float(np.percentile(late_ms, share)), 4) for name, share in shares.items()})
    return {"late_ms": parts, "p99_ratio": round(parts[-1]["p99"] / parts[0]["p99"], 3)}


def missing_of(heard: list[dict[str, Any]], heartbeat: dict[str, Any], bins: int) -> dict[str, Any]:
    """Return what is missing, by each who could know."""
    return {
        "bins": bins,
        "bins_received_least": min(int(one["bins"]) for one in heard),
        "bins_lost": sum(int(one["bins_lost"]) for one in heard),
        "messages_lost": sum(int(one["messages_lost"]) for one in heard),
        "bins_missing": heartbeat.get("bins_missing"),
        "messages_dropped": heartbeat.get("dropped"),
    }


def memory_of(watched: dict[str, Any]) -> dict[str, Any]:
    """Return the largest resident memory of each process in the first and in the last part."""
    times, sizes = watched["samples"][:, 0], watched["samples"][:, 1:]
    part = np.minimum(PARTS - 1, (PARTS * times / watched["seconds"]).astype(int))
    first, last = sizes[part == 0].max(axis=0), sizes[part == PARTS - 1].max(axis=0)
    return {
        "memory_mb": {
            name: {"first": round(a / 1e6, 2), "last": round(b / 1e6, 2)}
            for name, a, b in zip(watched["names"], first, last, strict=True)
        },
        "memory_flat": bool((last <= (1 + GROWTH) * first + GROWTH_BYTES).all()),
    }


if __name__ == "__main__":
    sys.exit(main())
