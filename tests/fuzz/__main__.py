"""Fuzz in processes of their own, so that a crash is found too: python -m tests.fuzz --count 100000."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS

MEMORY_LIMIT_BYTES = 12 * 1024**3  # what a malformed file asks for beyond this is a failure, not the end of the machine
STUCK_AFTER_S = 120.0


def main() -> int:
    """Try `--count` inputs, the same number of each target; exit code 1 if one was not refused in words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="inputs in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS, help="one of them only")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time")
    parser.add_argument("--out", type=Path, help="keep the outcome as JSON")
    parser.add_argument("--one", metavar="PROGRESS", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        return _in_this_process(args)
    from rtstrf.machine import machine_facts

    names = [args.target] if args.target else list(TARGETS)
    counts = [args.count // len(names) + (place < args.count % len(names)) for place in range(len(names))]
    began_s, outcomes = time.monotonic(), []
    with ThreadPoolExecutor(args.jobs) as pool:
        for outcome in pool.map(_in_a_process, names, counts, [args.seed] * len(names)):
            outcomes.append(outcome)
            shown = {key: outcome[key] for key in ("tried", "refused", "accepted", "failed", "seconds")}
            print(f"{outcome['target']}: {shown}", file=sys.stderr, flush=True)
            for failure in outcome["failures"]:
                print(f"  number {failure['number']}: {failure['error']}", file=sys.stderr, flush=True)
    failed = sum(outcome["failed"] for outcome in outcomes)
    result = {
        "machine": machine_facts(),
        "seed": args.seed,
        "tried": sum(outcome["tried"] for outcome in outcomes),
        "failed": failed,
        "seconds": round(time.monotonic() - began_s, 1),
        "targets": outcomes,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text + "\n", encoding="utf-8")
    return 1 if failed else 0


def _in_a_process(name: str, count: int, seed: int) -> dict:
    with tempfile.TemporaryDirectory(prefix="rtstrf-") as folder:
        progress = Path(folder) / "progress"
        command = [sys.executable, "-m", "tests.fuzz", "--target", name, "--count", str(count), "--seed", str(seed)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (Path(folder) / "log").open("w+") as log:  # decoders write notes about what they are given
            done = subprocess.run(
                [*command, "--one", str(progress)],
                stdout=subprocess.PIPE, stderr=log, text=True, env=environment, check=False,
            )  # fmt: skip
            log.seek(0)
            last_words = log.read()[-3000:]
        if done.returncode == 0:
            return json.loads(done.stdout)
        number = int(progress.read_text() or -1) if progress.exists() else -1
        failure = {
            "number": number,
            "error": f"the process ended with {done.returncode}",
            "input": "",
            "told": last_words,
        }
        counts = {"tried": number + 1, "refused": 0, "accepted": 0, "failed": 1, "seconds": 0.0}
        return {"target": name, "seed": seed, **counts, "failures": [failure]}


def _in_this_process(args: argparse.Namespace) -> int:
    import faulthandler

    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, hard))
    except ImportError:
        pass
    with args.one.open("w") as progress:

        def note(number: int) -> None:
            progress.seek(0)
            progress.write(f"{number:12d}")
            progress.flush()
            faulthandler.dump_traceback_later(STUCK_AFTER_S, exit=True)

        outcome = fuzz(args.target, args.count, args.seed, on_progress=note)
    print(json.dumps(outcome))
    return 0


if __name__ == "__main__":
    sys.exit(main())
