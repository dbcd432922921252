"""The spectrogram as the model gets it."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg

from rtstrf.display import style
from rtstrf.display.greeting import Greeting
from rtstrf.display.history import History, Ring
from rtstrf.display.panels.image import ImagePanel, frequency_text
from rtstrf.display.panels.legend import ColourBars
from rtstrf.display.panels.view import View
from rtstrf.display.ranges import SlowSpan


def spectrogram_span() -> SlowSpan:
    """Return the scale of a log-compressed spectrogram: at most 7 nepers, 61 dB, from dark to bright."""
    return SlowSpan(1.0, narrowest=3.0, widest=7.0, percentiles=(5.0, 99.8))


class SpectrogramPanel(ImagePanel):
    """Bands over time; the scale follows the sound in steps."""

    legend: ColourBars

    def __init__(self, grid: pg.GraphicsLayout, row: int) -> None:
        self._span = spectrogram_span()
        super().__init__(grid, row, "spectrogram")

    def make_legend(self) -> ColourBars:
        """Return a colour bar."""
        return ColourBars(self.style.title, [("", style.spectrogram_map())])

    def rows(self, ring: Ring) -> int:
        """Return the bands."""
        return ring.channels

    def colours(self, values: np.ndarray) -> np.ndarray:
        """Return the pixels of bands."""
        return style.pixels(values, style.spectrogram_map(), self._span.low, self._span.high)

    def label(self, greeting: Greeting, rows: int) -> None:
        """Label the axis in kHz."""
        self.label_frequencies(greeting, rows)

    def rescale(self, history: History, view: View, now_s: float) -> bool:
        """Follow what is in view."""
        values = self.sample(history, view)
        if values is None or not self._span.update(values, now_s):
            return False
        self.legend.set_scale(0, self._span.low, self._span.high, "log amplitude")
        self.image.redraw()
        return True

    def read_out(self, history: History, view: View, bin_index: int, y: float) -> str:
        """Return the frequency and the value at the cursor."""
        ring = history.rings.get("spectrogram")
        if ring is None or not 0 <= y < ring.channels:
            return ""
        value = ring.read(bin_index, bin_index + 1)[0, int(y)]
        told = frequency_text(history.greeting, ring.channels, y)
        return told if np.isnan(value) else f"{told}   log amplitude {value:.1f}"
