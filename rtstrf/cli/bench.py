"""`rtstrf bench`: what a step, many streams, a replay and the wire cost on this machine, and deepSTRF beside them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtstrf.bench.conditions import Conditions
    from rtstrf.bench.telling import Telling

HELP = "Measure what it costs on this machine: steps, streams, replay, the wire, and deepSTRF beside them."
EXAMPLE = """\
  rtstrf bench step --quick
  rtstrf bench step --model my-model --out benchmarks/results/my-machine.json"""

BACKENDS = ("auto", "eager", "traced", "compiled", "cuda-graph")
STREAMS_MODEL = "mel-adaptrans-statenet-gru"


@dataclass(frozen=True, slots=True)
class Measure:
    """A subcommand: what it measures, an example, and what it takes beside the options of all."""

    help: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    rows: Callable[[argparse.Namespace, Conditions, Telling], list[dict[str, Any]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    subcommands = parser.add_subparsers(dest="bench", metavar="WHAT", required=True)
    for name, measure in measures().items():
        sub = subcommands.add_parser(
            name,
            help=measure.help,
            description=measure.help,
            epilog=f"example:\n{measure.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        measure.add_arguments(sub)
        sub.add_argument("--quick", action="store_true", help="less than a minute; too few hops for p99.9 to last")
        sub.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")
        sub.add_argument(
            "--out",
            type=Path,
            metavar="FILE",
            help="keep the result in FILE, beside those of the other subcommands; a folder takes a file a machine",
        )
        sub.add_argument("--quiet", action="store_true", help="tell nothing of the progress")


def add_models(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--model",
        action="append",
        dest="models",
        metavar="MODEL",
        help=f"a reference system, a bundled model or the folder of a checkpoint; may be repeated (default: {default})",
    )


def add_conditions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="where the model runs: cpu, cuda... (default %(default)s)")
    parser.add_argument("--threads", type=at_least_1, default=1, help="threads of one step (default %(default)s)")
    parser.add_argument(
        "--cores", type=core_list, metavar="N,N", help="cores the thread may run on (default: as the system likes)"
    )
    parser.add_argument(
        "--priority", type=at_least_1, help="real-time priority of the thread, SCHED_FIFO (default: none)"
    )


def at_least_1(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value}: at least 1")
    return value


def core_list(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def conditions_of(args: argparse.Namespace) -> Conditions:
    from rtstrf.bench.conditions import Conditions
    from rtstrf.runner import usable_device

    device = getattr(args, "device", "cpu")
    usable_device(device)
    return Conditions(
        quick=args.quick,
        device=device,
        threads=getattr(args, "threads", 1),
        affinity=getattr(args, "cores", None),
        priority=getattr(args, "priority", None),
    )


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from rtstrf.bench.conditions import measuring
    from rtstrf.bench.results import merge, print_rows
    from rtstrf.bench.telling import Telling

    conditions = conditions_of(args)
    telling = Telling(quiet=args.quiet)
    with measuring(conditions) as machine:
        for sentence in machine["refused"]:
            print(f"rtstrf bench: not granted: {sentence}", file=sys.stderr)
        rows = measures()[args.bench].rows(args, conditions, telling)
    result = {"machine": machine, "rows": rows}
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        console = Console(highlight=False)
        print_rows(console, rows)
        console.print(f"{machine['cpu_model']}, torch {machine['torch']}, {machine['measured_at']}", style="dim")
    if args.out is not None:
        merge(args.out, args.bench, result)
    return 0


# ---- the subcommands ---------------------------------------------------------------------------------------------


def measures() -> dict[str, Measure]:
    """Return the subcommands by name."""
    return {
        "step": Measure(
            "One hop, host to host: back to back, on a schedule, and at the pace of the sound.",
            "  rtstrf bench step --quick --json\n  rtstrf bench step --model statenet-gru-ns1 --backend eager",
            add_step,
            step_rows,
        ),
        "streams": Measure(
            "How many streams one batch runs in real time, each with its rates before its next hop.",
            "  rtstrf bench streams --quick\n  rtstrf bench streams --model mel-adaptrans-dnet --json",
            add_streams,
            streams_rows,
        ),
        "replay": Measure(
            "How fast a recording is answered: in chunks of a second, and hop by hop from file to file.",
            "  rtstrf bench replay --quick\n  rtstrf bench replay --model statenet-gru-ns1 --json",
            add_replay,
            replay_rows,
        ),
        "wire": Measure(
            "How long rates take to other processes over loopback, and how soon a late one is greeted.",
            "  rtstrf bench wire --quick\n  rtstrf bench wire --units 119 --clients 1",
            add_wire,
            wire_rows,
        ),
        "peers": Measure(
            "deepSTRF 0.1.0 beside rtstrf on the same weights: its sliding window and its forward pass.",
            "  rtstrf bench peers --quick\n  rtstrf bench peers --model mel-adaptrans-statenet-gru --json",
            add_peers,
            peers_rows,
        ),
    }


def add_step(parser: argparse.ArgumentParser) -> None:
    add_models(parser, "the reference systems, and without --quick the bundled models")
    add_backends(parser)
    parser.add_argument("--lanes", type=at_least_1, default=1, help="streams in one batch (default %(default)s)")
    add_conditions(parser)


def add_backends(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend",
        action="append",
        dest="backends",
        choices=BACKENDS,
        help="what runs the step; may be repeated (default: eager, and the fastest there is)",
    )


def add_backend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", choices=BACKENDS, help="what runs the step (default: the fastest there is)")


def step_rows(args: argparse.Namespace, conditions: Conditions, telling: Telling) -> list[dict[str, Any]]:
    from rtstrf.bench.models import default_names
    from rtstrf.bench.step import step_rows as rows

    return rows(args.models or default_names(quick=args.quick), args.backends, args.lanes, conditions, telling)


def add_streams(parser: argparse.ArgumentParser) -> None:
    add_models(parser, STREAMS_MODEL)
    add_backends(parser)
    add_conditions(parser)


def streams_rows(args: argparse.Namespace, conditions: Conditions, telling: Telling) -> list[dict[str, Any]]:
    from rtstrf.bench.streams import streams_rows as rows

    return rows(args.models or [STREAMS_MODEL], args.backends, conditions, telling)


def add_replay(parser: argparse.ArgumentParser) -> None:
    add_models(parser, "the reference systems, and without --quick the bundled models")
    add_backend(parser)
    add_conditions(parser)


def replay_rows(args: argparse.Namespace, conditions: Conditions, telling: Telling) -> list[dict[str, Any]]:
    from rtstrf.bench.models import default_names
    from rtstrf.bench.replay import replay_rows as rows

    return rows(args.models or default_names(quick=args.quick), args.backend, conditions, telling)


def add_wire(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--units", type=at_least_1, help="rates of a bin (default: 1024)")
    parser.add_argument("--clients", type=at_least_1, help="processes that receive (default: 8)")


def wire_rows(args: argparse.Namespace, conditions: Conditions, telling: Telling) -> list[dict[str, Any]]:
    from rtstrf.bench.wire import wire_rows as rows

    return rows(conditions, telling, args.units, args.clients)


def add_peers(parser: argparse.ArgumentParser) -> None:
    add_models(parser, "the reference systems")
    add_backend(parser)
    add_conditions(parser)


def peers_rows(args: argparse.Namespace, conditions: Conditions, telling: Telling) -> list[dict[str, Any]]:
    from rtstrf.bench.models import REFERENCES
    from rtstrf.bench.peers import peers_rows as rows

    return rows(args.models or list(REFERENCES), args.backend, conditions, telling)
