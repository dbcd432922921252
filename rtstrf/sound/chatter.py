"""What ALSA and PortAudio print by themselves when a device goes away: kept from the user, who is told in words."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 1.0
OF_LIBRARIES = (b"ALSA lib ", b"Expression '", b"PaHost", b"Cannot connect to server", b"jack server")


@contextmanager
def without_chatter() -> Iterator[None]:
    """Leave out of the standard error what the sound libraries of the system print there; of the whole process.

    Python's own messages go where they went before; lines of other libraries are passed on.

    Examples
    --------
    >>> with without_chatter():
    ...     _ = os.write(2, b"ALSA lib pcm.c: no such device\\n")
    """
    kept = os.dup(2)
    incoming, outgoing = os.pipe()
    os.dup2(outgoing, 2)
    os.close(outgoing)
    reader = threading.Thread(target=_pass_on, args=(incoming, kept), name="rtstrf-chatter", daemon=True)
    reader.start()
    try:
        with _python_writes_to(kept):
            yield
    finally:
        os.dup2(kept, 2)  # the pipe has no writer any more and ends, unless a program was started that goes on
        reader.join(PATIENCE_S)
        if not reader.is_alive():
            os.close(incoming)
            os.close(kept)


@contextmanager
def _python_writes_to(descriptor: int) -> Iterator[None]:
    """Let Python's standard error go there without a detour, where it is that of the process: it may be a terminal."""
    before = sys.stderr
    try:
        is_of_process = before.fileno() == 2
    except (AttributeError, OSError):
        is_of_process = False
    if not is_of_process:
        yield
        return
    before.flush()
    with open(
        descriptor, "w", buffering=1, encoding=before.encoding, errors="backslashreplace", closefd=False
    ) as direct:
        sys.stderr = direct
        try:
            yield
        finally:
            sys.stderr = before


def _pass_on(incoming: int, kept: int) -> None:
    rest = b""
    skipped = False
    while data := os.read(incoming, 65536):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            chatter = line.startswith(OF_LIBRARIES)
            if not chatter and not (skipped and not line.strip()):  # their lines end in an empty one
                os.write(kept, line + b"\n")
            skipped = chatter
    if rest and not rest.startswith(OF_LIBRARIES):
        os.write(kept, rest)
