"""`rtstrf fake-server`: what a client is tested against, without a model or a sound."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

HELP = "Send known rates with faults at known places, so that a client in any language can be tested."
EXAMPLE = """\
  rtstrf fake-server
  rtstrf fake-server --faults golden,malformed,gap,loss,late,stall,restart --json"""

DEFAULT_DATA = "tcp://127.0.0.1:5590"
DEFAULT_CONTROL = "tcp://127.0.0.1:5591"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default=DEFAULT_DATA, help=f"endpoint of the data ({DEFAULT_DATA})")
    parser.add_argument("--control", default=DEFAULT_CONTROL, help=f"endpoint of control ({DEFAULT_CONTROL})")
    parser.add_argument(
        "--faults",
        default="",
        metavar="LIST",
        help="in the order they shall come, with commas: golden, malformed, gap, loss, late, stall, restart "
        "(docs/protocol.md says what each is); none if left out",
    )
    parser.add_argument("--units", type=int, default=3, help="units of the rates (3)")
    parser.add_argument("--bins", type=int, default=100, help="bins of 5 ms before, between and after the faults (100)")
    parser.add_argument("--wait-s", type=float, help="give up where no client has come after so long (never)")
    parser.add_argument("--json", action="store_true", help="tell as JSON what a client should have counted")


def run(args: argparse.Namespace) -> int:
    from rtstrf.errors import ConfigError, WireError
    from rtstrf.wire.fake import FAULTS, FakeServer
    from rtstrf.wire.security import Security

    faults = [fault.strip() for fault in args.faults.split(",") if fault.strip()]
    for fault in faults:
        if fault not in FAULTS:
            raise ConfigError(f"no fault {fault[:40]!r}", remedy=f"choose from {', '.join(FAULTS)}")
    for name, value, most in (("units", args.units, 65536), ("bins", args.bins, 10_000_000)):
        if not 1 <= value <= most:
            raise ConfigError(f"--{name} {value}", remedy=f"give 1 to {most}")
    for endpoint in (args.data, args.control):
        Security().check_bind(endpoint)
    with FakeServer(args.data, args.control, units=args.units, part_bins=args.bins) as server:
        where = f"data on {server.data_endpoint}, control on {server.control_endpoint}"
        print(f"{where}; waiting for a client to subscribe to rates/", file=sys.stderr, flush=True)
        if not server.wait_for_client(args.wait_s):
            raise WireError(
                f"no client came within {args.wait_s:g} s", remedy=f"have it connect to {server.data_endpoint}"
            )
        server.play(faults)
    if args.json:
        print(json.dumps([dataclasses.asdict(each) for each in server.expected]))
        return 0
    print("a client of rates/ that does everything right has counted:")
    for each in server.expected:
        print(
            f"run {each.run[:8]}: {each.messages} messages of rates, {each.lost} lost, {each.bins_lost} bins missing, "
            f"{each.malformed} malformed; {each.longest_silence_s:g} s of silence, {each.latest_s:g} s late at most"
        )
    return 0
