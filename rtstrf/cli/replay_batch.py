"""`rtstrf replay FOLDER`: many sounds side by side, for their rates and not their latency."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

DEFAULT_LANES = 16


def is_batch(args: argparse.Namespace) -> bool:
    """Tell whether sounds are to be heard side by side: a folder is named, or lanes."""
    return args.lanes is not None or any(Path(sound).is_dir() for sound in args.sounds)


def run(args: argparse.Namespace) -> int:
    import torch

    from rtstrf.checkpoints.load import load_model
    from rtstrf.cli.replay import MODEL, progress
    from rtstrf.errors import ConfigError
    from rtstrf.replay.batch import replay_batch
    from rtstrf.replay.rates_file import out_paths, write_rates
    from rtstrf.replay.staging import StagedFiles
    from rtstrf.runner import usable_device
    from rtstrf.sound.file import FileSource
    from rtstrf.spikes import SpikeGenerator

    # All that can be wrong is found before the first sound is played.
    sounds = every_sound(args.sounds)
    for option, given in (("--pace real", args.pace == "real"), ("--block", args.block), ("--report", args.report)):
        if given:
            raise ConfigError(
                f"{option} is of one sound after another, and these are heard side by side",
                remedy="name sound files, without --lanes",
            )
    lanes = DEFAULT_LANES if args.lanes is None else args.lanes
    if lanes < 1:
        raise ConfigError(f"{lanes} lanes", remedy="give 1 or more")
    if not math.isfinite(args.full_scale_db_spl):
        raise ConfigError(f"a full scale of {args.full_scale_db_spl} dB SPL", remedy="give a number, such as 94")
    device = usable_device(args.device or "cpu")
    loaded = load_model(args.model or MODEL)
    sources = [FileSource(sound, channel=args.channel, full_scale_db_spl=args.full_scale_db_spl) for sound in sounds]
    outs = out_paths(args.out, sounds) if args.out is not None else []
    spikes = None
    if args.spikes is not None:
        if not outs:
            raise ConfigError("--spikes without --out", remedy="add --out FOLDER, where the spikes go")
        clock = {"hop_samples": loaded.sidecar.hop_samples, "sample_rate_hz": loaded.sidecar.sample_rate_hz}
        spikes = SpikeGenerator(loaded.model.out_neurons, **clock, seed=args.spikes, refractory_ms=args.refractory_ms)
    torch.set_num_threads(args.threads or 1)

    sound_s = sum((source.info.total_samples or 0) / source.info.rate_hz for source in sources)
    bin_s = loaded.sidecar.hop_samples / loaded.sidecar.sample_rate_hz
    began_s = time.monotonic()
    name = f"{len(sounds)} sound{'s' if len(sounds) > 1 else ''} side by side"
    with StagedFiles(outs) as staged:
        with progress(name, round(sound_s / bin_s), round(1 / bin_s), "fast") as advance:
            replays = replay_batch(
                sources,
                loaded,
                lanes=lanes,
                device=str(device),
                backend=args.backend or "auto",
                on_progress=advance,
            )
        wall_s = time.monotonic() - began_s
        for path, replayed in zip(outs, replays, strict=False):
            with staged.open(path) as file:
                write_rates(file, replayed, loaded, spikes)
    for replayed in replays:
        print(f"{replayed.source.name}: {replayed.sound_s:.3f} s, {replayed.bins:,} bins, {replayed.rates_sha256}")
    print(
        f"{name} in {min(lanes, len(sounds))} lanes: {sound_s:.1f} s of sound in {wall_s:.2f} s, "
        f"{sound_s / wall_s:.1f} x real time; rates are those of each sound alone within 1e-5 of their peak"
    )
    for path in outs:
        print(f"wrote {path}")
    return 0


def every_sound(named: list[str]) -> list[str]:
    """Return the sounds that were named, those of each folder in its place; ConfigError for a folder without any."""
    from rtstrf.errors import ConfigError
    from rtstrf.replay.batch import sounds_in

    found: list[str] = []
    for name in named:
        folder = Path(name)
        if not folder.is_dir():
            found.append(name)
            continue
        inside = sounds_in(entry.name for entry in folder.iterdir() if entry.is_file())
        if not inside:
            raise ConfigError(
                f"there is no sound in the folder {name}", remedy="name the files, if their suffix is unusual"
            )
        found += [str(folder / each) for each in inside]
    return found
