"""Every number that docs/reliability.md promises, measured by one command.

    python benchmarks/reliability.py [--quick] [--only wire,soak,chaos,fuzz] [--write]

Fifteen minutes on an idle machine; nine with --quick, which soaks for five minutes in place of ten. What is measured
stands in benchmarks/results/reliability.json; --write puts it into the page too. Exit code 1 where a number is not
reached.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "reliability.json"
PARTS = ("wire", "soak", "chaos", "fuzz")
QUICK_SOAK_MINUTES, SOAK_MINUTES = 5, 10


def main() -> int:
    """Measure, keep, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="nine minutes in place of fifteen")
    parser.add_argument(
        "--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}; the others stay as they are"
    )
    parser.add_argument("--minutes", type=float, help="of the soak")
    parser.add_argument("--write", action="store_true", help="put the numbers into docs/reliability.md")
    args = parser.parse_args()
    minutes = args.minutes or (QUICK_SOAK_MINUTES if args.quick else SOAK_MINUTES)
    quick = ["--quick"] if args.quick else []
    commands = {
        "wire": ["-m", "rtstrf", "bench", "wire", "--json", "--quiet", *quick],
        "soak": [str(ROOT / "benchmarks" / "soak.py"), "--minutes", str(minutes)],
        "chaos": ["-m", "rtstrf", "chaos", "--json", *quick],
        "fuzz": ["-m", "tests.fuzz", "--count", "100000", "--jobs", "2"],
    }
    for part in args.only.split(","):
        if part not in commands:
            parser.error(f"no part {part!r}; choose from {', '.join(PARTS)}")
    for part in args.only.split(","):
        print(f"{part} is measured", file=sys.stderr, flush=True)
        measured = measure(commands[part])
        keep(part, {"measured_at": time.strftime("%Y-%m-%dT%H:%M:%S"), **measured})
    page = [sys.executable, str(ROOT / "tools" / "reliability_page.py")]
    if args.write:
        subprocess.run([*page, "--write"], check=True)
    return subprocess.run([*page, "--judge"], check=False).returncode


def measure(command: list[str]) -> dict[str, Any]:
    """Run a command that prints JSON, whatever its exit code, and return what it printed."""
    done = subprocess.run(
        [sys.executable, *command],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    if not done.stdout.strip():
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode} and printed nothing")
    return json.loads(done.stdout)


def keep(part: str, measured: dict[str, Any]) -> None:
    """Put a part into the file, whole or not at all."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    kept[part] = measured
    beside = RESULTS.with_suffix(".json.new")
    beside.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, RESULTS)


if __name__ == "__main__":
    sys.exit(main())
