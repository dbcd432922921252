"""`rtstrf live`: hear a sound and publish rates until it ends or Ctrl-C."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtstrf.config.live import LiveConfig

HELP = "Hear a sound as it comes and publish the predicted firing rates until it ends or Ctrl-C."
EXAMPLE = """\
  rtstrf live --source microphone --view
  rtstrf live configs/rig.yaml --set source.device=UMIK --record booth/
  rtstrf live --source file --set source.path=birds.wav --set wire.data=tcp://127.0.0.1:6590"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", nargs="?", help="a YAML file such as those in configs/; all keys have defaults")
    parser.add_argument(
        "--source", help="microphone (default), file, tone, sweep, noise, clicks, scene, silence or stdin"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="override a key of the configuration; may be repeated (docs/configuration.md lists them)",
    )  # fmt: skip
    parser.add_argument(
        "--insecure-lan", action="store_true", help="allow endpoints that other machines can reach, open to anybody"
    )
    parser.add_argument(
        "--record", metavar="FOLDER", help="record the session into a folder of its own in there (docs/recording.md)"
    )
    parser.add_argument("--view", action="store_true", help="open the display with it")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(args: argparse.Namespace) -> int:
    from rtstrf.cli.session import live_config
    from rtstrf.sound.chatter import without_chatter

    overrides = [*args.overrides, *(["wire.insecure_lan=true"] if args.insecure_lan else [])]
    if args.record is not None:
        overrides.append(f"record.folder={json.dumps(args.record)}")
    config = live_config(args.config, args.source, overrides)
    with without_chatter():  # of a sound card that goes away while it is listened to
        return run_session(args, config)


def run_session(args: argparse.Namespace, config: LiveConfig) -> int:
    """Run a session until it ends."""
    from rtstrf.cli.session import key_of_view, print_summary, view_command
    from rtstrf.engine.engine import Engine
    from rtstrf.engine.process import on_signals, real_time_process

    engine = Engine(config)
    display = None
    with (
        real_time_process(config.engine.threads) as settle,
        on_signals(engine.request_stop),
        ExitStack() as view_key,
    ):
        try:
            engine.start()
            settle()
            if args.view:
                key = view_key.enter_context(key_of_view(engine.server))
                command = view_command(engine.server.data_endpoint, engine.server.control_endpoint, *key)
                display = subprocess.Popen(command, stdin=subprocess.PIPE)
            if not args.quiet:
                print(
                    f"{engine.loaded.sidecar.name} hears {engine.source_name}; rates on "
                    f"{engine.server.data_endpoint}, control on {engine.server.control_endpoint}; Ctrl-C ends it",
                    file=sys.stderr,
                    flush=True,
                )
            engine.wait()
        finally:
            engine.stop()
            if display is not None:
                display.terminate()
                display.wait()
    for recorder in engine.recordings.made:
        if recorder.failure is not None:
            print(recorder.failure, file=sys.stderr)
        elif not args.quiet:
            print(f"recorded in {recorder.folder}", file=sys.stderr)
    if not args.quiet:
        for name in engine.streams:
            print_summary(engine.status(name), sys.stderr, name if len(engine.streams) > 1 else None)
    return 0
