"""The sound level in dB SPL: a filled line and the present value."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg

from rtstrf.display import style
from rtstrf.display.history import History
from rtstrf.display.lines import line_pixels
from rtstrf.display.panels.legend import Reading
from rtstrf.display.panels.lines import LinesPanel
from rtstrf.display.panels.view import View
from rtstrf.display.ranges import SlowSpan

READ_OVER_S = 0.1


class LevelPanel(LinesPanel):
    """Level of the sound over time."""

    legend: Reading

    def __init__(self, grid: pg.GraphicsLayout, row: int) -> None:
        super().__init__(grid, row, "level")
        self._span = SlowSpan(10.0, narrowest=40.0, widest=80.0, low=20.0, high=90.0)
        self.set_label("dB SPL")
        self._scale()

    def make_legend(self) -> Reading:
        """Return the present level in large type."""
        return Reading(self.style.title, "dB SPL")

    @property
    def ends(self) -> tuple[float, float]:
        """Levels at the bottom and the top of the panel."""
        return self._span.low, self._span.high

    def pixels(self, values: np.ndarray) -> np.ndarray:
        """Return a line over a filled area."""
        return line_pixels(
            values[:, :1], *self.ends, self.height_px, [style.LEVEL_LINE], fill=style.LEVEL_FILL, width_px=1.2
        )

    def show(self, history: History, view: View) -> None:
        """Draw the line and the number."""
        super().show(history, view)
        ring = history.rings.get("level")
        if ring is not None:
            stop = view.bins[1]
            recent = ring.read(stop - max(1, round(READ_OVER_S / view.bin_s)), stop)
            finite = recent[np.isfinite(recent)]
            self.legend.set_value(float(finite.mean()) if finite.size else math.nan)

    def rescale(self, history: History, view: View, now_s: float) -> bool:
        """Follow the levels in view in steps of 10 dB."""
        level_db = history.read("level", *view.bins)
        if level_db is None or not self._span.update(level_db, now_s):
            return False
        self._scale()
        return True

    def _scale(self) -> None:
        low, high = self.ends
        self.plot.vb.setYRange(low, high, padding=0)
        step = 20 if high - low > 30 else 10
        ticks = np.arange(math.ceil(low / step) * step, high + 1, step)
        self.plot.getAxis("left").setTicks([[(float(tick), f"{tick:.0f}") for tick in ticks]])
        self.image.redraw()

    def read_out(self, history: History, view: View, bin_index: int, y: float) -> str:
        """Return the level at the cursor."""
        row = history.read("level", bin_index, bin_index + 1)
        return "" if row is None or not np.isfinite(row[0, 0]) else f"{row[0, 0]:.0f} dB SPL"
