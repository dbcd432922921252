"""`rtstrf models`: what can be simulated without a checkpoint of one's own."""

from __future__ import annotations

import argparse
import dataclasses
import json

HELP = "List the fitted models that come with the package, or show one."
EXAMPLE = """\
  rtstrf models
  rtstrf models statenet-gru-ns1 --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="a bundled model or the folder of a checkpoint, to see its units")
    parser.add_argument("--json", action="store_true", help="as data")


def run(args: argparse.Namespace) -> int:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    from rtstrf.checkpoints.load import bundled_models, load_model
    from rtstrf.pipeline import Pipeline

    names = [args.model] if args.model else bundled_models()
    rows = []
    for name in names:
        loaded = load_model(name)
        scores = [unit.cc_norm for unit in loaded.sidecar.units if unit.cc_norm is not None]
        rows.append(
            {
                **dataclasses.asdict(loaded.sidecar),
                "model_class": type(loaded.model).__name__,
                "weights_sha256": loaded.weights_sha256,
                "parameters": sum(p.numel() for p in loaded.model.parameters()),
                "state_bytes": Pipeline(loaded).runner.state_bytes if loaded.model.front_end is not None else None,
                "mean_cc_norm": sum(scores) / len(scores) if scores else None,
            }
        )
    if args.json:
        print(json.dumps(rows if args.model is None else rows[0], indent=1))
        return 0
    console = Console()
    # Narrow enough for a terminal of 80 columns.
    columns = (Column("model", no_wrap=True), "class", "front-end", "units", "parameters", "state", "cc_norm")
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for row in rows:
        stages = [slot["kind"] for slot in (row["wav2spec"], row["prefiltering"]) if slot]
        table.add_row(
            escape(row["name"]),
            row["model_class"],
            escape(" + ".join(stages)) or "none",
            str(len(row["units"])),
            f"{row['parameters']:,}",
            f"{row['state_bytes']:,} B" if row["state_bytes"] else "-",
            f"{row['mean_cc_norm']:.3f}" if row["mean_cc_norm"] is not None else "-",
        )
    console.print(table)
    if args.model:
        units = Table("unit", "id", "depth (um)", "best frequency (Hz)", "cc_norm")
        for index, unit in enumerate(rows[0]["units"]):
            figures = (unit["depth_um"], unit["best_frequency_hz"], unit["cc_norm"])
            shown = [
                f"{f:{spec}}" if f is not None else "-" for f, spec in zip(figures, (".0f", ".0f", ".3f"), strict=True)
            ]
            units.add_row(str(index), escape(unit["id"]), *shown)
        console.print(units)
        for line in rows[0]["citation"]:
            console.print(f"cite: {line}", markup=False, soft_wrap=True)
    return 0
