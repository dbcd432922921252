"""`rtstrf import`: a deepSTRF checkpoint becomes a model that streams."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "Turn a deepSTRF checkpoint into a model that streams; what its files do not say is asked for, never guessed."
EXAMPLE = """\
  rtstrf import my-checkpoint/ --out my-model/ --hz-per-response 200 --bin-ms 5 --sample-rate 48000 \
--wav2spec defaults --prefilter-taps 651
  rtstrf import spectrogram-model/ --out my-model/ --hz-per-response 1 --bin-ms 5 --sample-rate 48000 \
--wav2spec mel,n_mels=34,compression=log1p --activation softplus --units units.csv
  rtstrf import urancon/deepSTRF-statenet-gru-ns1 --out my-model/ --hz-per-response 200 --bin-ms 5"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        metavar="FOLDER|OWNER/NAME",
        help="what deepSTRF's save_pretrained wrote, or where it is on the Hugging Face Hub (OWNER/NAME@REVISION for "
        "one state of it)",
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the model that streams is written")
    parser.add_argument("--overwrite", action="store_true", help="replace --out if it exists")
    parser.add_argument("--name", help="of the model (default: that of FOLDER, or NAME)")
    parser.add_argument(
        "--hz-per-response",
        type=float,
        metavar="HZ",
        help="firing rate of a response of 1: 1000 / bin_ms if responses are spikes in a bin, 1 if they are hertz",
    )
    parser.add_argument("--sample-rate", type=int, metavar="HZ", help="of the sound (audio_fs)")
    parser.add_argument("--bin-ms", type=float, metavar="MS", help="width of a bin (dt_ms)")
    parser.add_argument(
        "--round-bin",
        action="store_true",
        help="where a bin is no whole number of samples: take the nearest, as deepSTRF did (220 for 5 ms at 44.1 kHz)",
    )
    parser.add_argument(
        "--wav2spec",
        metavar="[KIND,]KEY=VALUE,...",
        help="arguments of the front-end that were not deepSTRF's defaults, or: defaults; "
        "a KIND puts a front-end before a model of spectrograms",
    )
    parser.add_argument(
        "--prefilter-taps", type=int, metavar="K", help="taps of the prefilter; 651 of make_prefiltering from 500 Hz"
    )
    parser.add_argument("--activation", metavar="NAME[,KEY=VALUE]", help="output activation, if it was not the default")
    parser.add_argument("--max-frames", type=int, metavar="N", help="bound for a Transformer's unlimited context")
    parser.add_argument(
        "--deepstrf-positions", action="store_true", help="a Transformer's positions in float32, as deepSTRF has them"
    )
    parser.add_argument(
        "--units",
        type=Path,
        metavar="CSV",
        help="file with a line for each unit, in the order of the outputs: id, and where known depth_um, "
        "best_frequency_hz, cc_norm (default: units are numbered)",
    )


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from rtstrf.checkpoints.importing import Given, import_checkpoint

    given = Given(
        name=args.name,
        hz_per_response=args.hz_per_response,
        sample_rate_hz=args.sample_rate,
        bin_ms=args.bin_ms,
        round_bin=args.round_bin,
        wav2spec=args.wav2spec,
        prefilter_taps=args.prefilter_taps,
        activation=args.activation,
        max_frames=args.max_frames,
        deepstrf_positions=args.deepstrf_positions,
        units=args.units,
    )
    sidecar = import_checkpoint(args.folder, Path(args.out), given, overwrite=args.overwrite)
    console = Console(highlight=False)
    for slot in ("wav2spec", "prefiltering", "kernel", "output_activation"):
        part = getattr(sidecar, slot)
        if part is not None:
            words = ", ".join(f"{key}={value}" for key, value in part.options.items())
            console.print(f"{slot}: {part.kind} ({words})", markup=False, soft_wrap=True)
    console.print(
        f"{args.out}: {len(sidecar.units)} units, bins of {sidecar.bin_ms:.6g} ms", markup=False, soft_wrap=True
    )
    if sidecar.wav2spec is not None or "hop_samples" in sidecar.core:
        console.print(f"next: rtstrf verify {args.out}", markup=False, soft_wrap=True)
    else:
        console.print(
            "It takes spectrograms; import it with --wav2spec KIND to let it hear.", markup=False, soft_wrap=True
        )
    return 0
