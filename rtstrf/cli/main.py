"""The command line: one file a command, loaded when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import io
import keyword
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rtstrf.errors import UserError
from rtstrf.version import __version__

# In the order a newcomer meets them.
COMMANDS = (
    "demo", "live", "view", "listen", "keys", "fake-server", "chaos", "replay", "record", "verify", "compile", "bench",
    "fit", "import", "models", "plugins", "devices", "doctor",
)  # fmt: skip

EXIT_USER_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 where a check failed, 2 for the user's mistakes, 130 for Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a file's name may hold what the terminal cannot show
    args = make_parser().parse_args(argv)
    try:
        with ended_by_sigterm():
            return args.run(args)
    except UserError as error:
        print(f"rtstrf {args.command}: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except BrokenPipeError:
        # The reader of a pipe has left (`rtstrf listen | head`): no mistake, and nothing more to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does, so that nothing half-written is left behind."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def module_of(command: str) -> str:
    """Return the dotted name of a command's module; a word of Python's own has an underscore behind it."""
    name = command.replace("-", "_")
    return f"rtstrf.cli.{name}_" if keyword.iskeyword(name) else f"rtstrf.cli.{name}"


def make_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands; no heavy library is imported for it."""
    parser = argparse.ArgumentParser(
        prog="rtstrf",
        description="Real-time streaming simulator of auditory neural responses.",
        epilog="Start with: rtstrf demo",
    )
    parser.add_argument("--version", action="version", version=f"rtstrf {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(module_of(name))
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            epilog=f"example:\n{module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
