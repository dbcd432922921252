"""A thread that keeps its deadline: what it asks of the system, and what the system grants.

Numbers below the smallest normal float cost a processor up to a hundred times more, and a decaying state reaches them
in silence. The flag that takes them for zero belongs to a thread, so the thread that computes sets it itself; so do the
cores it may run on and its real-time priority. What is refused is told, not swallowed: a rig must know.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

LIMITS_HINT = "let the system permit it: on Linux a line such as '@audio - rtprio 95' in /etc/security/limits.d"


@dataclass(frozen=True, slots=True)
class ThreadFacts:
    """How a thread runs.

    Attributes
    ----------
    flush_to_zero : bool
        Whether numbers below the smallest normal one are taken for zero.
    affinity : tuple of int or None
        Cores it may run on; None where the system does not tell.
    priority : int or None
        Real-time priority (SCHED_FIFO), from 1; None under the ordinary scheduler.
    refused : tuple of str
        What was asked for and not granted, and why, one sentence each.
    """

    flush_to_zero: bool
    affinity: tuple[int, ...] | None
    priority: int | None
    refused: tuple[str, ...] = ()


@contextmanager
def deadline_thread(affinity: Sequence[int] | None = None, priority: int | None = None) -> Iterator[ThreadFacts]:
    """Let the calling thread keep deadlines, as far as the system grants it; undone at the end.

    Parameters
    ----------
    affinity : sequence of int, optional
        Cores the thread may run on; left as they are by default.
    priority : int, optional
        Real-time priority, 1 to 99 on Linux; the ordinary scheduler by default.

    Yields
    ------
    facts : ThreadFacts

    Examples
    --------
    >>> with deadline_thread() as facts:
    ...     facts.flush_to_zero == flushes_to_zero(), facts.refused
    (True, ())
    """
    refused: list[str] = []
    with ExitStack() as undo:
        _flush_to_zero(undo)
        if affinity is not None:
            _attempt(f"cores {_listed(affinity)}", lambda: _set_affinity(affinity, undo), refused)
        if priority is not None:
            _attempt(f"real-time priority {priority}", lambda: _set_priority(priority, undo), refused)
        yield ThreadFacts(flushes_to_zero(), current_affinity(), current_priority(), tuple(refused))


def granted(affinity: Sequence[int] | None = None, priority: int | None = None) -> ThreadFacts:
    """Return what a thread of this process would be granted, tried by one that ends at once.

    Examples
    --------
    >>> granted(affinity=[100_000]).refused != ()
    True
    """
    found: list[ThreadFacts] = []

    def ask() -> None:
        with deadline_thread(affinity, priority) as facts:
            found.append(facts)

    thread = threading.Thread(target=ask, name="rtstrf-asks")
    thread.start()
    thread.join()
    return found[0]


def flushes_to_zero() -> bool:
    """Tell whether the calling thread takes numbers below the smallest normal one for zero."""
    return sys.float_info.min / 2 == 0.0


def current_affinity() -> tuple[int, ...] | None:
    """Return the cores that the calling thread may run on; None where the system does not tell."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else None


def current_priority() -> int | None:
    """Return the real-time priority of the calling thread; None under the ordinary scheduler."""
    if not hasattr(os, "sched_getscheduler") or os.sched_getscheduler(0) not in (os.SCHED_FIFO, os.SCHED_RR):
        return None
    return os.sched_getparam(0).sched_priority


def _flush_to_zero(undo: ExitStack) -> None:
    before = flushes_to_zero()
    if torch.set_flush_denormal(True):  # False on processors that cannot
        undo.callback(torch.set_flush_denormal, before)


def _set_affinity(cores: Sequence[int], undo: ExitStack) -> None:
    if not hasattr(os, "sched_setaffinity"):
        raise OSError("this system does not let a thread choose")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    undo.callback(os.sched_setaffinity, 0, before)


def _set_priority(priority: int, undo: ExitStack) -> None:
    if not hasattr(os, "sched_setscheduler"):
        raise OSError("this system has no SCHED_FIFO")
    before: tuple[int, Any] = os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    undo.callback(os.sched_setscheduler, 0, *before)


def _attempt(what: str, ask: Callable[[], None], refused: list[str]) -> None:
    try:
        ask()
    except (OSError, ValueError, OverflowError) as error:
        why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        refused.append(f"{what}: {why}")


def _listed(cores: Sequence[int]) -> str:
    return ", ".join(str(core) for core in cores)
