"""An hour of sound through each model of the zoo, float32 beside float64: do error and memory stay flat?

    python benchmarks/hour_of_models.py --out benchmarks/results/hour_of_models.json

Each system runs in a process of its own, in both precisions on the same sound: a second at a time, made as it goes, of
which the first bins are stepped one by one, as live, and the rest at once, as offline. Models of spectrograms hear one
mel spectrogram. Sizes are those of docs/zoo.md, but for the systems that filter every sample, which would take hours: 3
bands, kernels of 5 ms in gammatone and LEAF, and a small ICNet. Whether an error grows depends on the recurrence, which
is the same.

Said of each system are the middle of the ten first and of the ten last minutes' largest errors: a single largest error
tells of the loudest glide beside the quietest band, and not of age. Memory has grown where both the least and the
middle of the last ten minutes are above those of the first: what waits in the allocator's pools comes and goes.

With --write the table takes its place in docs/hour.md; --read says it again of figures measured before.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rtstrf.bench.systems import BANDS, BIN_MS, HOP_SAMPLES, RATE_HZ, System, systems
from rtstrf.machine import machine_facts
from rtstrf.models.icnet import ICNet
from rtstrf.runner import StepRunner
from rtstrf.spectrogram.make import make_wav2spec
from rtstrf.stream import StreamModule, leaves

PAGE = Path(__file__).parents[1] / "docs" / "hour.md"
BEGIN, END = "<!-- begin: python benchmarks/hour_of_models.py --write -->", "<!-- end -->"
FRAMES_PER_S = round(1000 / BIN_MS)
STEPPED = 10  # bins of each second that are stepped alone
TEN = 10  # minutes at either end that are compared
EACH_SAMPLE_BANDS = 3
SHORT: dict[str, dict[str, Any]] = {"gammatone": {"kernel_ms": 5.0}, "leaf": {"kernel_ms": 5.0}}
ICNET = {"n_filters": 4, "sincnet_kernel_size": 32, "encoder_channels": 8, "encoder_kernel_size": 16}
GROWN, GROWN_MIB = 1.5, 4.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60, help="of sound (default %(default)s)")
    parser.add_argument("--models", metavar="WORD", nargs="*", help="only systems whose name holds one of the words")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write the figures of every minute here")
    parser.add_argument("--read", type=Path, metavar="JSON", help="run nothing: say it again of an earlier --out")
    parser.add_argument("--seed", type=int, default=0, help="of sound and weights (default %(default)s)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/hour.md")
    args = parser.parse_args()
    chosen = [name for name in lighter() if not args.models or any(w.lower() in name.lower() for w in args.models)]
    if not chosen or args.minutes < 1:
        parser.error(f"nothing to run; systems: {', '.join(lighter())}")
    if args.write and args.models:
        parser.error("--models would leave the other systems out of the page")
    if args.read is not None:
        result = json.loads(args.read.read_text(encoding="utf-8"))
        result["systems"] = [summary(system["name"], system["rows"]) for system in result["systems"]]
    else:
        began = datetime.now(timezone.utc).isoformat(timespec="seconds")
        told = [summary(name, rows) for name, rows in hours(chosen, args.minutes, args.seed)]
        facts = {"machine": machine_facts(), "began_utc": began, "minutes": args.minutes, "seed": args.seed}
        result = {**facts, "systems": told}
    if args.out is not None:
        write(args.out, json.dumps(result) + "\n")
    print(table(result))
    if args.write:
        page = PAGE.read_text(encoding="utf-8")
        if page.count(BEGIN) != 1 or page.count(END) != 1:
            raise SystemExit(f"{PAGE.name} lacks its markers\n  -> restore the lines {BEGIN} and {END}")
        write(PAGE, f"{page[: page.index(BEGIN)]}{BEGIN}\n{table(result)}\n{page[page.index(END) :]}")
    return 0 if all(system["flat"] for system in result["systems"]) else 1


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


# ---- what runs, and on which sound ------------------------------------------------------------------------------


def lighter() -> dict[str, Callable[[], StreamModule]]:
    """Return the systems by name, with fewer bands and channels where every sample is filtered."""
    return {system.name: partial(built, system) for system in systems()}


def built(system: System) -> StreamModule:
    """Build one system at the size it has here."""
    kind, _, variant = system.name.partition(" with ")
    if (system.kind == "front-end" and kind not in ("mel", "sincnet")) or variant == "envelope":
        options: dict[str, Any] = {"compression": "pcen"} if variant == "PCEN" else {}
        options |= {"envelope": True} if variant == "envelope" else {}
        options |= SHORT.get(kind, {})
        return make_wav2spec(kind, rate_hz=RATE_HZ, bin_ms=BIN_MS, n_filters=EACH_SAMPLE_BANDS, **options)
    if system.name == "ICNet":
        return ICNet(RATE_HZ, 119, dt_ms=BIN_MS, **ICNET)
    return system.make()


def second_of_sound(seed: int, second: int) -> np.ndarray:
    """Return one second of changing sound, (samples,), float32 pascals: noise that swells, a glide, or silence."""
    rng = np.random.default_rng([seed, second])
    if rng.random() < 0.1:
        return np.zeros(RATE_HZ, dtype=np.float32)
    t = np.arange(RATE_HZ) / RATE_HZ
    level_pa = 20e-6 * 10 ** (rng.uniform(20, 85) / 20)
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * rng.integers(1, 20) * t)  # 0 at either end: seconds join without a click
    low_hz, high_hz = np.sort(np.exp(rng.uniform(np.log(300), np.log(18000), 2)))
    glide = np.sin(2 * np.pi * (low_hz * t + (high_hz - low_hz) * t**2 / 2))
    noise = rng.standard_normal(RATE_HZ, dtype=np.float32)
    return (level_pa * swell * (rng.random() * noise + rng.random() * glide)).astype(np.float32)


class Pair:
    """One system in float32 and in float64, hearing the same."""

    def __init__(self, module: StreamModule) -> None:
        hears = module.input_shape(1, 1)[1:] != (1, BANDS, 1)
        self.ear = None if hears else StepRunner(make_wav2spec("mel", rate_hz=RATE_HZ, bin_ms=BIN_MS, n_mels=BANDS))
        self.runners = [StepRunner(module, dtype=dtype) for dtype in (torch.float32, torch.float64)]

    def hear(self, sound_pa: np.ndarray) -> Iterator[tuple[float, float]]:
        """Yield the largest difference between the two, and the peak, of each chunk and each output."""
        x = torch.from_numpy(sound_pa).reshape(1, 1, -1)
        per_frame = HOP_SAMPLES
        if self.ear is not None:
            x, per_frame = self.ear.step(x), 1
        for chunk in x.split([per_frame] * STEPPED + [per_frame * (FRAMES_PER_S - STEPPED)], dim=-1):
            single, double = (dict(leaves(runner.step(chunk))) for runner in self.runners)
            for name, reference in double.items():
                yield float((single[name].double() - reference).abs().max()), float(reference.abs().max())


def run_hour(name: str, minutes: int, seed: int, told: Connection) -> None:
    """Run one system, and send a row after each minute: the body of a process."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    pair = Pair(lighter()[name]().eval())
    for minute in range(minutes):
        began, error, peak = time.perf_counter(), 0.0, 0.0
        for second in range(60 * minute, 60 * (minute + 1)):
            for difference, highest in pair.hear(second_of_sound(seed, second)):
                if not difference < np.inf:
                    raise RuntimeError(f"{name}: an error of {difference} in second {second}")
                error, peak = max(error, difference), max(peak, highest)
        gc.collect()  # so that memory is what is held, and not what waits to be freed
        row = {
            "max_abs_error": float(f"{error:.4g}"),
            "peak": float(f"{peak:.4g}"),
            "rss_mib": round(resident_mib(), 2),
        }
        told.send({**row, "took_s": round(time.perf_counter() - began, 2)})
    told.close()


