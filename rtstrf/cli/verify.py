"""`rtstrf verify`: the guarantees of a model, as measured on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

HELP = "Measure what is guaranteed of a model: same bits, same numbers, no crosstalk, no future."
EXAMPLE = """  rtstrf verify statenet-gru-ns1
  rtstrf verify my-model/ call.wav --json"""

EXIT_BROKEN = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a bundled model or the folder of a checkpoint")
    parser.add_argument("sound", metavar="SOUND", nargs="?", help="a sound file (default: the built-in scene)")
    parser.add_argument("--seconds", type=float, default=5.0, help="sound to measure with (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of random chunks and lanes (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    import torch
    from rich.console import Console

    from rtstrf.checkpoints.load import load_model
    from rtstrf.sound.make import open_source
    from rtstrf.verify.report import verify
    from rtstrf.verify.store import remember

    loaded = load_model(args.model)
    source = open_source("file", path=args.sound) if args.sound is not None else open_source("scene")
    torch.set_num_threads(1)  # as the engine runs: one hop is too little to share
    told = Console(stderr=True)
    with told.status("measuring") as status:
        result = verify(
            loaded, source, seconds=args.seconds, seed=args.seed, on_check=lambda words: status.update(words)
        )
    if args.json:
        print(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        print_table(Console(highlight=False), result)
    try:
        remember(result)
    except OSError as error:
        print(f"rtstrf verify: the result cannot be kept for the greeting on the wire: {error}", file=sys.stderr)
    return 0 if result["passed"] else EXIT_BROKEN


def print_table(console: Console, result: dict[str, Any]) -> None:
    """Print each guarantee with what was measured, the bound and whether it holds."""
    from rich.table import Table
    from rich.text import Text

    marks = {True: Text("✓", style="bold green"), False: Text("✗", style="bold red")}
    if not console.encoding.lower().startswith("utf"):
        marks = {True: Text("yes", style="bold green"), False: Text("NO", style="bold red")}
    machine = result["machine"]
    table = Table(
        title=f"{result['model']} on {result['sound']}, {result['sound_s']:.2f} s, {result['bins']:,} bins",
        title_justify="left",
        title_style="bold",
        caption=f"{machine['cpu_model']}, torch {machine['torch']}, {machine['torch_threads']} threads",
        caption_justify="left",
    )
    table.add_column("")
    table.add_column("guarantee", no_wrap=True)
    table.add_column("what is promised")
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("bound", justify="right", no_wrap=True)
    for guarantee in result["guarantees"]:
        table.add_row(
            marks[guarantee["passed"]],
            guarantee["id"],
            guarantee["promise"],
            _number(guarantee["measured"]),
            _number(guarantee["bound"]),
        )
    console.print(table)
    for blocks, sha256 in result["blocks_sha256"].items():
        console.print(Text(f"SHA-256 of the rates, blocks of {blocks:>6}  {sha256}"), soft_wrap=True)
    console.print("Measured is relative to the peak, but for G0: results that differ from the first.", style="dim")


def _number(value: float | None) -> str:
    return "NaN" if value is None else "0" if value == 0 else f"{value:.1e}"
