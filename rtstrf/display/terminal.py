"""The population live in a terminal: the same panels as the window, in blocks; line by line where it is no terminal.

`TerminalView` is fed with messages; `run` connects one to a simulator.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from types import TracebackType

import numpy as np
from rich.console import Console
from rich.live import Live

from rtstrf.display.feed import Feed, MessageSource, connect
from rtstrf.display.health import Health
from rtstrf.display.history import History, MessageLike
from rtstrf.display.terminal_picture import TerminalPicture, recent_bins
from rtstrf.display.unit_order import unit_text

FRAME_S = 1 / 15
LINE_S = 1.0


class TerminalView:
    """Shows a stream of messages in a terminal; a context manager.

    Parameters
    ----------
    console : rich.console.Console, optional
        Standard output where it is not given.
    seconds : float, optional
        Time in view.
    endpoint : str, optional
        Named while nothing has come.
    unit_order : str, optional
        As `unit_order.ORDERS`.
    history : History, optional
        Where to keep what is received.
    clock : callable, optional
        Returns local monotonic nanoseconds.

    Attributes
    ----------
    history : History
    health : Health
    clock : callable
        As given.
    picture : TerminalPicture
        What is drawn; can be printed by rich.

    Examples
    --------
    >>> import io
    >>> view = TerminalView(Console(file=io.StringIO()), endpoint="tcp://127.0.0.1:5590")
    >>> with view:
    ...     view.receive([])
    >>> view.line()
    'listening to tcp://127.0.0.1:5590: nothing received yet'
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        seconds: float = 10.0,
        endpoint: str = "",
        unit_order: str = "auto",
        history: History | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.console = console or Console()
        self.history = history or History()
        self.health = Health(endpoint)
        self.picture = TerminalPicture(self.history, self.health, seconds, unit_order, clock)
        self.clock = clock
        self._entered = False
        self._live: Live | None = None
        self._shown_s = -math.inf
        self._printed_stop = 0

    # --- running ----------------------------------------------------------------------------------------------------

    def __enter__(self) -> TerminalView:
        self._entered = True
        if self.console.is_terminal:
            self._live = Live(self.picture, console=self.console, auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._entered = False
        if self._live is not None:
            self._live.refresh()
            self._live.stop()
            self._live = None
        elif self.history.stop != self._printed_stop:
            self._print_line()

    def receive(self, messages: Iterable[MessageLike]) -> None:
        """Take in messages, and draw or print where it is time."""
        messages = list(messages)
        self.history.extend(messages)
        self.health.extend(messages)
        self.refresh()

    def refresh(self) -> None:
        """Draw at most 15 times, or print at most once, a second; outside of the context not at all."""
        now_s = self.clock() / 1e9
        if not self._entered:
            return
        if now_s - self._shown_s < (FRAME_S if self._live is not None else LINE_S):
            return
        self._shown_s = now_s
        if self._live is not None:
            self._live.refresh()
        elif self.history.rings:
            self._print_line()

    def _print_line(self) -> None:
        self._printed_stop = self.history.stop
        self.console.print(self.line(), highlight=False, soft_wrap=True)

    def line(self) -> str:
        """Return the present state as one line of plain text."""
        report = self.health.report(self.clock())
        if not self.history.rings:
            return report.words
        stop, bin_s = self.history.stop, self.history.bin_s
        parts = [f"{stop * bin_s:7.1f} s"]
        start = stop - max(1, round(LINE_S / bin_s))
        level_db = recent_bins(self.history, "level", start, stop)
        if level_db is not None:
            parts.append(f"{level_db.max():3.0f} dB SPL")
        rates_hz = recent_bins(self.history, "rates", start, stop)
        if rates_hz is not None:
            bin_index, unit = np.unravel_index(int(rates_hz.argmax()), rates_hz.shape)
            name = unit_text(self.history.greeting.units, int(unit)).split(",")[0]
            parts.append(f"mean {rates_hz.mean():5.1f} Hz, peak {rates_hz[bin_index, unit]:4.0f} Hz ({name})")
        if report.latency_p50_ms is not None:
            parts.append(f"latency p50 {report.latency_p50_ms:.1f} ms")
        if report.messages_lost:
            parts.append(f"{report.messages_lost} lost")
        return "   ".join([*parts, report.words])


def run(
    endpoint: str,
    *,
    control: str | None = None,
    seconds: float = 10.0,
    exit_when_last: bool = False,
    unit_order: str = "auto",
    console: Console | None = None,
    client: Callable[[], MessageSource] | None = None,
) -> History:
    """Show what is heard in the terminal until Ctrl-C or, if asked, the end of the run, or 3 s of silence.

    Parameters
    ----------
    endpoint, control, seconds, exit_when_last, unit_order, client
        As for `rtstrf.display.app.run`.
    console : rich.console.Console, optional

    Returns
    -------
    history : History
        What was received, for `rtstrf.display.poster.save_picture`.
    """
    with (
        Feed(client or (lambda: connect(endpoint, control))) as feed,
        TerminalView(console, seconds=seconds, endpoint=endpoint, unit_order=unit_order) as view,
    ):
        try:
            while not (exit_when_last and view.health.over(view.clock())):
                feed.wait(FRAME_S)
                if feed.error is not None:
                    raise feed.error
                dropped, messages = feed.take()
                for gone in dropped:
                    view.health.drop(gone.first, gone.last, gone.t_ns)
                view.receive(messages)
        except KeyboardInterrupt:
            pass
    return view.history
