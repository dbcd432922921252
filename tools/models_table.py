"""Measure every front-end, prefilter and model on this machine and print them as a table.

    python tools/models_table.py [--write] [--only WORD] [--seconds 1] [--hops 400]

With --write the table takes its place in docs/zoo.md and README.md. For figures that last, run it on an idle machine.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtstrf.bench.systems import BANDS, BIN_MS, RATE_HZ, System, scene_pa, systems
from rtstrf.machine import machine_facts
from rtstrf.runner import StepRunner
from rtstrf.spectrogram.mel import MelSpectrogram
from rtstrf.verify import measure

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "docs" / "zoo.md", ROOT / "README.md")
BEGIN = "<!-- begin: python tools/models_table.py --write -->"
END = "<!-- end -->"

FEWEST_HOPS, HOPS_S = 50, 2.0  # the cost of slow systems is measured on fewer hops

HEADINGS = (
    "| system | stage | state (bytes) | delay (ms) | chunking error, float32 | float64 | one hop, p50 (µs) |",
    "|---|---|---:|---:|---:|---:|---:|",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of a system: bytes, milliseconds, errors of the peak, microseconds."""

    state_bytes: int
    delay_ms: float
    error_float32: float
    error_float64: float
    hop_p50_us: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into docs/zoo.md and README.md")
    parser.add_argument("--only", metavar="WORD", help="only systems whose name holds it")
    parser.add_argument("--seconds", type=float, default=1.0, help="of sound, for the errors")
    parser.add_argument("--hops", type=int, default=400, help="at most, for the cost")
    args = parser.parse_args()
    if args.write and args.only:
        parser.error("--only would leave the other systems out of the pages")
    torch.set_num_threads(1)
    told = machine_line(machine_facts(), datetime.now(timezone.utc), load_average())
    sound = scene_pa(args.seconds)
    rows = []
    for system in systems():
        if args.only is None or args.only.lower() in system.name.lower():
            print(system.name, file=sys.stderr, flush=True)
            rows.append(row(system, measured(system, sound, args.hops)))
    table = "\n".join([*HEADINGS, *rows, "", told])
    print(table)
    if args.write:
        for path in PAGES:
            beside = path.with_suffix(".md.new")
            beside.write_text(spliced(path.read_text(encoding="utf-8"), table), encoding="utf-8")
            os.replace(beside, path)
    return 0


def measured(system: System, sound_pa: Tensor, hops: int) -> Figures:
    """Return the figures of a system, with weights as they are before a fit."""
    torch.manual_seed(0)
    module = system.make().eval().requires_grad_(False)
    x = sound_pa
    if module.input_shape(1, 1)[1:] == (1, BANDS, 1):
        x = measure.whole(MelSpectrogram(RATE_HZ, BIN_MS, n_mels=BANDS), sound_pa)  # (1, 1, F, T)
    errors = [
        measure.chunking_error(copy.deepcopy(module).to(dtype), x.to(dtype), np.random.default_rng(0))
        for dtype in (torch.float32, torch.float64)
    ]
    runner = StepRunner(module)
    return Figures(
        state_bytes=runner.state_bytes,
        delay_ms=sum(delay.wait_ms + delay.group_delay_ms for delay in module.delays()),
        error_float32=errors[0],
        error_float64=errors[1],
        hop_p50_us=1e6 * float(np.median(hop_seconds(runner, x, hops))),
    )


def hop_seconds(runner: StepRunner, x: Tensor, hops: int) -> list[float]:
    """Return the time of each hop of a stream, after a warm-up."""
    runner.warm_up()
    cut = x.split(runner.module.samples_per_frame, dim=-1)
    taken: list[float] = []
    while len(taken) < hops and (len(taken) < FEWEST_HOPS or sum(taken) < HOPS_S):
        hop = cut[len(taken) % len(cut)]
        begin = time.perf_counter()
        runner.step(hop)
        taken.append(time.perf_counter() - begin)
    return taken


def row(system: System, figures: Figures) -> str:
    """Return a line of the table."""
    return (
        f"| {system.name} | {system.kind} | {figures.state_bytes:,} | {figures.delay_ms:.1f} "
        f"| {error(figures.error_float32)} | {error(figures.error_float64)} | {figures.hop_p50_us:,.0f} |"
    )


def error(value: float) -> str:
    """Return an error with one digit, or 0 where the bits are the same."""
    return "0" if value == 0 else f"{value:.0e}"


def machine_line(facts: dict[str, Any], when: datetime, load: float | None) -> str:
    """Return what the figures were measured on, as a sentence."""
    busy = "" if load is None else f", load average {load:.1f} at the start"
    return (
        f"Measured on {when:%Y-%m-%d}: {facts['cpu_model']} ({facts['architecture']}, {facts['cores_usable']} cores "
        f"usable{busy}), {facts['os']}, Python {facts['python']}, torch {facts['torch']}, rtstrf {facts['rtstrf']}."
    )


def load_average() -> float | None:
    """Return the processes that ran in the last minute, on average; None where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def spliced(page: str, table: str) -> str:
    """Return the page with the table between its two markers."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise SystemExit(f"a page lacks its markers\n  -> restore the lines {BEGIN} and {END}")
    return f"{page[: page.index(BEGIN)]}{BEGIN}\n{table}\n{page[page.index(END) :]}"


if __name__ == "__main__":
    sys.exit(main())
