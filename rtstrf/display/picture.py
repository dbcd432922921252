"""The panels on their common time axis: a widget that shows a history, and nothing of keys or networks."""

from __future__ import annotations

import math

import pyqtgraph as pg
from PyQt6 import QtCore, QtGui

from rtstrf.display import style
from rtstrf.display.history import History
from rtstrf.display.panels.base import PanelItem, dress_axis
from rtstrf.display.panels.level import LevelPanel
from rtstrf.display.panels.onoff import OnOffPanel
from rtstrf.display.panels.population import PopulationPanel
from rtstrf.display.panels.raster import RasterPanel
from rtstrf.display.panels.spectrogram import SpectrogramPanel
from rtstrf.display.panels.traces import TracesPanel
from rtstrf.display.panels.view import View

TIME_AXIS_PX = 40


class Picture(pg.GraphicsLayoutWidget):
    """Level, spectrogram, ON and OFF, population, spikes where there are any, and traces, from top to bottom.

    Parameters
    ----------
    seconds : float, optional
        Time in view.
    unit_order : str, optional
        As `unit_order.ORDERS`.

    Attributes
    ----------
    hovered : pyqtSignal(object)
        Emits (panel, x, y) where the cursor is, None where it left.
    clicked : pyqtSignal(object)
        Emits (panel, x, y).
    """

    hovered = QtCore.pyqtSignal(object)
    clicked = QtCore.pyqtSignal(object)

    def __init__(self, seconds: float = 10.0, unit_order: str = "auto") -> None:
        super().__init__()
        self.setBackground(style.BACKGROUND)
        self.setFrameStyle(0)
        self.setVerticalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        grid = self.ci
        grid.layout.setContentsMargins(style.MARGIN_PX - 6, 2, style.MARGIN_PX - 4, 2)
        grid.layout.setHorizontalSpacing(0)
        self.level = LevelPanel(grid, 0)
        self.spectrogram = SpectrogramPanel(grid, 1)
        self.onoff = OnOffPanel(grid, 2)
        self.population = PopulationPanel(grid, 3, unit_order)
        self.raster = RasterPanel(grid, 4, self.population)
        self.traces = TracesPanel(grid, 5)
        self.panels: tuple[PanelItem, ...] = (
            self.level,
            self.spectrogram,
            self.onoff,
            self.population,
            self.raster,
            self.traces,
        )
        grid.layout.setColumnStretchFactor(0, 1)
        self._axis = self.traces.plot.getAxis("bottom")
        self.traces.plot.showAxis("bottom")
        dress_axis(self._axis)
        self._axis.setHeight(TIME_AXIS_PX)
        grid.layout.setRowStretchFactor(5, self.traces.style.share)
        self._topics: frozenset[str] | None = None
        self._ticked: tuple[object, ...] = ()
        self._axis_label = ""
        self.seconds = 0.0
        self.set_seconds(seconds)
        self.view = View(0, 1.0, 1, seconds, 0.005, True)
        self.scene().sigMouseMoved.connect(self._on_move)
        self.scene().sigMouseClicked.connect(self._on_click)

    # --- showing ----------------------------------------------------------------------------------------------------

    def set_seconds(self, seconds: float) -> None:
        """Set the time in view."""
        self.seconds = seconds
        for panel in self.panels:
            panel.set_span(seconds)

    def width_px(self) -> int:
        """Return the width of the plots in pixels of the screen."""
        vb = self.population.plot.vb
        edges = vb.mapRectToScene(vb.rect())
        ratio = self.devicePixelRatioF()
        return max(1, round(edges.right() * ratio) - round(edges.left() * ratio))

    def heights(self) -> tuple[float, ...]:
        """Return the heights of the plots: where one changed, lines must be drawn again."""
        return tuple(panel.plot.vb.height() for panel in self.panels)

    def view_at(self, edge: float, bin_s: float, live: bool) -> View:
        """Return the view that ends at a bin, moved to the last whole column of pixels."""
        width_px = self.width_px()
        bins_per_column = self.seconds / bin_s / width_px
        return View(math.floor(edge / bins_per_column), bins_per_column, width_px, self.seconds, bin_s, live)

    def show_view(self, history: History, view: View) -> None:
        """Bring every panel and the time axis to a view."""
        self.view = view
        self.traces.choose_default(history)
        self._show_topics(history)
        for panel in self.panels:
            panel.show(history, view)
            panel.show_marks(history, view)
        self.population.mark(self.traces.chosen)
        self._tick(view)

    def _show_topics(self, history: History) -> None:
        """Leave out panels whose topic this stream does not have; population and traces stay."""
        topics = frozenset(history.rings) if "rates" in history.rings else None
        if topics == self._topics:
            return
        self._topics = topics
        for panel in self.panels:
            wanted = panel is not self.raster if topics is None else panel.style.topic in topics
            panel.set_visible(wanted)

    def rescale(self, history: History, now_s: float) -> bool:
        """Let the scales follow what is in view; True where one changed and the view must be shown again."""
        return any([panel.rescale(history, self.view, now_s) for panel in self.panels])

    def _tick(self, view: View) -> None:
        """Label the time axis: seconds before now while live, seconds of the run otherwise."""
        ticked = (view.span_s, view.live, 0 if view.live else view.stop, self.width() // 100)
        if ticked == self._ticked:
            return
        self._ticked = ticked
        step = tick_step_s(view.span_s, max(3, self.width() // 130))
        if view.live:
            count = int(view.span_s / step)
            ticks = [(-step * i, "now" if i == 0 else _seconds(-step * i)) for i in range(count + 1)]
        else:
            first = math.ceil((view.stop_s - view.span_s) / step - 1e-9)
            last = math.floor(view.stop_s / step + 1e-9)
            ticks = [(i * step - view.stop_s, _seconds(i * step)) for i in range(max(first, 0), last + 1)]
        self._axis.setTicks([ticks])
        label = "Time from now (s)" if view.live else "Time in the run (s)"
        if label != self._axis_label:
            self._axis_label = label
            self._axis.setLabel(label, color=style.MUTED)

    # --- the cursor -------------------------------------------------------------------------------------------------

    def place(self, position: QtCore.QPointF) -> tuple[PanelItem, float, float] | None:
        """Return the panel at a place of the scene and the coordinates in it."""
        for panel in self.panels:
            if panel.plot.vb.sceneBoundingRect().contains(position):
                at = panel.plot.vb.mapSceneToView(position)
                return panel, float(at.x()), float(at.y())
        return None

    def read_out(self, history: History, place: tuple[PanelItem, float, float]) -> str:
        """Return what is at a place, as `place` gives it, in words: time, then what the panel has to say."""
        if not history.rings:
            return ""
        (panel, x, y), view = place, self.view
        bin_index = math.floor(view.stop_bin + x / view.bin_s)
        at = f"{x if view.live else view.stop_s + x:.3f} s".replace("-", "−")
        return "     ".join(part for part in (at, panel.read_out(history, view, bin_index, y)) if part)

    def show_cursor(self, x: float | None) -> None:
        """Show the line of the cursor in all panels, or hide it."""
        for panel in self.panels:
            panel.cursor.setVisible(x is not None)
            if x is not None:
                panel.cursor.setPos(x)

    def _on_move(self, position: QtCore.QPointF) -> None:
        self.hovered.emit(self.place(position))

    def _on_click(self, event: pg.GraphicsScene.mouseEvents.MouseClickEvent) -> None:
        if event.button() == QtCore.Qt.MouseButton.LeftButton:
            self.clicked.emit(self.place(event.scenePos()))

    def leaveEvent(self, event: QtCore.QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Tell that the cursor left."""
        super().leaveEvent(event)
        self.hovered.emit(None)

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Leave the wheel to the window, which scrolls in time."""
        event.ignore()


def tick_step_s(span_s: float, most: int) -> float:
    """Return the distance of ticks that gives at most `most` of them.

    Examples
    --------
    >>> tick_step_s(10.0, 11), tick_step_s(60.0, 8)
    (1.0, 10.0)
    """
    steps = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
    return next((step for step in steps if span_s / step <= most), 60.0)


def _seconds(value: float) -> str:
    return f"{value:.6g}".replace("-", "−")
