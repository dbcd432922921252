"""The column at the right: the name of a panel, and its scale or the colours of its lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PyQt6 import QtCore, QtGui

from rtstrf.display import style
from rtstrf.display.colour_map import as_argb32

TITLE_PX = 13
TEXT_PX = 11
LEFT_PX = 14
BAR_PX = 10
NARROW_PX = 46


def _font(pixels: int, bold: bool = False) -> QtGui.QFont:
    font = QtGui.QFont(QtGui.QGuiApplication.font())
    font.setPixelSize(pixels)
    font.setWeight(QtGui.QFont.Weight.DemiBold if bold else QtGui.QFont.Weight.Normal)
    return font


class Legend(pg.GraphicsWidget):
    """The name of a panel, and lines of text under it.

    Parameters
    ----------
    title : str
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.setFixedWidth(style.LEGEND_WIDTH_PX)

    def paint(self, painter: QtGui.QPainter, *_: object) -> None:
        """Draw the name, then what the kind of legend adds."""
        painter.setFont(_font(TITLE_PX, bold=True))
        painter.setPen(QtGui.QColor(style.TEXT))
        wide = QtCore.QRectF(LEFT_PX, 0, style.LEGEND_WIDTH_PX - LEFT_PX, TITLE_PX + 6)
        left = QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter
        painter.drawText(wide, left, self.title)
        painter.setFont(_font(TEXT_PX))
        body = self.boundingRect().adjusted(LEFT_PX, TITLE_PX + 14, 0, -2)
        if body.height() > 8:
            self.paint_body(painter, body)

    def paint_body(self, painter: QtGui.QPainter, body: QtCore.QRectF) -> None:
        """Draw what is below the name."""


class Reading(Legend):
    """A number in large type with its unit."""

    def __init__(self, title: str, unit: str) -> None:
        super().__init__(title)
        self._unit = unit
        self._text = "–"

    def set_value(self, value: float) -> None:
        """Show a value; a dash where it is not a number."""
        text = "–" if not np.isfinite(value) else f"{value:.0f}"
        if text != self._text:
            self._text = text
            self.update()

    def paint_body(self, painter: QtGui.QPainter, body: QtCore.QRectF) -> None:
        """Draw the number and the unit on one line."""
        size = int(max(12, min(26, body.height() - 2)))
        painter.setFont(_font(size))
        painter.setPen(QtGui.QColor(style.TEXT))
        number_px = QtGui.QFontMetricsF(_font(size)).horizontalAdvance(self._text)
        baseline = body.top() + size * 0.82
        painter.drawText(QtCore.QPointF(body.left(), baseline), self._text)
        painter.setFont(_font(TEXT_PX))
        painter.setPen(QtGui.QColor(style.MUTED))
        painter.drawText(QtCore.QPointF(body.left() + number_px + 5, baseline), self._unit)


