"""`rtstrf compile`: make the native code of a model's step, once for this machine."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtstrf.stream import StreamModule

HOPS = 1000  # timed, to say what it was good for

HELP = "Compile a model's step for this processor, once: a hop then costs a third to a fifth of what it did."
EXAMPLE = """\
  rtstrf compile statenet-gru-ns1
  rtstrf compile lab/checkpoint --lanes 32 --long
  rtstrf compile statenet-gru-ns1 --threads 2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a bundled model by name, the folder of a checkpoint, or OWNER/NAME on the hub")
    parser.add_argument("--lanes", type=int, default=1, help="streams that are heard side by side (default 1)")
    parser.add_argument("--long", action="store_true", help="also a step of many hops, for replays and benchmarks")
    parser.add_argument("--threads", type=int, default=1, help="threads of one step (default 1)")


def run(args: argparse.Namespace) -> int:
    from statistics import median

    from rich.console import Console

    from rtstrf.checkpoints.load import load_model
    from rtstrf.errors import ConfigError
    from rtstrf.pipeline import SoundToRates

    for name in ("lanes", "threads"):
        if getattr(args, name) < 1:
            raise ConfigError(f"--{name} {getattr(args, name)}", remedy="at least 1")
    loaded = load_model(args.model)
    console = Console(stderr=True, highlight=False)
    # The display's ON and OFF channels beside a model that has none of its own are computed in the same step.
    ways = [SoundToRates(loaded.model, loaded.sidecar.hz_per_response, show_onoff=show) for show in (True, False)]
    if ways[0].beside is None:
        ways.pop()
    for number, module in enumerate(ways, start=1):
        what = f"{loaded.sidecar.name}, {'for a display' if module.beside is not None else 'rates alone'}"
        with console.status(f"compiling {what} ({number} of {len(ways)}): about half a minute"):
            before, after = (_hop_us(module, backend, args) for backend in ("traced", "compiled"))
        console.print(f"{what}: a hop takes {median(after):.0f} us compiled, {median(before):.0f} us without")
    return 0


def _hop_us(module: StreamModule, backend: str, args: argparse.Namespace) -> list[float]:
    """Return what hops took, in microseconds, back to back."""
    import torch

    from rtstrf.runner import StepRunner

    torch.set_num_threads(args.threads)
    runner = StepRunner(module, args.lanes, backend=backend, threads=args.threads, long_steps=args.long)
    x = 0.01 * torch.randn(module.input_shape(args.lanes, 1))
    runner.warm_up(times=20)
    took = []
    for _ in range(HOPS):
        began = time.perf_counter_ns()
        runner.step(x)
        took.append((time.perf_counter_ns() - began) / 1e3)
    return took
