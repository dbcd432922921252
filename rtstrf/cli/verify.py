"""`rtstrf verify`: the guarantees of a model, as measured on this machine, or a golden case of deepSTRF."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstrf.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

HELP = "Measure what is guaranteed of a model: same bits, same numbers, no crosstalk, no future."
EXAMPLE = """  rtstrf verify statenet-gru-ns1
  rtstrf verify my-model/ call.wav --json
  rtstrf verify golden/statenet_s4_lc --json --out y.npz"""
CASE_NAME = "case.json"

EXIT_BROKEN = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="a bundled model, the folder of a checkpoint, or of a golden case (case.json)"
    )
    parser.add_argument("sound", metavar="SOUND", nargs="?", help="a sound file (default: the built-in scene)")
    parser.add_argument("--seconds", type=float, default=5.0, help="sound to measure with (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of random chunks and lanes (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--out", metavar="NPZ", help="of a golden case: write our float32 and float64 outputs here")


def run(args: argparse.Namespace) -> int:
    if (Path(args.model) / CASE_NAME).is_file():
        return run_golden(args)
    if args.out is not None:
        raise ConfigError(
            f"--out {args.out} for {args.model}", remedy=f"only a golden case, with its {CASE_NAME}, has it"
        )
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


def run_golden(args: argparse.Namespace) -> int:
    """Run one golden case, and tell how far each of our outputs is from deepSTRF's."""
    import torch
    from rich.console import Console

    from rtstrf.verify.golden import run_case, save_outputs

    if args.sound is not None:
        raise ConfigError(
            f"a sound, {args.sound}, for the golden case {args.model}", remedy="it brings its own: leave it out"
        )
    torch.set_num_threads(1)
    with Console(stderr=True).status("stepping through the stored input"):
        result, outputs = run_case(args.model, seed=args.seed)
    if args.out is not None:
        save_outputs(args.out, outputs)
    if args.json:
        print(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        print_case(Console(highlight=False), result)
    return 0 if result["passed"] else EXIT_BROKEN


def print_case(console: Console, result: dict[str, Any]) -> None:
    """Print how far each output of a golden case is from deepSTRF's, and how far it may be."""
    from rich.table import Table
    from rich.text import Text

    tick, cross = marks(console)
    table = Table(title=f"{result['case']}, a {result['kind']}", title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column("computed in")
    table.add_column("largest error", justify="right")
    table.add_column("tolerance", justify="right")
    for words in ("float32", "float64"):
        judged = result[words]
        mark = Text("-") if judged["passed"] is None else tick if judged["passed"] else cross
        tolerance = "-" if judged["tolerance"] is None else _number(judged["tolerance"])
        error = "-" if judged["passed"] is None and judged["tolerance"] is None else _number(judged["max_abs_error"])
        table.add_row(mark, words, error, tolerance)
    console.print(table)
    if result["passed"] is not False and result["float64"]["tolerance"] is None:
        console.print("The case stores no output to compare with.", style="dim")


def marks(console: Console) -> tuple[Text, Text]:
    """Return what stands for kept and for broken, in characters the terminal has."""
    from rich.text import Text

    utf = console.encoding.lower().startswith("utf")
    return Text("✓" if utf else "yes", style="bold green"), Text("✗" if utf else "NO", style="bold red")


def print_table(console: Console, result: dict[str, Any]) -> None:
    """Print each guarantee with what was measured, the bound and whether it holds."""
    from rich.table import Table
    from rich.text import Text

    tick, cross = marks(console)
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
            tick if guarantee["passed"] else cross,
            guarantee["id"],
            guarantee["promise"],
            _number(guarantee["measured"]),
            _number(guarantee["bound"]),
        )
    console.print(table)
    for blocks, sha256 in result["blocks_sha256"].items():
        console.print(Text(f"SHA-256 of the rates, blocks of {blocks:>6}  {sha256}"), soft_wrap=True)
    console.print(
        "Measured is relative to the peak, at least 1, but for G0: results that differ from the first.", style="dim"
    )


def _number(value: float | None) -> str:
    return "NaN" if value is None else "0" if value == 0 else f"{value:.1e}"
