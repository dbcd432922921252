"""A scrolling image: a QImage that shares its memory with a ring of pixel columns, shown by two copies."""

from __future__ import annotations

import pyqtgraph as pg
from PyQt6 import QtCore, QtGui, sip

from rtstrf.display.columns import ColumnRing
from rtstrf.display.history import Ring
from rtstrf.display.style import Painter


class RingImage(pg.GraphicsObject):
    """Shows the columns of a `ColumnRing` over x from -span to 0, pixel by pixel.

    Parameters
    ----------
    paint : callable
        Turns values (lead + columns, channels) into pixels (columns, rows), the first row at the bottom.
    lead : int, optional
        As for `ColumnRing`.
    """

    def __init__(self, paint: Painter, lead: int = 0) -> None:
        super().__init__()
        self._paint = paint
        self._lead = lead
        self._area = QtCore.QRectF(-1.0, 0.0, 1.0, 1.0)
        self._image = QtGui.QImage()
        self._since = 0
        self.columns = ColumnRing(1, 1, 1.0)

    def set_geometry(self, rows: int, width_px: int, bins_per_column: float, area: QtCore.QRectF) -> None:
        """Make the ring anew where one of these changed; what was drawn is drawn again from the history.

        Parameters
        ----------
        rows, width_px : int
            Size of the image.
        bins_per_column : float
        area : QRectF
            Where it is, in view coordinates.
        """
        if area != self._area:
            self.prepareGeometryChange()
            self._area = area
        columns = self.columns
        same = (rows, width_px, bins_per_column) == (columns.rows, columns.width, columns.bins_per_column)
        if same and not self._image.isNull():
            return
        self.columns = columns = ColumnRing(rows, width_px, bins_per_column, self._lead)
        # RGB32 and not Indexed8: Qt scales it on a fast path, and ON and OFF need two tables at once.
        address = sip.voidptr(columns.pixels.ctypes.data)
        image_format = QtGui.QImage.Format.Format_RGB32
        stride = columns.pixels.strides[0]
        self._image = QtGui.QImage(address, columns.width, rows, stride, image_format)  # type: ignore[call-overload]

    def redraw(self) -> None:
        """Draw every column again at the next `show`, as after a change of scale or order."""
        self.columns.clear()

    def show_until(self, stop: int, bins: Ring) -> None:
        """Bring the view to end before column `stop`."""
        self.columns.show(stop, bins, self._paint)
        self._since = int(bins.start / self.columns.bins_per_column)
        self.update()

    def boundingRect(self) -> QtCore.QRectF:  # noqa: N802 - Qt's name
        """Return the area drawn, in view coordinates."""
        return self._area

    def paint(self, painter: QtGui.QPainter, *_: object) -> None:
        """Copy what lies before the seam of the ring, and what lies after it."""
        if self._image.isNull():
            return
        device = painter.device()
        ratio = 1.0 if device is None else device.devicePixelRatioF()
        target = on_pixels(painter.worldTransform().mapRect(self._area), ratio)
        painter.save()
        painter.resetTransform()
        coarser = target.height() * ratio < self.columns.rows
        painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform, coarser)
        scale = target.width() / self.columns.width
        for source, at, count in self.columns.pieces(self._since):
            painter.drawImage(
                QtCore.QRectF(target.left() + at * scale, target.top(), count * scale, target.height()),
                self._image,
                QtCore.QRectF(source, 0, count, self.columns.rows),
            )
        painter.restore()


def on_pixels(rect: QtCore.QRectF, ratio: float) -> QtCore.QRectF:
    """Return a rectangle with its edges moved to whole pixels of the screen.

    Parameters
    ----------
    rect : QRectF
        In logical pixels.
    ratio : float
        Pixels of the screen per logical pixel.
    """
    left, right = round(rect.left() * ratio), round(rect.right() * ratio)
    top, bottom = round(rect.top() * ratio), round(rect.bottom() * ratio)
    return QtCore.QRectF(left / ratio, top / ratio, max(right - left, 1) / ratio, max(bottom - top, 1) / ratio)
