"""`rtstrf chaos`: every fault there is, into a session that is real, and whether each loss was announced."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtstrf.chaos.row import Row

HELP = "Inject faults into a live session of its own, and compare the losses announced with those injected."
EXAMPLE = """\
  rtstrf chaos --quick
  rtstrf chaos --seed 7 --only mixed,kill --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="less than a minute: one round of mixed faults, not four")
    parser.add_argument("--seed", type=int, default=0, help="of the sizes of faults, and of how they are mixed (0)")
    parser.add_argument("--only", metavar="LIST", help="some faults, with commas (docs/reliability.md)")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON, and nothing else")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep the outcome as JSON")


def run(args: argparse.Namespace) -> int:
    import signal

    from rtstrf.chaos.session import NAMES, run_chaos
    from rtstrf.errors import ConfigError
    from rtstrf.machine import machine_facts

    if not hasattr(signal, "SIGSTOP"):
        raise ConfigError("this system cannot suspend a process", remedy="run it on Linux or macOS")
    only = NAMES if args.only is None else tuple(args.only.split(","))
    for name in only:
        if name not in NAMES:
            raise ConfigError(f"no fault {name[:40]!r}", remedy=f"choose from {', '.join(NAMES)}")
    began_s = time.monotonic()
    with TemporaryDirectory(prefix="rtstrf-") as folder:
        tell = _quiet if args.json else _tell
        rows = run_chaos(Path(folder), args.seed, quick=args.quick, only=only, tell=tell)
    result = {
        "machine": machine_facts(),
        "seed": args.seed,
        "mode": "quick" if args.quick else "full",
        "seconds": round(time.monotonic() - began_s, 1),
        "good": all(row.good for row in rows),
        "rows": [row.as_dict() for row in rows],
    }
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        _print_table(rows, result)
    return 0 if result["good"] else 1


def _quiet(row: Row) -> None:
    pass


def _tell(row: Row) -> None:
    print(f"{row.fault}: {_verdict(row)}", file=sys.stderr, flush=True)


def _verdict(row: Row) -> str:
    if row.skipped is not None:
        return f"skipped: {row.skipped}"
    failed = [check for check, holds in row.checks.items() if not holds]
    if failed:
        return f"NOT survived: not so: {'; '.join(failed)}"
    return "survived" if row.equal else "survived, but announced otherwise than injected"


def _print_table(rows: list[Row], result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=f"chaos, seed {result['seed']}, {result['seconds']:.0f} s", title_justify="left")
    for column in ("fault", "injected", "announced", "survived"):
        table.add_column(column)
    table.add_column("well again", justify="right")
    for row in rows:
        well = "" if row.recovery_s is None else f"{1000 * row.recovery_s:.0f} ms"
        survived = "skipped" if row.skipped else "yes" if row.survived else "NO"
        mark = "" if row.good else "[bold red]"
        table.add_row(row.fault, _words(row.injected), f"{mark}{_words(row.announced)}", f"{mark}{survived}", well)
    console.print(table)
    for row in rows:
        if not row.good or row.skipped:
            console.print(f"{row.fault}: {_verdict(row)}", markup=False)
    if result["good"]:
        console.print("every fault survived, every loss announced as it was injected")


def _words(figures: dict[str, Any]) -> str:
    return "\n".join(f"{name}: {_short(value)}" for name, value in figures.items())


def _short(value: Any) -> str:
    return " ".join(str(each)[:6] for each in value) if isinstance(value, list) else str(value)
