"""What every panel shares: a plot with aligned axes, a legend beside it, and the view it is asked to show."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pyqtgraph as pg
from PyQt6 import QtCore, QtGui

from rtstrf.display import style
from rtstrf.display.history import History
from rtstrf.display.panels.legend import Legend
from rtstrf.display.panels.marks import MarkLines
from rtstrf.display.panels.view import View

SPACING_PX = 12
LEAST_PX = 24
UNLIMITED_PX = 16_777_215  # QWIDGETSIZE_MAX


class PanelItem(ABC):
    """One row of the picture: a plot at the left, a legend at the right.

    Parameters
    ----------
    grid : pyqtgraph.GraphicsLayout
    row : int
        Row of the grid; the legend is in the next column.
    name : str
        Key in `style.PANELS`.
    """

    def __init__(self, grid: pg.GraphicsLayout, row: int, name: str) -> None:
        self.style = style.PANELS[name]
        self.plot = grid.addPlot(row=row, col=0)
        self.legend = self.make_legend()
        grid.addItem(self.legend, row=row, col=1)
        self._rows, self._row = grid.layout, row
        self.set_visible(True)
        self._dress()
        self.marks = MarkLines(labelled=row == 0)
        self.plot.addItem(self.marks, ignoreBounds=True)
        self.cursor = pg.InfiniteLine(angle=90, pen=pg.mkPen(style.CURSOR, width=1))
        self.cursor.setZValue(50)
        self.cursor.setVisible(False)
        self.plot.addItem(self.cursor, ignoreBounds=True)

    def make_legend(self) -> Legend:
        """Return the legend; a panel with a scale returns one of its own."""
        return Legend(self.style.title)

    def _dress(self) -> None:
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(False, False)
        self.plot.vb.setBackgroundColor(style.PANEL)
        self.plot.vb.setDefaultPadding(0.0)
        self.plot.vb.disableAutoRange()
        self.plot.vb.setBorder(None)
        self.plot.hideAxis("bottom")
        axis = self.plot.getAxis("left")
        axis.setWidth(style.AXIS_WIDTH_PX)
        axis.setTicks([])  # until it is known what the panel shows
        dress_axis(axis)

    def set_visible(self, visible: bool) -> None:
        """Show the panel, or give its place to the others."""
        self.plot.setVisible(visible)
        self.legend.setVisible(visible)
        self.plot.setMinimumHeight(LEAST_PX if visible else 0)
        self._rows.setRowStretchFactor(self._row, self.style.share if visible else 0)
        self._rows.setRowSpacing(self._row, SPACING_PX if visible else 0)
        self._rows.setRowMaximumHeight(self._row, UNLIMITED_PX if visible else 0)

    def show_marks(self, history: History, view: View) -> None:
        """Draw the marks in view."""
        (left, right), (bottom, top) = self.plot.vb.viewRange()
        self.marks.set_area(QtCore.QRectF(left, bottom, right - left, top - bottom))
        self.marks.show_marks(history, view)

    def set_span(self, span_s: float) -> None:
        """Set the width of the time axis."""
        self.plot.vb.setXRange(-span_s, 0.0, padding=0)

    def set_label(self, text: str) -> None:
        """Set the label of the vertical axis."""
        axis = self.plot.getAxis("left")
        axis.setLabel(text, color=style.MUTED)
        axis.resizeEvent(None)  # PyQtGraph centres a label only when the axis is resized

    @abstractmethod
    def show(self, history: History, view: View) -> None:
        """Bring the panel to a view."""

    @abstractmethod
    def rescale(self, history: History, view: View, now_s: float) -> bool:
        """Let the scale follow what is in view; True where it changed."""

    def read_out(self, history: History, view: View, bin_index: int, y: float) -> str:
        """Return what is under the cursor, in words; empty where there is nothing to say."""
        return ""


def dress_axis(axis: pg.AxisItem) -> None:
    """Give an axis the pens and fonts of the style."""
    font = QtGui.QFont(QtGui.QGuiApplication.font())
    font.setPixelSize(11)
    axis.setStyle(
        tickLength=-4, tickTextOffset=6, tickFont=font, autoExpandTextSpace=False, hideOverlappingLabels=False
    )
    axis.setPen(pg.mkPen(style.AXIS, width=1))
    axis.setTextPen(pg.mkPen(style.MUTED))
    axis.label.setFont(font)
