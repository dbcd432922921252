"""What a person sees while a fit runs: the network, epoch, loss and validation scores, and the time left."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PRINT_EVERY_EPOCHS = 10


class FitProgress:
    """A bar over all steps of a fit, and a line every few epochs that stays.

    Parameters
    ----------
    console : Console
    steps : int
        Steps of all networks together.
    """

    def __init__(self, console: Console, steps: int) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("first epoch", total=steps)

    def __enter__(self) -> FitProgress:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._progress.stop()

    def skip(self, name: str, steps: int) -> None:
        """Leave out steps that an earlier run has done; they do not count for the time left."""
        self._progress.update(self._task, total=(self._progress.tasks[0].total or 0) - steps)
        self._console.print(f"{name}: {steps} steps were done before")

    def announce(self, text: str) -> None:
        """Say what is being done before the next epoch."""
        self._progress.update(self._task, description=text)
        self._console.print(text)

    def epoch(self, line: dict[str, Any], epochs: int, steps: int) -> None:
        """Show a line of the log."""
        text = (
            f"{line['network']}  epoch {line['epoch']}/{epochs}  loss {line['loss']:.4f}  "
            f"validation cc {_show(line['validation_cc'])}  cc_norm {_show(line['validation_cc_norm'])}"
        )
        self._progress.update(self._task, advance=steps, description=text)
        if line["epoch"] % PRINT_EVERY_EPOCHS == 0 or line["epoch"] == epochs:
            self._console.print(text)


def _show(score: float | None) -> str:
    return "unknown" if score is None else f"{score:.4f}"
