"""`rtstrf replay`: sound files through the served path, to rates and to the latency to expect.

Recordings are run again as they were, and compared with what was recorded: `rtstrf.cli.rerun`.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from rtstrf.replay.play import Replayed

HELP = "Play sound files through a model hop by hop and say what latency to expect, or run a recording again."
EXAMPLE = """  rtstrf replay call.wav --out rates.npz
  rtstrf replay call.wav --pace real --block 480 --report latency/
  rtstrf replay a.wav b.flac --block random --out rates/
  rtstrf replay booth/2026-11-25T10-31-02Z"""

MODEL = "statenet-gru-ns1"
PROGRESS_FROM_S = 1.0
REFRESH_S = {"fast": 0.1, "real": 1.0}  # drawing takes a millisecond, which in real time must stay rare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sounds",
        nargs="+",
        metavar="SOUND",
        help="WAV, FLAC, OGG or MP3, each a clip of its own; a folder of them, heard side by side; or the folder of a "
        "recording, or of several",
    )
    parser.add_argument(
        "--lanes", type=int, metavar="N",
        help="hear as many sounds side by side: quicker, and equal within 1e-5 instead of to the bit (folders: 16)",
    )  # fmt: skip
    parser.add_argument(
        "--model",
        help=f"a bundled model or the folder of a checkpoint (default: {MODEL}; of a recording: its own)",
    )
    parser.add_argument(
        "--block", metavar="N", help="samples a driver delivers at a time, or: random (default: one bin)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random block sizes (default %(default)s)")
    parser.add_argument(
        "--pace",
        choices=("fast", "real"),
        default="fast",
        help="as fast as it computes, or in real time with the latency measured (default %(default)s)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="write the rates: FILE.npz, or FILE-<sound>.npz of several sounds; an existing folder takes <sound>.npz",
    )
    parser.add_argument(
        "--spikes", metavar="SEED", type=int, help="write spikes drawn from the rates too, with this seed (needs --out)"
    )
    parser.add_argument(
        "--refractory-ms", type=float, default=2.0, help="of the spikes, absolute (default %(default)s)"
    )
    parser.add_argument("--report", metavar="DIR", type=Path, help="write report.html and report.json there")
    parser.add_argument("--device", help="where the model runs: cpu, cuda... (default: cpu; a recording: as it was)")
    parser.add_argument(
        "--threads",
        type=int,
        help="threads of one step; one hop is too little to share (default: 1; a recording: as it was)",
    )
    parser.add_argument(
        "--backend", choices=("auto", "eager", "traced", "compiled", "cuda-graph"),
        help="how a hop is computed; auto takes what rtstrf compile has made (default: auto; a recording: as it was)",
    )  # fmt: skip
    parser.add_argument("--channel", type=int, help="channel to hear, from 0 (default: the mean of all)")
    parser.add_argument(
        "--full-scale-db-spl",
        type=float,
        default=94.0,
        help="level of a sample of 1.0 (default %(default)s: samples are pascals)",
    )


def run(args: argparse.Namespace) -> int:
    from rtstrf.record.layout import is_recording

    if args.threads is not None and args.threads < 1:
        from rtstrf.errors import ConfigError

        raise ConfigError(f"{args.threads} threads", remedy="give at least 1")
    if any(is_recording(sound) for sound in args.sounds):
        from rtstrf.cli import rerun

        return rerun.run(args)
    from rtstrf.cli import replay_batch

    return replay_batch.run(args) if replay_batch.is_batch(args) else run_sounds(args)


def run_sounds(args: argparse.Namespace) -> int:
    """Play sound files."""
    import torch
    from rich.console import Console

    from rtstrf.checkpoints.load import load_model
    from rtstrf.errors import ConfigError
    from rtstrf.replay.blocks import parse_block
    from rtstrf.replay.page import MOST_HEAT_MAPS
    from rtstrf.replay.play import replay
    from rtstrf.replay.plots import require_matplotlib
    from rtstrf.replay.rates_file import out_paths, write_rates
    from rtstrf.replay.report import make_folder, render_files, report_files
    from rtstrf.replay.staging import StagedFiles
    from rtstrf.runner import usable_device
    from rtstrf.sound.file import FileSource
    from rtstrf.spikes import SpikeGenerator

    # All that can be wrong is found before the first sound is played.
    block = None if args.block is None else parse_block(args.block)
    if not math.isfinite(args.full_scale_db_spl):
        raise ConfigError(f"a full scale of {args.full_scale_db_spl} dB SPL", remedy="give a number, such as 94")
    device = usable_device(args.device or "cpu")
    loaded = load_model(args.model or MODEL)
    sources = [
        FileSource(sound, channel=args.channel, full_scale_db_spl=args.full_scale_db_spl) for sound in args.sounds
    ]
    outs = out_paths(args.out, args.sounds) if args.out is not None else []
    spikes = None
    if args.spikes is not None:
        if not outs:
            raise ConfigError("--spikes without --out", remedy="add --out FILE.npz, where the spikes go")
        clock = {"hop_samples": loaded.sidecar.hop_samples, "sample_rate_hz": loaded.sidecar.sample_rate_hz}
        spikes = SpikeGenerator(loaded.model.out_neurons, **clock, seed=args.spikes, refractory_ms=args.refractory_ms)
    if args.report is not None:
        require_matplotlib()
    torch.set_num_threads(args.threads or 1)
    keep_rates = bool(outs) or args.report is not None

    with ExitStack() as stack:
        if args.report is not None and make_folder(args.report):
            stack.push(lambda kind, *_: args.report.rmdir() if kind is not None else None)
        reports = report_files(args.report) if args.report is not None else []
        staged = stack.enter_context(StagedFiles([*outs, *reports]))
        replays = []
        for number, source in enumerate(sources):
            with progress(source.info.name, source.info.total_samples, source.info.rate_hz, args.pace) as advance:
                replayed = replay(
                    source,
                    loaded,
                    block=block,
                    pace=args.pace,
                    seed=args.seed,
                    device=str(device),
                    backend=args.backend or "auto",
                    keep_rates=keep_rates,
                    on_progress=advance,
                )
            if outs:
                with staged.open(outs[number]) as file:
                    write_rates(file, replayed, loaded, spikes)
            if args.report is None or number >= MOST_HEAT_MAPS:  # no more use for them in memory
                replayed = dataclasses.replace(replayed, rates_hz=None, level_db_spl=None)
            replays.append(replayed)
        if args.report is not None:
            for path, text in zip(reports, render_files(replays, loaded).values(), strict=True):
                with staged.open(path) as file:
                    file.write(text.encode())

    print_table(Console(highlight=False), replays)
    for path in [*outs, *reports[1:]]:
        print(f"wrote {path}")
    return 0


@contextmanager
def progress(name: str, total_samples: int | None, rate_hz: int, pace: str) -> Iterator[Callable[[int], None] | None]:
    """Show how far a sound of more than a second has been heard, where somebody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal or (total_samples is not None and total_samples < PROGRESS_FROM_S * rate_hz):
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    # Without a thread of its own, which would compete with the hops.
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task(name, total=total_samples)
        due_s = 0.0

        def advance(heard_samples: int) -> None:
            nonlocal due_s
            now_s = time.monotonic()
            if now_s >= due_s:
                bar.update(task, completed=heard_samples, refresh=True)
                due_s = now_s + REFRESH_S[pace]

        yield advance


