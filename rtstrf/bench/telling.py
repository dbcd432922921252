"""How far a measurement is, told on the standard error, and quick enough to stand between two hops."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REFRESH_S = 0.5  # drawing takes a millisecond


class Telling:
    """Tells what is being measured and how long it will last: a bar on a terminal, a line elsewhere.

    Parameters
    ----------
    quiet : bool
        Tell nothing.

    Examples
    --------
    >>> with Telling(quiet=True).progress("steps", 3, 0.1) as advance:
    ...     advance(3)
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    @contextmanager
    def work(self, what: str) -> Iterator[None]:
        """Tell of something whose length is not known."""
        self.say(what)
        yield

    @contextmanager
    def progress(self, what: str, steps: int, lasts_s: float) -> Iterator[Callable[[int], None]]:
        """Tell of `steps` steps that will take about `lasts_s`; yields what to call with how many more are done."""
        if self._quiet or not sys.stderr.isatty():
            self.say(f"{what}: {steps:,} hops, about {duration(lasts_s)}")
            yield lambda done: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        console = Console(stderr=True)
        # Without a thread of its own, which would compete with the hops.
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, auto_refresh=False) as bar:
            task = bar.add_task(f"{what}, {steps:,} hops, about {duration(lasts_s)}", total=steps)
            due_s = 0.0

            def advance(done: int) -> None:
                nonlocal due_s
                bar.update(task, advance=done)
                if time.monotonic() >= due_s:
                    bar.refresh()
                    due_s = time.monotonic() + REFRESH_S

            yield advance

    def say(self, text: str) -> None:
        """Tell a line."""
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Return a length of time as a person would say it.

    Examples
    --------
    >>> duration(4.4), duration(200.0)
    ('4 s', '3 min')
    """
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
