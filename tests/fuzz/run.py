"""Try many malformed inputs, and tell which of them were not refused in words."""

from __future__ import annotations

import random
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fuzz.targets import REFUSED, TARGETS

HANGS_AFTER_S = 15.0
FAILURES_KEPT = 20


class Hang(BaseException):
    """An input that was not done with in time."""


def fuzz(
    name: str, count: int, seed: int, first: int = 0, on_progress: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Try so many inputs of a target.

    Parameters
    ----------
    name : str
        Of `TARGETS`.
    count, seed : int
        Input number n of a seed is always the same.
    first : int
        Number of the first.
    on_progress : callable, optional
        Called with each number before it is tried.

    Returns
    -------
    outcome : dict
        ``tried``, ``refused`` (in words), ``accepted`` (still valid) and ``failures``, each with its number.
    """
    began_s = time.monotonic()
    refused = accepted = failed = 0
    failures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="rtstrf-") as folder:
        target = TARGETS[name](Path(folder))
        for number in range(first, first + count):
            if on_progress is not None:
                on_progress(number)
            made = target.make(random.Random(f"{seed}/{name}/{number}"))
            try:
                with limited(HANGS_AFTER_S), warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of torch, about what is refused right after
                    if target.attempt(made):
                        accepted += 1
                    else:
                        refused += 1
            except REFUSED:
                refused += 1
            except (Exception, Hang) as error:
                failed += 1
                if len(failures) < FAILURES_KEPT:
                    told = "".join(traceback.format_exception(error)[-12:])
                    failures.append(
                        {"number": number, "error": repr(error)[:500], "input": repr(made)[:2000], "told": told}
                    )
        target.close()
    seconds = round(time.monotonic() - began_s, 1)
    counts = {"tried": count, "refused": refused, "accepted": accepted, "failed": failed, "seconds": seconds}
    return {"target": name, "seed": seed, **counts, "failures": failures}


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise Hang in what takes longer, where the system can."""

    def ring(number: int, frame: object) -> None:
        raise Hang(f"not done after {seconds:g} s")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
