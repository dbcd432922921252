"""`rtstrf record`: what recordings hold, whether it is what was recorded, and the same in other formats."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtstrf.record.check import Checked

HELP = "Show, check, repair and export recordings (rtstrf live --record makes them, rtstrf replay runs them again)."
EXAMPLE = """\
  rtstrf record info booth/
  rtstrf record check booth/2026-11-25T10-31-02Z --repair
  rtstrf record export booth/2026-11-25T10-31-02Z session.nwb"""

FORMATS = (".nwb", ".npz", ".wav")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    info = actions.add_parser("info", help="what recordings hold")
    info.add_argument("recordings", nargs="+", metavar="RECORDING", help="a recording, or a folder of recordings")
    info.add_argument("--json", action="store_true", help="as data")
    check = actions.add_parser("check", help="whether they are what was recorded; exit code 1 if not")
    check.add_argument("recordings", nargs="+", metavar="RECORDING", help="a recording, or a folder of recordings")
    check.add_argument("--repair", action="store_true", help="cut off the torn end that a crash has left")
    check.add_argument("--json", action="store_true", help="as data")
    export = actions.add_parser("export", help="write one as .nwb, .npz (rates, topics, events) or .wav (sound)")
    export.add_argument("recording", metavar="RECORDING")
    export.add_argument("out", metavar="FILE", type=Path, help="FILE.nwb, FILE.npz or FILE.wav")
    export.add_argument("--stream", help="which of several streams, for .npz and .wav")


def run(args: argparse.Namespace) -> int:
    return {"info": run_info, "check": run_check, "export": run_export}[args.action](args)


def found(paths: list[str]) -> list[Path]:
    """Return the recordings that paths name, in order."""
    from rtstrf.errors import RecordError
    from rtstrf.record.layout import recordings_in
    from rtstrf.record.seals import NO_RECORD

    folders = []
    for path in paths:
        inside = recordings_in(path)
        if not inside:
            why = "no recording in it" if Path(path).is_dir() else "no such folder"
            raise RecordError(f"{path}: {why}", remedy=NO_RECORD)
        folders += inside
    return folders


def run_info(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from rtstrf.record.info import info_of
    from rtstrf.record.recording import Recording

    told = [info_of(Recording(folder)) for folder in found(args.recordings)]
    if args.json:
        print(json.dumps(told if len(told) > 1 else told[0], indent=1, ensure_ascii=False))
        return 0
    console = Console(highlight=False)
    for facts in told:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, style="dim")
        table.add_column()
        for key, value in info_rows(facts):
            table.add_row(key, Text(value))
        console.width = max(console.width, 100)  # a SHA-256 stays on its line
        console.print(table)
        console.print()
    return 0


def info_rows(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what `rtstrf record info` shows of a recording."""
    label = f" ({facts['label']})" if facts["label"] else ""
    yield "recording", f"{facts['folder']}{label}"
    yield "began", f"{facts['began_utc']}, run {facts['run']}, {facts['software']}"
    yield "model", str(facts["model"])
    yield "weights", facts["weights_sha256"]
    for stream in facts["streams"]:
        source = stream["source"]
        lost = f", {stream['samples_lost']:,} samples lost" if stream["samples_lost"] else ""
        yield f"stream {stream['name']}", f"{source['kind']} {source['name']!r} at {source['rate_hz']:,} Hz"
        yield "  sound", f"{stream['sound_s']:.3f} s in {stream['blocks']:,} blocks{lost}"
        gaps = f", {stream['bins_missing']:,} missing in {stream['gaps']:,} gaps" if stream["gaps"] else ""
        yield "  rates", f"{stream['bins']:,} bins x {stream['units']:,} units{gaps}"
        if stream["topics"]:
            yield "  topics", ", ".join(stream["topics"])
    names = ", ".join(f"{count} {name}" for name, count in facts["events"].items())
    yield "events", names or "none"
    ends = {
        "closed": "complete",
        "repaired": "cut off; its torn end was repaired",
        None: "cut off: run rtstrf record check",
    }
    ended = "still being written" if facts["running"] else ends.get(facts["end"], f"stopped: {facts['end']}")
    yield "state", f"{ended}; {facts['bytes'] / 1e6:,.1f} MB"
    yield "SHA-256", facts["sha256"]


def run_check(args: argparse.Namespace) -> int:
    import dataclasses

    from rtstrf.record.check import check

    reports = []
    for folder in found(args.recordings):
        with progress(f"checking {folder.name}") as advance:
            reports.append((folder, check(folder, repair=args.repair, on_progress=advance)))
    if args.json:
        told = [{"folder": str(folder), "whole": it.is_whole, **dataclasses.asdict(it)} for folder, it in reports]
        print(json.dumps(told if len(told) > 1 else told[0], indent=1))
    else:
        for folder, report in reports:
            print(f"{folder}: {check_text(report)}")
    return 0 if all(report.is_whole for _, report in reports) else 1


def check_text(report: Checked) -> str:
    """Return what was found, in words."""
    lines = [f"{report.seals:,} seals hold, {report.bytes / 1e6:,.1f} MB hashed; SHA-256 {report.sha256}"]
    for damage in report.damages:
        where = f"{damage.file} [{damage.first}, {damage.end}), sealed {damage.t_s:.3f} s into the run"
        lines.append(f"  DAMAGED: {where}: {damage.why}")
    for hole in report.holes:
        details = ", ".join(f"{key} {value}" for key, value in hole.items() if key != "name" and value is not None)
        lines.append(f"  the recorder was too slow here ({hole['name']}): {details}")
    if report.running:
        lines.append("  still being written")
    elif report.repaired:
        lines.append("  repaired: the torn end was cut off")
    elif report.torn_bytes or report.end is None:
        lines.append(f"  cut off: {report.torn_bytes:,} bytes after the last seal; mend it with --repair")
    elif report.end not in ("closed", "repaired"):
        lines.append(f"  the recording stopped: {report.end}")
    return "\n".join(lines)


def run_export(args: argparse.Namespace) -> int:
    from rtstrf.errors import ConfigError, RecordError
    from rtstrf.record.exports import export_npz, export_wav
    from rtstrf.record.nwb import export_nwb
    from rtstrf.record.recording import Recording

    kind = args.out.suffix.lower()
    if kind not in FORMATS:
        raise ConfigError(
            f"cannot tell the format of {args.out}", remedy=f"give a name that ends in {', '.join(FORMATS)}"
        )
    if not args.out.absolute().parent.is_dir():
        raise ConfigError(
            f"cannot write {args.out}: there is no folder {args.out.parent}",
            remedy=f"create it with: mkdir {args.out.parent}",
        )
    if kind == ".nwb" and args.stream is not None:
        raise ConfigError("an NWB file holds all streams", remedy="leave --stream out")
    folders = found([args.recording])
    if len(folders) > 1:
        raise RecordError(
            f"{args.recording} holds {len(folders)} recordings", remedy=f"name one, for example {folders[-1]}"
        )
    recording = Recording(folders[0])
    with progress(f"writing {args.out.name}") as advance:
        if kind == ".nwb":
            export_nwb(recording, args.out, on_progress=advance)
        elif kind == ".npz":
            export_npz(recording, args.out, stream=args.stream, on_progress=advance)
        else:
            export_wav(recording, args.out, stream=args.stream, on_progress=advance)
    print(f"wrote {args.out}")
    return 0


@contextmanager
def progress(task: str) -> Iterator[Callable[[float], None] | None]:
    """Show how much is done, where somebody watches and it takes longer than a moment."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        number = bar.add_task(task, total=1.0)
        yield lambda part: bar.update(number, completed=part)
