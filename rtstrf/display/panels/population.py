"""The population: units over time in firing rate, sorted by depth or best frequency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PyQt6 import QtCore, QtGui

from rtstrf.display import style
from rtstrf.display.greeting import Greeting, Unit
from rtstrf.display.history import History, Ring
from rtstrf.display.panels.image import ImagePanel
from rtstrf.display.panels.legend import ColourBars
from rtstrf.display.panels.view import View
from rtstrf.display.ranges import SlowCeiling
from rtstrf.display.unit_order import UnitOrder, order_units, unit_text

MARK_PX = 7


class PopulationPanel(ImagePanel):
    """The heat map of rates; a click on a row chooses the unit."""

    legend: ColourBars

    def __init__(self, grid: pg.GraphicsLayout, row: int, order_name: str = "auto") -> None:
        self._ceiling = SlowCeiling(20.0)
        self._units: Sequence[Unit] = ()
        self.order_name = order_name
        self.order: UnitOrder = order_units((), 0)
        super().__init__(grid, row, "population")
        self._marks = RowMarks()
        self.plot.addItem(self._marks)

    def make_legend(self) -> ColourBars:
        """Return a colour bar."""
        return ColourBars(self.style.title, [("", style.rates_map())])

    def rows(self, ring: Ring) -> int:
        """Return the units."""
        return ring.channels

    def colours(self, values: np.ndarray) -> np.ndarray:
        """Return the pixels of units in the order shown."""
        return style.pixels(values[:, self.order.index], style.rates_map(), 0.0, self._ceiling.high)

    def label(self, greeting: Greeting, rows: int) -> None:
        """Sort the units and label the axis."""
        self._units = greeting.units
        self.order = order_units(greeting.units, rows, self.order_name)
        self.set_label(self.order.label)
        self.plot.getAxis("left").setTicks([self.order.ticks])
        self.legend.set_scale(0, 0.0, self._ceiling.high, "Hz")

    def sort_by(self, order_name: str) -> None:
        """Show the units in another order."""
        self.order_name = order_name
        self._labelled = ()

    def rescale(self, history: History, view: View, now_s: float) -> bool:
        """Follow what is in view."""
        values = self.sample(history, view)
        if values is None or not self._ceiling.update(values, now_s):
            return False
        self.legend.set_scale(0, 0.0, self._ceiling.high, "Hz")
        self.image.redraw()
        return True

    def mark(self, units: list[int]) -> None:
        """Mark the rows of chosen units in the colours of their lines."""
        row_of = {int(unit): row for row, unit in enumerate(self.order.index)}
        self._marks.set_rows([row_of[unit] for unit in units if unit in row_of], self.plot.vb.viewRange()[0][0])

    def unit_at(self, y: float) -> int | None:
        """Return the unit at a height of the axis, None outside of the rows."""
        return int(self.order.index[int(y)]) if 0 <= y < len(self.order.index) else None

    def read_out(self, history: History, view: View, bin_index: int, y: float) -> str:
        """Return the unit and its rate at the cursor."""
        unit, ring = self.unit_at(y), history.rings.get("rates")
        if unit is None or ring is None or unit >= ring.channels:
            return ""
        rate_hz = ring.read(bin_index, bin_index + 1)[0, unit]
        told = unit_text(self._units, unit, full=True)
        return told if np.isnan(rate_hz) else f"{told}   {rate_hz:.1f} Hz"


class RowMarks(pg.GraphicsObject):
    """Small triangles at the left edge of rows."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[int] = []
        self._left = 0.0
        self.setZValue(20)

    def set_rows(self, rows: list[int], left: float) -> None:
        """Mark rows, in the order of the colours of lines."""
        if (rows, left) != (self._rows, self._left):
            self.prepareGeometryChange()
            self._rows, self._left = rows, left
            self.update()

    def boundingRect(self) -> QtCore.QRectF:  # noqa: N802 - Qt's name
        """Return the area drawn, in view coordinates."""
        top = max(self._rows, default=0) + 2
        return QtCore.QRectF(self._left, -1.0, -self._left * 0.02 or 1.0, top + 1.0)

    def paint(self, painter: QtGui.QPainter, *_: object) -> None:
        """Draw triangles of fixed size on the screen."""
        transform = painter.worldTransform()
        painter.save()
        painter.resetTransform()
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(pg.mkPen(style.PANEL, width=1))
        for row, colour in zip(self._rows, style.TRACE_COLOURS, strict=False):
            at = transform.map(QtCore.QPointF(self._left, row + 0.5))
            painter.setBrush(QtGui.QColor(colour))
            corners = ((0, -5), (MARK_PX + 2, 0), (0, 5))
            painter.drawPolygon(QtGui.QPolygonF([at + QtCore.QPointF(x, y) for x, y in corners]))
        painter.restore()
