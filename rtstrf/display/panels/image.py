"""A panel that is an image: rows over time, in colours with a scale."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import pyqtgraph as pg
from PyQt6 import QtCore

from rtstrf.display.frequency_axis import frequency_at, frequency_ticks, has_frequencies
from rtstrf.display.greeting import Greeting
from rtstrf.display.history import History, Ring
from rtstrf.display.panels.base import PanelItem
from rtstrf.display.panels.ring_image import RingImage
from rtstrf.display.panels.view import View

SAMPLED_VALUES = 20_000


class ImagePanel(PanelItem):
    """Shows a topic as a scrolling image.

    Parameters
    ----------
    grid, row, name
        As for `PanelItem`.
    """

    def __init__(self, grid: pg.GraphicsLayout, row: int, name: str) -> None:
        super().__init__(grid, row, name)
        self.image = RingImage(self.colours)
        self.plot.addItem(self.image)
        self._labelled: tuple[object, ...] = ()

    @abstractmethod
    def rows(self, ring: Ring) -> int:
        """Return the rows of the image."""

    @abstractmethod
    def colours(self, values: np.ndarray) -> np.ndarray:
        """Turn values (columns, channels) into pixels (columns, rows), the first row at the bottom."""

    @abstractmethod
    def label(self, greeting: Greeting, rows: int) -> None:
        """Label the vertical axis."""

    def show(self, history: History, view: View) -> None:
        """Draw the columns that came into view."""
        ring = history.rings.get(self.style.topic)
        self.image.setVisible(ring is not None)
        if ring is None:
            return
        rows = self.rows(ring)
        labelled = (rows, id(history.greeting))
        if labelled != self._labelled:
            self._labelled = labelled
            self.plot.vb.setYRange(0, rows, padding=0)
            self.label(history.greeting, rows)
            self.image.redraw()
        area = QtCore.QRectF(-view.span_s, 0.0, view.span_s, float(rows))
        self.image.set_geometry(rows, view.width_px, view.bins_per_column, area)
        self.image.show_until(view.stop, ring)

    def sample(self, history: History, view: View) -> np.ndarray | None:
        """Return the values in view, thinned to about 20,000: shape (n, channels)."""
        values = history.read(self.style.topic, *view.bins)
        return None if values is None else values[:: max(1, values.size // SAMPLED_VALUES)]

    def label_frequencies(self, greeting: Greeting, n_bands: int) -> None:
        """Label the axis in kHz, or by band where the frequencies are not known."""
        self.set_label("Freq. (kHz)" if has_frequencies(greeting.bands_hz, n_bands) else "Band")
        self.plot.getAxis("left").setTicks([frequency_ticks(greeting.bands_hz, n_bands)])


def frequency_text(greeting: Greeting, n_bands: int, y: float) -> str:
    """Return the frequency at a height of the axis, in words."""
    if has_frequencies(greeting.bands_hz, n_bands):
        return f"{float(frequency_at(y, greeting.bands_hz)) / 1000:.2f} kHz"
    return f"band {int(y)}"