class ColourBars(Legend):
    """One or two upright colour bars with their ends labelled and a unit.

    Parameters
    ----------
    title : str
    maps : sequence of (str, ndarray)
        Name of a bar (may be empty) and its colours, shape (256, 3), uint8.
    """

    def __init__(self, title: str, maps: Sequence[tuple[str, np.ndarray]]) -> None:
        super().__init__(title)
        self.unit = ""
        self._names = [name for name, _ in maps]
        self._pixels = [np.ascontiguousarray(as_argb32(colours)[::-1, None]) for _, colours in maps]
        self._images = [
            QtGui.QImage(pixels.tobytes(), 1, len(pixels), 4, QtGui.QImage.Format.Format_RGB32).copy()
            for pixels in self._pixels
        ]
        self._ticks: list[list[tuple[float, str]]] = [[] for _ in maps]

    def set_scale(self, bar: int, low: float, high: float, unit: str) -> None:
        """Label a bar: its ends, the middle where there is room, and the unit of all bars."""
        middle = (low + high) / 2
        self._ticks[bar] = [(share, number_text(value)) for share, value in ((0.0, low), (0.5, middle), (1.0, high))]
        self.unit = unit
        self.update()

    def paint_body(self, painter: QtGui.QPainter, body: QtCore.QRectF) -> None:
        """Draw the bars beside each other, names above and numbers to their right."""
        named = any(self._names)
        top = body.top() + (TEXT_PX + 5 if named else 0)
        bottom = body.bottom() - (TEXT_PX + 6)
        if bottom - top < 12:
            self._paint_names(painter, body)
            return
        for bar, (image, ticks) in enumerate(zip(self._images, self._ticks, strict=True)):
            left = body.left() + bar * NARROW_PX
            painter.setPen(QtGui.QColor(style.MUTED))
            if named:
                painter.drawText(QtCore.QPointF(left, top - 5), self._names[bar])
            painter.drawImage(QtCore.QRectF(left, top, BAR_PX, bottom - top), image, QtCore.QRectF(image.rect()))
            for share, text in ticks:
                if share == 0.5 and bottom - top < 70:
                    continue
                y = bottom - share * (bottom - top)
                baseline = min(max(y + TEXT_PX * 0.36, top + TEXT_PX * 0.78), bottom)
                painter.drawText(QtCore.QPointF(left + BAR_PX + 5, baseline), text)
        painter.drawText(QtCore.QPointF(body.left(), body.bottom() - 2), self.unit)

    def _paint_names(self, painter: QtGui.QPainter, body: QtCore.QRectF) -> None:
        """Draw the names in the colours of their bars, where there is no room for bars."""
        for bar, (name, pixels) in enumerate(zip(self._names, self._pixels, strict=True)):
            painter.setPen(QtGui.QColor.fromRgb(int(pixels[len(pixels) // 4, 0])))
            painter.drawText(QtCore.QPointF(body.left() + bar * NARROW_PX, body.top() + TEXT_PX), name)


class LineNames(Legend):
    """Names of lines in their colours, with their present values."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self._lines: list[tuple[str, str, str]] = []
        self.hint = ""

    def set_lines(self, lines: list[tuple[str, str, str]]) -> None:
        """Show lines of (colour, name, value)."""
        if lines != self._lines:
            self._lines = lines
            self.update()

    def paint_body(self, painter: QtGui.QPainter, body: QtCore.QRectF) -> None:
        """Draw a dash in the colour, the name, and the value at the right."""
        line_px = TEXT_PX + 6
        fits = int(body.height() // line_px)
        right = QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter
        left = QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter
        metrics = QtGui.QFontMetricsF(_font(TEXT_PX))
        for row, (colour, name, value) in enumerate(self._lines[:fits]):
            box = QtCore.QRectF(body.left(), body.top() + row * line_px, body.width(), line_px)
            painter.fillRect(QtCore.QRectF(box.left(), box.center().y() - 1.5, 9, 3), QtGui.QColor(colour))
            room = box.adjusted(14, 0, -metrics.horizontalAdvance("000") - 4, 0)
            painter.setPen(QtGui.QColor(style.MUTED))
            painter.drawText(room, left, metrics.elidedText(name, QtCore.Qt.TextElideMode.ElideRight, room.width()))
            painter.setPen(QtGui.QColor(style.TEXT))
            painter.drawText(box, right, value)
        if not self._lines:
            painter.setPen(QtGui.QColor(style.MUTED))
            painter.drawText(body, QtCore.Qt.TextFlag.TextWordWrap | QtCore.Qt.AlignmentFlag.AlignTop, self.hint)


def number_text(value: float) -> str:
    """Return a number as short as it can be read, with a true minus sign.

    Examples
    --------
    >>> number_text(80.0), number_text(-6.5), number_text(0.25)
    ('80', '−6.5', '0.25')
    """
    return f"{value:.3g}".replace("-", "−")
