"""`rtstrf replay RECORDING`: a recorded session again, and how its rates compare with the recorded ones."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtstrf.record.rerun import Rerun

NOT_FOR_RECORDINGS = {
    "block": None,
    "pace": "fast",
    "out": None,
    "report": None,
    "spikes": None,
    "refractory_ms": 2.0,
    "channel": None,
    "full_scale_db_spl": 94.0,
}


def run(args: argparse.Namespace) -> int:
    """Run recordings again; 1 where the rates are farther apart than G1 allows."""
    import torch
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from rtstrf.cli.record import found, progress
    from rtstrf.errors import ConfigError, RecordError
    from rtstrf.record.recording import Recording
    from rtstrf.record.rerun import model_of, rerun
    from rtstrf.runner import usable_device

    given = [name for name, default in NOT_FOR_RECORDINGS.items() if getattr(args, name) != default]
    if given:
        option = given[0].replace("_", "-")
        raise ConfigError(
            f"--{option} is not for recordings, which are run again as they were",
            remedy="rtstrf record export makes a sound of one, to be replayed otherwise",
        )
    if args.device is not None:
        usable_device(args.device)
    console = Console(highlight=False)
    console.width = max(console.width, 100)  # a SHA-256 stays on its line
    within = True
    for folder in found(args.sounds):
        recording = Recording(folder)
        if not recording.streams:
            raise RecordError(
                f"{folder} holds no stream", remedy=f"see what it holds with: rtstrf record check {folder}"
            )
        loaded = model_of(recording, args.model)
        threads = args.threads or recording.manifest.greeting.config.engine.threads
        torch.set_num_threads(threads)
        for stream in recording.streams:
            with progress(f"{folder.name} {stream}") as advance:
                done = rerun(
                    recording,
                    stream,
                    loaded,
                    device=args.device,
                    backend=args.backend,
                    threads=threads,
                    on_progress=advance,
                )
            table = Table.grid(padding=(0, 2))
            table.add_column(no_wrap=True, style="dim")
            table.add_column()
            table.add_row("recording", Text(f"{folder} (stream {stream})"))
            for key, value in rows(done):
                table.add_row(key, Text(value))
            console.print(table)
            style = "bold green" if done.within_g1 else "bold red"
            console.print(Text(verdict(done, recording.manifest.greeting.hop_samples), style=style), soft_wrap=True)
            console.print()
            within &= done.within_g1
    return 0 if within else 1


def rows(done: Rerun) -> Iterator[tuple[str, str]]:
    """Yield what was done."""
    told = [f"{done.bins:,} bins x {done.units:,} units"]
    for count, name in (
        (done.gaps, "gaps"),
        (done.resets, "resets"),
        (done.gain_changes, "changes of gain"),
        (done.chunks, "steps of several bins"),
    ):
        if count:
            told.append(f"{count:,} {name}")
    yield "run again", ", ".join(told)
    if done.not_rerun_bins:
        yield "not run again", f"{done.not_rerun_bins:,} bins: the record does not hold the sound or state before them"
    here = {key: value for key, value in done.rerun_by.items() if done.made_by.get(key) != value}
    made = {key: done.made_by.get(key) for key in here}
    yield "computed by", "the same kind of machine" if not here else f"{_facts(made)}; here {_facts(here)}"
    yield "recorded rates", done.recorded_sha256
    yield "these rates", done.rerun_sha256


def verdict(done: Rerun, hop_samples: int) -> str:
    """Return how the rates compare, in one sentence."""
    if done.identical:
        return f"identical: {done.bins:,} bins x {done.units:,} units, bit for bit"
    if done.at_bin is None:
        return "identical but for the signs of zeros or the bits of what is not a number"
    where = f"at bin {done.at_bin:,} (sample {done.at_bin * hop_samples:,}), unit {done.at_unit}"
    held = "within G1" if done.within_g1 else "over G1"
    size = f"{done.largest_hz:.3g} Hz, {done.relative:.2g} of the peak of {done.peak_hz:.4g} Hz"
    return f"largest difference {size}, {where}: {held} (1e-05 of the peak, at least 1)"


def _facts(facts: dict[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in facts.items())
