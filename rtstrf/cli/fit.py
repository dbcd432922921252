"""`rtstrf fit`: fit a model to recordings, through the front-end it will be served with."""

from __future__ import annotations

import argparse

HELP = "Fit a model to recordings; progress is saved each epoch, so Ctrl-C loses nothing: run it again to go on."
EXAMPLE = """\
  rtstrf fit configs/fit/statenet_gru_ns1.yaml --data ~/ns1
  rtstrf fit configs/fit/statenet_gru_ns1.yaml --data ~/ns1 --download --out ~/my-model"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="a YAML file such as those in configs/fit/")
    parser.add_argument("--data", required=True, help="folder of the recordings, in the layout of their release")
    parser.add_argument("--out", help="folder for progress and result (default: runs/<name of the model>)")
    parser.add_argument("--download", action="store_true", help="fetch the recordings to --data where they are missing")
    parser.add_argument("--restart", action="store_true", help="begin anew instead of going on where a run stopped")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a key of the config"
    )


def run(args: argparse.Namespace) -> int:
    from rtstrf.fit.command import run_fit

    return run_fit(
        args.config,
        args.data,
        args.out,
        download=args.download,
        resume=not args.restart,
        overrides=args.overrides,
    )
