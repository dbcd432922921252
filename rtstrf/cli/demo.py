"""`rtstrf demo`: the first five minutes. Nothing needed: no microphone, no screen, no GPU, no configuration."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rtstrf.errors import ConfigError

HELP = "Play a built-in scene of 20 s to a fitted population of auditory cortex and show it; saves the picture."
EXAMPLE = """\
  rtstrf demo
  rtstrf demo --picture here.png --stay"""

DISPLAY_WAIT_S = 8.0  # for a window that opens slowly; without one the scene plays all the same
PICTURE_WAIT_S = 60.0
DEFAULT_PORTS = (5590, 5591)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="statenet-gru-ns1", help="a bundled model or the folder of a checkpoint")
    parser.add_argument("--picture", default="demo.png", metavar="PNG", help="where to save the picture (demo.png)")
    parser.add_argument("--terminal", action="store_true", help="show it in the terminal even where there is a screen")
    parser.add_argument("--stay", action="store_true", help="keep the window open after the scene")


def run(args: argparse.Namespace) -> int:
    began = time.monotonic()
    check_picture(Path(args.picture))
    data, control = (f"tcp://127.0.0.1:{port}" for port in choose_ports())
    # The display is another process and starts while torch is still loading here.
    display = start_display(args, data, control)
    try:
        status, first_rates_s = play(args.model, data, control, display, began)
        if args.stay:
            print("the scene is over; close the window to end", file=sys.stderr)
        code = display.wait(None if args.stay else PICTURE_WAIT_S)
    except subprocess.TimeoutExpired:
        print(f"the display did not end within {PICTURE_WAIT_S:g} s of the scene; it is closed now", file=sys.stderr)
        code = 1
    finally:
        if display.poll() is None:
            display.terminate()
            display.wait()
    from rtstrf.cli.session import print_summary

    print(f"first rates {first_rates_s:.1f} s after the command", file=sys.stderr)
    print_summary(status, sys.stderr)
    if code == 0:
        print(f"the picture is in {args.picture}; next: rtstrf live --source microphone --view", file=sys.stderr)
    return code


def check_picture(path: Path) -> None:
    """Refuse, before the scene is played, a place where the picture could not be saved."""
    folder = path.resolve().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or path.is_dir():
        raise ConfigError(
            f"the picture cannot be saved as {path}", remedy="name a file in a folder that exists and may be written to"
        )


def choose_ports() -> tuple[int, int]:
    """Return the default ports, so that other clients find the demo, or free ones where they are taken."""
    if all(is_free(port) for port in DEFAULT_PORTS):
        return DEFAULT_PORTS
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def is_free(port: int) -> bool:
    """Tell whether a port of the loopback interface can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def start_display(args: argparse.Namespace, data: str, control: str) -> subprocess.Popen[bytes]:
    """Open the window, or where there is no screen the view in the terminal, in a process of its own."""
    from rtstrf.cli.session import view_command
    from rtstrf.display.qt import screen_problem

    options = ["--seconds", "10", "--screenshot", str(Path(args.picture).resolve())]
    problem = "asked for" if args.terminal else screen_problem()
    if problem is not None:
        options.append("--terminal")
        if not args.terminal:
            print(f"no window: {problem}; showing the population here instead", file=sys.stderr, flush=True)
    if problem is not None or not args.stay:
        options.append("--exit-at-end")
    return subprocess.Popen(view_command(data, control, *options), stdin=subprocess.PIPE)


def play(
    model: str, data: str, control: str, display: subprocess.Popen[bytes], began: float
) -> tuple[dict[str, Any], float]:
    """Play the scene to the end; return the last status and the seconds from the command to the first rates."""
    from rtstrf.cli.session import live_config
    from rtstrf.engine.engine import Engine
    from rtstrf.engine.process import on_signals, real_time_process

    keys = [f"model={model}", f"wire.data={data}", f"wire.control={control}", "engine.autostart=false"]
    engine = Engine(live_config(None, "scene", keys))
    with real_time_process(engine.config.engine.threads) as settle, on_signals(engine.request_stop):
        try:
            engine.start()
            settle()
            deadline = time.monotonic() + DISPLAY_WAIT_S
            while not engine.server.clients and display.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            engine.begin()
            while not engine.status()["bins"] and not engine.ended:
                time.sleep(0.001)
            first_rates_s = time.monotonic() - began
            engine.wait()
        finally:
            engine.stop()
    return engine.status(), first_rates_s
