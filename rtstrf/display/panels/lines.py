"""A panel of lines over time, drawn as a scrolling image."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import pyqtgraph as pg
from PyQt6 import QtCore

from rtstrf.display.history import History
from rtstrf.display.panels.base import PanelItem
from rtstrf.display.panels.ring_image import RingImage
from rtstrf.display.panels.view import View


class LinesPanel(PanelItem):
    """Shows channels of a topic as lines between two values.

    Parameters
    ----------
    grid, row, name
        As for `PanelItem`.
    """

    def __init__(self, grid: pg.GraphicsLayout, row: int, name: str) -> None:
        super().__init__(grid, row, name)
        self.image = RingImage(self.pixels, lead=1)
        self.plot.addItem(self.image)
        self.height_px = 1

    @property
    @abstractmethod
    def ends(self) -> tuple[float, float]:
        """Values at the bottom and the top of the panel."""

    @abstractmethod
    def pixels(self, values: np.ndarray) -> np.ndarray:
        """Turn values (1 + columns, channels) into pixels (columns, height_px), the first row at the bottom."""

    def show(self, history: History, view: View) -> None:
        """Draw the columns that came into view."""
        ring = history.rings.get(self.style.topic)
        self.image.setVisible(ring is not None)
        if ring is None:
            return
        vb = self.plot.vb
        edges, ratio = vb.mapRectToScene(vb.rect()), self.plot.getViewWidget().devicePixelRatioF()
        self.height_px = max(1, round(edges.bottom() * ratio) - round(edges.top() * ratio))
        low, high = self.ends
        area = QtCore.QRectF(-view.span_s, low, view.span_s, high - low)
        self.image.set_geometry(self.height_px, view.width_px, view.bins_per_column, area)
        self.image.show_until(view.stop, ring)
