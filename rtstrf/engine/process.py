"""Settings of the whole process that a live session wants; made by a command, never by an import."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

# Python hands its lock from a busy thread to a waiting one only this often; its default of 5 ms is a whole hop.
SWITCH_INTERVAL_S = 0.0002


@contextmanager
def real_time_process(threads: int) -> Iterator[Callable[[], None]]:
    """Set torch's threads, Python's switch interval and the garbage collector for steady steps; undone at the end.

    Yields
    ------
    settle : callable
        To be called once all is warm: what is loaded by then lives as long as the session, and no collection need look
        at it again.
    """
    before = torch.get_num_threads(), sys.getswitchinterval()
    torch.set_num_threads(threads)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield _settle
    finally:
        gc.unfreeze()
        torch.set_num_threads(before[0])
        sys.setswitchinterval(before[1])


def _settle() -> None:
    gc.collect()
    gc.freeze()


@contextmanager
def on_signals(callback: Callable[[], None]) -> Iterator[None]:
    """Call back on Ctrl-C and SIGTERM, once; the second one is as abrupt as ever."""
    names = (signal.SIGINT, signal.SIGTERM)
    before = {name: signal.getsignal(name) for name in names}

    def handle(number: int, frame: object) -> None:
        for name in names:
            signal.signal(name, before[name])
        callback()

    for name in names:
        signal.signal(name, handle)
    try:
        yield
    finally:
        for name in names:
            signal.signal(name, before[name])
