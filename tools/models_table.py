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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtstrf.checkpoints.build import MODEL_CLASSES
from rtstrf.checkpoints.load import bundled_models, load_model
from rtstrf.machine import machine_facts
from rtstrf.models.statenet import CELLS
from rtstrf.pipeline import SoundToRates
from rtstrf.prefilter.make import PREFILTERS, make_prefiltering
from rtstrf.runner import StepRunner
from rtstrf.sound.scene import ACTS, SceneSource
from rtstrf.spectrogram.make import FRONT_ENDS, make_wav2spec
from rtstrf.spectrogram.mel import MelSpectrogram
from rtstrf.stream import StreamModule
from rtstrf.verify import measure

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "docs" / "zoo.md", ROOT / "README.md")
BEGIN = "<!-- begin: python tools/models_table.py --write -->"
END = "<!-- end -->"

RATE_HZ, BIN_MS, BANDS, UNITS = 48000, 5.0, 34, 119
WINDOW_FRAMES = 100  # of the Transformer, which has no default that can stream
FEWEST_HOPS, HOPS_S = 50, 2.0  # the cost of slow systems is measured on fewer hops


def first_names(table: Mapping[str, Any]) -> list[str]:
    """Return the names of a table without those that are second names of something.

    Examples
    --------
    >>> first_names({"adaptrans": 1, "icadaptation": 2, "willmore": 2})
    ['adaptrans', 'icadaptation']
    """
    names, values = list(table), list(table.values())
    return [name for index, name in enumerate(names) if values.index(values[index]) == index]


# Options that make a row of their own, by what is added to the name.
Variants = dict[str, dict[str, dict[str, Any]]]
EAR_VARIANTS: Variants = {
    "gammatone": {" with PCEN": {"compression": "pcen"}},
    "sincnet": {" with envelope": {"envelope": True}},
}
CORE_VARIANTS: Variants = {
    "StateNet": {f", {cell}": {"rnn_type": cell} for cell in first_names(CELLS)},
    "Transformer": {f", window of {WINDOW_FRAMES} frames": {"context_window": WINDOW_FRAMES}},
}

HEADINGS = (
    "| system | stage | state (bytes) | delay (ms) | chunking error, float32 | float64 | one hop, p50 (µs) |",
    "|---|---|---:|---:|---:|---:|---:|",
)


@dataclass(frozen=True, slots=True)
class System:
    """Something that streams.

    Attributes
    ----------
    name : str
    kind : str
        What it stands for in a model, as the table says it.
    make : callable
        Builds it.
    """

    name: str
    kind: str
    make: Callable[[], StreamModule]


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


def systems() -> list[System]:
    """Return everything that the package can stream, at the sizes of the table."""
    found = []
    for kind in first_names(FRONT_ENDS):
        for suffix, options in {"": {}, **EAR_VARIANTS.get(kind, {})}.items():
            found.append(System(kind + suffix, "front-end", partial(ear, kind, **options)))
    found += [
        System(kind, "prefilter", partial(make_prefiltering, kind, bands=BANDS, dt_ms=BIN_MS))
        for kind in first_names(PREFILTERS)
    ]
    for name in MODEL_CLASSES:
        if name == "ICNet":
            make = partial(MODEL_CLASSES[name], RATE_HZ, UNITS, dt_ms=BIN_MS)
            found.append(System(name, "model with front-end", make))
            continue
        for suffix, options in CORE_VARIANTS.get(name, {"": {}}).items():
            found.append(System(name + suffix, "model", partial(MODEL_CLASSES[name], BANDS, UNITS, **options)))
    shipped = [System(f"`{name}`", "fitted, sound to rates", partial(fitted, name)) for name in bundled_models()]
    return found + shipped


def ear(kind: str, **options: Any) -> StreamModule:
    """Return a front-end of the table's bands."""
    count = {"n_mels" if kind == "mel" else "n_filters": BANDS}
    return make_wav2spec(kind, rate_hz=RATE_HZ, bin_ms=BIN_MS, **count, **options)


def fitted(name: str) -> StreamModule:
    """Return a bundled model's whole way from sound to rates."""
    loaded = load_model(name)
    return SoundToRates(loaded.model, loaded.sidecar.hz_per_response)


def scene_pa(seconds: float) -> Tensor:
    """Return the voice of the built-in scene and the silence before it, (1, 1, samples), pascals, whole hops."""
    hop = round(RATE_HZ * BIN_MS / 1000)
    with SceneSource() as scene:
        begin = round((next(start_s for start_s, act in ACTS if act == "voice") - 0.2) * RATE_HZ)
        samples = scene.pressure_pa(begin + np.arange(round(seconds * RATE_HZ) // hop * hop))
    return torch.as_tensor(samples, dtype=torch.float32).reshape(1, 1, -1)


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
