"""The window: title, picture, health strip, keys and mouse."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from PyQt6 import QtCore, QtGui, QtWidgets

from rtstrf.display import style
from rtstrf.display.health import Health
from rtstrf.display.history import History, MessageLike
from rtstrf.display.overlay import Overlay, keys_text, waiting_text
from rtstrf.display.panels.base import PanelItem
from rtstrf.display.picture import Picture
from rtstrf.display.png import write_png
from rtstrf.display.scroll import Scroll
from rtstrf.display.strip import HealthStrip, TitleLine
from rtstrf.display.unit_order import available_orders
from rtstrf.errors import UserError

FRAME_MS = 16
SLOW_S = 0.25
NOTICE_S = 6.0
SPANS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)


class Window(QtWidgets.QMainWindow):
    """Shows a stream of messages.

    Parameters
    ----------
    endpoint : str, optional
        Named while nothing has come.
    seconds : float, optional
        Time in view.
    unit_order : str, optional
        As `unit_order.ORDERS`.
    history : History, optional
        What to show from the beginning.
    clock : callable, optional
        Returns local monotonic nanoseconds.

    Attributes
    ----------
    history : History
    health : Health
    picture : Picture
    frames : int
        Pictures shown so far.
    clock : callable
        As given.
    before_frame : callable or None
        Called before each frame, to hand over what has come.
    """

    def __init__(
        self,
        endpoint: str = "",
        *,
        seconds: float = 10.0,
        unit_order: str = "auto",
        history: History | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__()
        self.endpoint = endpoint
        self.history = history or History()
        self.health = Health(endpoint)
        self.scrolling = Scroll()
        self.frames = 0
        self.before_frame: Callable[[], None] | None = None
        self.picture = Picture(seconds, unit_order)
        self.clock = clock
        self._title = TitleLine()
        self._strip = HealthStrip()
        self._overlay = Overlay(self)
        self._help = False
        self._hover: tuple[PanelItem, float, float] | None = None
        self._notice = ("", 0.0)
        self._slow_s = -1.0
        self._run_number = -1
        self._drag: tuple[float, float] | None = None
        self._shown: tuple[object, ...] = ()
        self._build()

    def _build(self) -> None:
        self.setWindowTitle("rtstrf")
        self.setStyleSheet(f"QMainWindow {{ background: {style.BACKGROUND}; }}")
        body = QtWidgets.QWidget()
        layout = QtWidgets.QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._title)
        layout.addWidget(self.picture, 1)
        layout.addWidget(self._strip)
        self.setCentralWidget(body)
        self.setMinimumSize(480, 360)
        self.resize(1440, 900)
        self.picture.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        self.picture.hovered.connect(self._on_hover)
        self.picture.clicked.connect(self._on_click)
        self.picture.viewport().installEventFilter(self)
        self._timer = QtCore.QTimer(self)
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.frame)

    # --- running ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to draw by the clock."""
        self._timer.start(FRAME_MS)

    def receive(self, messages: Iterable[MessageLike]) -> None:
        """Take in messages; they are drawn with the next frame."""
        messages = list(messages)
        self.history.extend(messages)
        self.health.extend(messages)

    def frame(self) -> None:
        """Bring the picture to the present; called by the timer."""
        if self.before_frame is not None:
            self.before_frame()
        now_s = self.clock() / 1e9
        if self.history.run_number != self._run_number:
            self._run_number = self.history.run_number
            self.scrolling.restart()
        self.scrolling.follow(self.history.stop, self.history.bin_s, now_s)
        self._draw()
        if now_s - self._slow_s >= SLOW_S or self._slow_s < 0:
            self._slow_s = now_s
            self._slow_frame(now_s)

    def _draw(self, force: bool = False) -> None:
        view = self.picture.view_at(self.scrolling.edge, self.history.bin_s, self.scrolling.live)
        shown = (view, id(self.history.greeting), self.picture.heights())
        if shown == self._shown and not force:
            return
        self._shown = shown
        self.frames += 1
        self.picture.show_view(self.history, view)
        self._show_read_out()

    def _slow_frame(self, now_s: float) -> None:
        """Do what need not be done at every frame: scales, health, title, what is waited for."""
        if self.picture.rescale(self.history, now_s):
            self._draw(force=True)
        self._title.greet(self.history.greeting, self.history.n_units)
        report = self.health.report(self.clock())
        self._strip.show_report(report, self._words(now_s))
        if self._help:
            self._overlay.show_text(keys_text())
        elif not self.history.rings and self.endpoint:
            self._overlay.show_text(waiting_text(self.endpoint, self.health.run is not None))
        else:
            self._overlay.hide()

    def _words(self, now_s: float) -> str:
        """Return what takes the place of the words of the health: a notice, or that the picture stands still."""
        text, until_s = self._notice
        if text and now_s < until_s:
            return text
        if not self.scrolling.live:
            behind_s = (self.history.stop - self.scrolling.edge) * self.history.bin_s
            return f"paused, {behind_s:.1f} s behind: Space or End to go on"
        return ""

    def show_still(self, end_s: float | None = None) -> None:
        """Show the history as it is, up to a time in the run or to its newest bin, with the scales settled.

        Parameters
        ----------
        end_s : float, optional
        """
        stop = self.history.stop if end_s is None else end_s / self.history.bin_s
        self.scrolling.pause()
        self.scrolling.edge = float(stop)
        self._draw(force=True)
        if self.picture.rescale(self.history, self.clock() / 1e9):
            self._draw(force=True)
        self._title.greet(self.history.greeting, self.history.n_units)
        self._title.read_out(" ")
        self._strip.hide()

    def notice(self, text: str) -> None:
        """Show a sentence in the strip for a few seconds."""
        self._notice = (text, self.clock() / 1e9 + NOTICE_S)
        self._slow_s = -1.0

    # --- pictures ---------------------------------------------------------------------------------------------------

    def save_picture(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the window as a PNG, as `png.write_png` does."""
        return write_png(self, path)

    def _save_by_key(self) -> None:
        try:
            self.notice(f"picture saved: {self.save_picture().resolve()}")
        except UserError as error:
            self.notice(error.what)

    # --- keys and mouse ---------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QtGui.QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Do what `overlay.KEYS` says."""
        if event is None:
            return
        key, keys = event.key(), QtCore.Qt.Key
        quarter = self.picture.seconds / self.history.bin_s / 4
        actions: dict[int, Callable[[], object]] = {
            keys.Key_Space: self.toggle_pause,
            keys.Key_Left: lambda: self.scroll_by(-quarter),
            keys.Key_Right: lambda: self.scroll_by(quarter),
            keys.Key_Home: lambda: self.scroll_by(-float("inf")),
            keys.Key_End: self.scrolling.resume,
            keys.Key_Plus: lambda: self.zoom(-1),
            keys.Key_Equal: lambda: self.zoom(-1),
            keys.Key_Minus: lambda: self.zoom(1),
            keys.Key_S: self._save_by_key,
            keys.Key_C: self._clear_traces,
            keys.Key_O: self._next_order,
            keys.Key_F: self._toggle_full_screen,
            keys.Key_H: self._toggle_help,
            keys.Key_Question: self._toggle_help,
            keys.Key_Escape: self._close_help,
            keys.Key_Q: self.close,
        }
        action = actions.get(key)
        if action is None:
            super().keyPressEvent(event)
            return
        action()
        self._slow_s = -1.0

    def toggle_pause(self) -> None:
        """Stand still, or go on live."""
        if self.scrolling.live:
            self.scrolling.pause()
        else:
            self.scrolling.resume()

    def scroll_by(self, bins: float) -> None:
        """Move the picture in time, within the history; it stands still then."""
        visible = self.picture.seconds / self.history.bin_s
        oldest = min(self.history.start + visible, self.history.stop)
        self.scrolling.move(bins, oldest, self.history.stop)
        self._slow_s = -1.0

    def zoom(self, steps: int) -> None:
        """Show less (negative) or more time."""
        near = min(range(len(SPANS_S)), key=lambda index: abs(SPANS_S[index] - self.picture.seconds))
        self.picture.set_seconds(SPANS_S[min(max(near + steps, 0), len(SPANS_S) - 1)])
        self.notice(f"{self.picture.seconds:g} s in view")

    def _clear_traces(self) -> None:
        self.picture.traces.clear()
        self._draw(force=True)

    def _next_order(self) -> None:
        orders = available_orders(self.history.greeting.units)
        population = self.picture.population
        at = orders.index(population.order.name) if population.order.name in orders else -1
        population.sort_by(orders[(at + 1) % len(orders)])
        self._draw(force=True)
        self.notice(f"units sorted by {population.order.name}")

    def _toggle_full_screen(self) -> None:
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    def _toggle_help(self) -> None:
        self._help = not self._help

    def _close_help(self) -> None:
        self._help = False

    def _on_hover(self, place: tuple[PanelItem, float, float] | None) -> None:
        self._hover = place
        self.picture.show_cursor(None if place is None else place[1])
        self._show_read_out()

    def _show_read_out(self) -> None:
        self._title.read_out("" if self._hover is None else self.picture.read_out(self.history, self._hover))

    def _on_click(self, place: tuple[PanelItem, float, float] | None) -> None:
        population = self.picture.population
        if place is None or place[0] is not population:
            return
        unit = population.unit_at(place[2])
        if unit is not None:
            self.picture.traces.toggle(unit)
            self._draw(force=True)

    def wheelEvent(self, event: QtGui.QWheelEvent | None) -> None:  # noqa: N802 - Qt's name
        """Scroll in time; with Ctrl show less or more of it."""
        if event is None:
            return
        turned = event.angleDelta().y() or event.angleDelta().x()
        if event.modifiers() & QtCore.Qt.KeyboardModifier.ControlModifier:
            self.zoom(-1 if turned > 0 else 1)
        elif turned:
            self.scroll_by(-turned / 120 * self.picture.seconds / self.history.bin_s / 10)

    def eventFilter(self, _watched: QtCore.QObject | None, event: QtCore.QEvent | None) -> bool:  # noqa: N802
        """Follow drags over the picture: they move it in time."""
        if not isinstance(event, QtGui.QMouseEvent):
            return False
        kinds = QtCore.QEvent.Type
        if event.type() == kinds.MouseButtonPress and event.button() == QtCore.Qt.MouseButton.LeftButton:
            self._drag = (event.position().x(), self.scrolling.edge)
        elif event.type() == kinds.MouseButtonRelease:
            self._drag = None
        elif event.type() == kinds.MouseMove and self._drag is not None:
            moved_px = (event.position().x() - self._drag[0]) * self.devicePixelRatioF()
            if abs(moved_px) > 4 or not self.scrolling.live:
                view = self.picture.view
                self.scroll_by(self._drag[1] - moved_px * view.bins_per_column - self.scrolling.edge)
        return False

    def resizeEvent(self, event: QtGui.QResizeEvent | None) -> None:  # noqa: N802 - Qt's name
        """Let everything be drawn again at the new size."""
        super().resizeEvent(event)
        self._slow_s = -1.0