def print_table(console: Console, replays: Sequence[Replayed]) -> None:
    """Print what was measured of each sound, and of all together."""
    from rich.table import Table
    from rich.text import Text

    from rtstrf.replay.figures import verdict

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    for replayed in replays:
        for key, value in sound_rows(replayed):
            table.add_row(key, Text(value))
        for key, value in figure_rows([replayed]):
            table.add_row(key, Text(value))
        table.add_row("", "")
    if len(replays) > 1:
        table.add_row("together", Text(f"{len(replays)} sounds", style="bold"))
        for key, value in figure_rows(replays):
            table.add_row(key, Text(value))
        table.add_row("", "")
    console.width = max(console.width, 100)  # a SHA-256 stays on its line
    console.print(table)
    keeps_up, sentence = verdict(replays)
    console.print(Text(sentence, style="bold green" if keeps_up else "bold red"), soft_wrap=True)


def sound_rows(replayed: Replayed) -> Iterator[tuple[str, str]]:
    """Yield what is to be said of the sound, and of the delay that computing has no part in."""
    source, hop_ms = replayed.source, 1e3 * replayed.bin_s
    resampled = "" if source.rate_hz == replayed.sample_rate_hz else f", resampled to {replayed.sample_rate_hz:,} Hz"
    yield "sound", f"{source.name}: {replayed.sound_s:.3f} s at {source.rate_hz:,} Hz{resampled}"
    tail = f", and {1e3 * replayed.tail_s:.2f} ms that fill none" if replayed.tail_s else ""
    yield "bins", f"{replayed.bins:,} of {hop_ms:g} ms{tail}; blocks: {replayed.block}"
    yield "rates SHA-256", replayed.rates_sha256
    for delay in replayed.delays:
        if delay.wait_ms:
            yield "delay (known)", f"{delay.wait_ms:.2f} ms at most, {delay.stage}"
        if delay.group_delay_ms:
            yield "delay (model)", f"{delay.group_delay_ms:.2f} ms group delay, {delay.stage}"


def figure_rows(replays: Sequence[Replayed]) -> Iterator[tuple[str, str]]:
    """Yield what was measured."""
    from rtstrf.replay.figures import figures

    total = figures(replays)
    yield "computing", f"{_spread(total['computing_ms'])}; {total['times_real_time']:.1f} x real time"
    if total["latency_ms"]:
        yield "latency", f"{_spread(total['latency_ms'])}; from its block's capture to a bin's rates"
    kind = "delivery" if total["delivery_jitter_ms"] else "computing"
    jitter = total[f"{kind}_jitter_ms"]
    if jitter:
        yield "jitter", f"SD {jitter['sd']:.3f}, p99 - p50 {jitter['p99_minus_p50']:.3f} ms, of {kind}"
    missed = f"{total['deadlines_missed_bins']:,} of {total['bins']:,} bins missed {1e3 * replays[0].bin_s:g} ms"
    if total["deadlines_missed_bins"]:
        missed += (
            f": {total['deadlines_missed_in_computing_bins']:,} computed too slowly, "
            f"{total['deadlines_missed_in_delivery_bins']:,} delivered too late"
        )
    yield "deadlines", missed


def _spread(spread_ms: dict[str, float]) -> str:
    named = {"p50": "p50", "p99": "p99", "p99_9": "p99.9", "max": "max"}
    return ", ".join(f"{label} {spread_ms[key]:.3f}" for key, label in named.items()) + " ms"
