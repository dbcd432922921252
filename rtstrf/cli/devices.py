"""`rtstrf devices`: the microphones there are."""

from __future__ import annotations

import argparse
import dataclasses
import json

HELP = "List the sound input devices."
EXAMPLE = """\
  rtstrf devices
  rtstrf devices --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as data")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from rtstrf.sound.devices import list_devices

    devices = list_devices()
    if args.json:
        print(json.dumps([dataclasses.asdict(device) for device in devices], indent=1))
        return 0
    table = Table("index", "name", "host API", "channels", "default rate", "default")
    for device in devices:
        table.add_row(
            str(device.index),
            device.name,
            device.host_api,
            str(device.channels),
            f"{device.default_rate_hz} Hz",
            "yes" if device.is_default else "",
        )
    Console().print(table)
    return 0