def resident_mib() -> float:
    """Return the memory this process holds now, in MiB (Linux; elsewhere the most it ever held)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def hours(names: list[str], minutes: int, seed: int) -> Iterator[tuple[str, list[dict[str, float]]]]:
    """Yield each system with a row for each of its minutes, telling how far it is."""
    spawn = multiprocessing.get_context("spawn")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        everything = bar.add_task("all systems", total=len(names) * minutes)
        for name in names:
            one = bar.add_task(name, total=minutes)
            ours, theirs = spawn.Pipe(duplex=False)
            process = spawn.Process(target=run_hour, args=(name, minutes, seed, theirs), daemon=True)
            process.start()
            theirs.close()  # so that the end of the process is the end of the pipe
            rows: list[dict[str, float]] = []
            while len(rows) < minutes:
                try:
                    rows.append(ours.recv())
                except EOFError:
                    process.join()
                    raise SystemExit(f"{name} ended after {len(rows)} minutes, exit code {process.exitcode}") from None
                bar.advance(one)
                bar.advance(everything)
            process.join()
            bar.remove_task(one)
            print(f"{name}: {sum(row['took_s'] for row in rows):.0f} s", file=sys.stderr, flush=True)
            yield name, rows


# ---- what is said of it -----------------------------------------------------------------------------------------


def summary(name: str, rows: list[dict[str, float]]) -> dict[str, Any]:
    """Return what the minutes of a system show; errors are relative to the hour's peak, at least 1."""
    ends = min(TEN, max(1, len(rows) // 2))
    peak = max(1.0, max(row["peak"] for row in rows))
    errors, held = np.array([[row["max_abs_error"] / peak, row["rss_mib"]] for row in rows]).T
    first, last = (float(np.median(part)) for part in (errors[:ends], errors[-ends:]))
    grown_mib = min(float(measure(held[-ends:]) - measure(held[:ends])) for measure in (np.min, np.median))
    return {
        "name": name,
        "flat": bool(last <= GROWN * max(first, np.finfo(np.float32).eps) and grown_mib <= GROWN_MIB),
        "minutes_compared": ends,
        "first_error": first,
        "last_error": last,
        "worst_error": float(errors.max()),
        "peak": peak,
        "memory_mib": round(float(np.median(held)), 1),
        "memory_growth_mib": round(grown_mib, 2),
        "rows": rows,
    }


def table(result: dict[str, Any]) -> str:
    """Return the result as a table in Markdown."""
    ends = result["systems"][0]["minutes_compared"]
    lines = [
        f"| system | error, first {ends} min | last {ends} min | worst minute | memory (MiB) | growth (MiB) | flat |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    lines += [
        f"| {s['name']} | {s['first_error']:.1e} | {s['last_error']:.1e} | {s['worst_error']:.1e} "
        f"| {s['memory_mib']:.0f} | {s['memory_growth_mib']:+.1f} | {'yes' if s['flat'] else 'NO'} |"
        for s in result["systems"]
    ]
    facts = result["machine"]
    told = (
        f"{result['minutes']} minutes of sound each, begun {result['began_utc'][:10]}: {facts['cpu_model']} "
        f"({facts['architecture']}), {facts['os']}, Python {facts['python']}, torch {facts['torch']}, "
        f"rtstrf {facts['rtstrf']}."
    )
    return "\n".join([*lines, "", told])


if __name__ == "__main__":
    sys.exit(main())
