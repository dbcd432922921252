"""Marks that somebody put into the stream: a line through all panels, its label at the top."""

from __future__ import annotations

import pyqtgraph as pg
from PyQt6 import QtCore, QtGui

from rtstrf.display import style
from rtstrf.display.history import History
from rtstrf.display.panels.view import View

LABEL_PX = 11


class MarkLines(pg.GraphicsObject):
    """Upright lines at the bins of marks.

    Parameters
    ----------
    labelled : bool
        Whether the labels are written beside them.
    """

    def __init__(self, labelled: bool) -> None:
        super().__init__()
        self._labelled = labelled
        self._marks: list[tuple[float, str]] = []
        self._area = QtCore.QRectF()
        self.setZValue(30)

    def show_marks(self, history: History, view: View) -> None:
        """Place the marks that are in view."""
        start = view.stop_bin - view.span_s / view.bin_s
        marks = [
            ((mark.bin - view.stop_bin) * view.bin_s, mark.label)
            for mark in history.marks
            if start <= mark.bin <= view.stop_bin
        ]
        if marks or self._marks:
            self._marks = marks
            self.update()

    def set_area(self, area: QtCore.QRectF) -> None:
        """Say what is visible, in view coordinates."""
        if area != self._area:
            self.prepareGeometryChange()
            self._area = area

    def boundingRect(self) -> QtCore.QRectF:  # noqa: N802 - Qt's name
        """Return the area drawn, in view coordinates."""
        return self._area

    def paint(self, painter: QtGui.QPainter, *_: object) -> None:
        """Draw the lines and the labels with the pens of the screen."""
        if not self._marks:
            return
        transform = painter.worldTransform()
        painter.save()
        painter.resetTransform()
        painter.setPen(pg.mkPen(style.MARK, width=1, style=QtCore.Qt.PenStyle.DashLine))
        area = transform.mapRect(self._area)
        places = [(round(transform.map(QtCore.QPointF(x, 0.0)).x()) + 0.5, label) for x, label in self._marks]
        for x, _label in places:
            painter.drawLine(QtCore.QPointF(x, area.top()), QtCore.QPointF(x, area.bottom()))
        if self._labelled:
            font = QtGui.QFont(QtGui.QGuiApplication.font())
            font.setPixelSize(LABEL_PX)
            painter.setFont(font)
            painter.setPen(QtGui.QColor(style.MARK))
            for x, label in places:
                painter.drawText(QtCore.QPointF(x + 4, area.top() + LABEL_PX + 1), label)
        painter.restore()
