"""`rtstrf view`: the display, a client like any other."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

HELP = "Show a stream: level, spectrogram, ON and OFF, the population and single units, on one time axis."
EXAMPLE = """\
  rtstrf view
  rtstrf view tcp://127.0.0.1:6590 --seconds 20 --order depth
  rtstrf view --terminal"""

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5590"
ORDERS = ("auto", "depth", "frequency", "model")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("endpoint", nargs="?", default=DEFAULT_ENDPOINT, help=f"data endpoint ({DEFAULT_ENDPOINT})")
    parser.add_argument("--control", help="control endpoint; by default the greeting names it")
    parser.add_argument("--keys", metavar="FILE", help="this client's key, where the server wants one (rtstrf keys)")
    parser.add_argument("--stream", help="which stream of the server; by default the first that is heard")
    parser.add_argument("--seconds", type=float, default=10.0, help="how much time is in view (10)")
    parser.add_argument("--order", default="auto", choices=ORDERS, help="order of the units (auto)")
    parser.add_argument("--terminal", action="store_true", help="show it in the terminal instead of a window")
    parser.add_argument("--screenshot", metavar="PNG", help="save the picture here at the end")
    parser.add_argument("--exit-at-end", action="store_true", help="close when the stream ends")
    parser.add_argument(
        "--with-parent", action="store_true", help="close when standard input ends: when whoever opened it is gone"
    )


def run(args: argparse.Namespace) -> int:
    from rtstrf.display.feed import connect
    from rtstrf.errors import ConfigError

    if not 0.5 <= args.seconds <= 60:
        raise ConfigError(f"{args.seconds:g} seconds in view", remedy="choose 0.5 to 60")
    if args.with_parent:
        threading.Thread(target=end_with_parent, name="rtstrf-parent", daemon=True).start()
    options = {
        "control": args.control,
        "seconds": args.seconds,
        "exit_when_last": args.exit_at_end,
        "unit_order": args.order,
        "client": lambda: connect(args.endpoint, args.control, args.keys, args.stream),
    }
    if not args.terminal:
        from rtstrf.display.app import run as run_window

        return run_window(args.endpoint, screenshot=args.screenshot, **options)
    from rtstrf.display.poster import save_picture
    from rtstrf.display.terminal import run as run_terminal

    history = run_terminal(args.endpoint, **options)
    if args.screenshot:
        save_picture(args.screenshot, history, seconds=args.seconds, unit_order=args.order)
    return 0


def end_with_parent() -> None:
    """Wait for the end of standard input, then do as Ctrl-C does: however a program dies, its pipes are closed."""
    # Not through sys.stdin: its lock, held by this thread in a read that never ends, would stop Python's own end.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    signal.raise_signal(signal.SIGINT)
