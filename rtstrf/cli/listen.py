"""`rtstrf listen`: a stream as text, for people and for programs that read lines."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from typing import Any

from rtstrf.errors import ConfigError, WireError

HELP = "Print what a stream sends: a line a second for people, or every message as a line of JSON."
EXAMPLE = """\
  rtstrf listen
  rtstrf listen tcp://127.0.0.1:6590 --json --topics rates --count 200 > rates.jsonl"""

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5590"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("endpoint", nargs="?", default=DEFAULT_ENDPOINT, help=f"data endpoint ({DEFAULT_ENDPOINT})")
    parser.add_argument("--stream", help="only this stream of the server (all)")
    parser.add_argument("--keys", metavar="FILE", help="this client's key, where the server wants one (rtstrf keys)")
    parser.add_argument(
        "--topics", default="rates", help="kinds of messages, with commas: rates, spectrogram, onoff, level, spikes"
    )
    parser.add_argument("--json", action="store_true", help="one line of JSON a message, arrays included")
    parser.add_argument("--count", type=int, help="stop after so many array messages")
    parser.add_argument("--timeout-s", type=float, help="stop with an error after so much silence")


def run(args: argparse.Namespace) -> int:
    from rtstrf.wire.client import Client
    from rtstrf.wire.message import Flags

    topics = checked_topics(args)
    told = 0
    over = False
    last_heard = time.monotonic()
    with Client(args.endpoint, topics=topics, stream=args.stream, keys=args.keys) as client:
        report = _tell_json if args.json else _Reporter(client)
        while True:
            messages = client.poll(0.2)
            if over and not messages:  # what was on its way when the state became final has come
                return 0
            for message in messages:
                last_heard = time.monotonic()
                report(message)
                over = over or is_final(message)
                if message.array is None:
                    continue
                told += 1
                if Flags.LAST in message.flags or (args.count is not None and told >= args.count):
                    return 0
            if args.timeout_s is not None and time.monotonic() - last_heard > args.timeout_s:
                raise WireError(
                    f"nothing came from {args.endpoint} for {args.timeout_s:g} s",
                    remedy=client.refusal or "start a stream with: rtstrf live, or check the endpoint",
                )


def checked_topics(args: argparse.Namespace) -> tuple[str, ...]:
    """Return the kinds of messages to follow; ConfigError where an option cannot be used."""
    topics = tuple(topic.strip() for topic in args.topics.split(",") if topic.strip())
    if not topics:
        raise ConfigError(f"--topics {args.topics!r} names no kind of message", remedy="give for example: rates,level")
    if args.count is not None and args.count < 1:
        raise ConfigError(f"--count {args.count}", remedy="give 1 or more, or leave it out to listen to the end")
    if args.timeout_s is not None and not 0 < args.timeout_s < math.inf:
        raise ConfigError(f"--timeout-s {args.timeout_s:g}", remedy="give seconds above 0, or leave it out")
    return topics


def is_final(message: Any) -> bool:
    """Tell whether this is the event after which nothing is simulated any more, for whoever follows no rates."""
    header = message.header
    if message.kind != "event" or header.get("name") != "state" or not isinstance(header.get("details"), dict):
        return False
    return header["details"].get("state") == "ended"


def _tell_json(message: Any) -> None:
    line = {"topic": message.topic, **message.header}
    if message.array is not None:
        line["data"] = message.array.tolist()
    print(json.dumps(line), flush=True)


class _Reporter:
    """Tells greetings and events as they come, and the rates once a second."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._due = 0.0
        self._run: str | None = None

    def __call__(self, message: Any) -> None:
        header = message.header
        if message.kind == "hello" and header["run"] != self._run:  # every client that joins is greeted aloud
            self._run = header["run"]
            bins = f"{len(header.get('units', []))} units, bins of {1e3 * header['bin_s']:g} ms"
            print(f"run {header['run'][:8]}: {header.get('model')}, {bins}")
        elif message.kind == "event":
            print(f"event {header.get('name')} {json.dumps(header.get('details', {}))}")
        elif message.kind == "rates" and len(message.array) and time.monotonic() >= self._due:
            self._due = time.monotonic() + 1.0
            strongest = int(message.array[-1].argmax())
            print(
                f"bin {header['i0']:>8}  mean {message.array.mean():6.1f} Hz  strongest unit {strongest:>4} at "
                f"{message.array[-1, strongest]:6.1f} Hz  load {header['load']:.3f}  waiting {header['q']}  "
                f"lost {self._client.bins_lost}"
            )
        sys.stdout.flush()
