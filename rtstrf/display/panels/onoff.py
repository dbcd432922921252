"""ON and OFF channels in one image: orange where sound begins, blue where it ends."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg

from rtstrf.display import style
from rtstrf.display.greeting import Greeting
from rtstrf.display.history import History, Ring
from rtstrf.display.panels.image import ImagePanel, frequency_text
from rtstrf.display.panels.legend import ColourBars
from rtstrf.display.panels.view import View
from rtstrf.display.ranges import SlowCeiling


class OnOffPanel(ImagePanel):
    """The first half of the channels is ON, the second OFF; each has a scale of its own."""

    legend: ColourBars

    def __init__(self, grid: pg.GraphicsLayout, row: int) -> None:
        self._on = SlowCeiling(0.5)
        self._off = SlowCeiling(0.5)
        super().__init__(grid, row, "onoff")

    def make_legend(self) -> ColourBars:
        """Return two colour bars."""
        return ColourBars(self.style.title, [("ON", style.on_map()), ("OFF", style.off_map())])

    def rows(self, ring: Ring) -> int:
        """Return the bands: half of the channels."""
        return ring.channels // 2

    def colours(self, values: np.ndarray) -> np.ndarray:
        """Return the pixels of both halves added up."""
        bands = values.shape[1] // 2
        return style.on_off_pixels(values[:, :bands], values[:, bands : 2 * bands], self._on.high, self._off.high)

    def label(self, greeting: Greeting, rows: int) -> None:
        """Label the axis in kHz."""
        self.label_frequencies(greeting, rows)
        self._set_scales()

    def _set_scales(self) -> None:
        self.legend.set_scale(0, 0.0, self._on.high, "log amplitude")
        self.legend.set_scale(1, 0.0, self._off.high, "log amplitude")

    def rescale(self, history: History, view: View, now_s: float) -> bool:
        """Follow what is in view."""
        values = self.sample(history, view)
        if values is None:
            return False
        bands = values.shape[1] // 2
        changed = self._on.update(values[:, :bands], now_s), self._off.update(values[:, bands:], now_s)
        if any(changed):
            self._set_scales()
            self.image.redraw()
        return any(changed)

    def read_out(self, history: History, view: View, bin_index: int, y: float) -> str:
        """Return the frequency and both values at the cursor."""
        ring = history.rings.get("onoff")
        if ring is None or not 0 <= y < ring.channels // 2:
            return ""
        row = ring.read(bin_index, bin_index + 1)[0]
        told = frequency_text(history.greeting, ring.channels // 2, y)
        on, off = row[int(y)], row[int(y) + ring.channels // 2]
        return told if np.isnan(on) else f"{told}   ON {on:.2f}   OFF {off:.2f}"
