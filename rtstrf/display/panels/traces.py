"""Firing rates of chosen units as lines."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg

from rtstrf.display import style
from rtstrf.display.history import History
from rtstrf.display.lines import line_pixels
from rtstrf.display.panels.legend import LineNames, number_text
from rtstrf.display.panels.lines import LinesPanel
from rtstrf.display.panels.view import View
from rtstrf.display.ranges import SlowCeiling
from rtstrf.display.unit_order import default_units, unit_text

MOST = len(style.TRACE_COLOURS)


class TracesPanel(LinesPanel):
    """Lines of up to six units.

    Attributes
    ----------
    chosen : list of int
        Units shown, in the order of their colours.
    """

    legend: LineNames

    def __init__(self, grid: pg.GraphicsLayout, row: int) -> None:
        super().__init__(grid, row, "traces")
        self.chosen: list[int] = []
        self._untouched = True
        self._n_units = 0
        self._ceiling = SlowCeiling(20.0, percentile=100.0)
        self._drawn: list[int] = []
        self.set_label("Rate (Hz)")
        self._scale()

    def make_legend(self) -> LineNames:
        """Return the names of the units in their colours."""
        legend = LineNames(self.style.title)
        legend.hint = "click a row of the population"
        return legend

    def toggle(self, unit: int) -> None:
        """Add a unit, or remove it; where all colours are in use the oldest one goes."""
        self._untouched = False
        if unit in self.chosen:
            self.chosen.remove(unit)
        else:
            self.chosen = [*self.chosen[-(MOST - 1) :], unit]

    def clear(self) -> None:
        """Remove every unit."""
        self._untouched = False
        self.chosen = []

    def choose_default(self, history: History) -> None:
        """Choose units of the greeting, unless somebody chose already or the population is the same."""
        if history.n_units != self._n_units:
            self._untouched = self._untouched or any(unit >= history.n_units for unit in self.chosen)
        if self._untouched and history.n_units:
            self.chosen = default_units(history.greeting.units, history.n_units)
        self._n_units = history.n_units

    @property
    def ends(self) -> tuple[float, float]:
        """Rates at the bottom and the top of the panel."""
        return 0.0, self._ceiling.high

    def pixels(self, values: np.ndarray) -> np.ndarray:
        """Return the lines of the chosen units."""
        return line_pixels(values[:, self.chosen], *self.ends, self.height_px, style.TRACE_COLOURS)

    def show(self, history: History, view: View) -> None:
        """Draw the lines and their names."""
        if self._drawn != self.chosen:
            self._drawn = list(self.chosen)
            self.image.redraw()
        super().show(history, view)
        if "rates" not in history.rings:
            return
        newest = history.rings["rates"].read(view.bins[1] - 1, view.bins[1])[0]
        values = [number_text(round(float(newest[unit]))) if np.isfinite(newest[unit]) else "–" for unit in self.chosen]
        names = [unit_text(history.greeting.units, unit) for unit in self.chosen]
        self.legend.set_lines(list(zip(style.TRACE_COLOURS, names, values, strict=False)))

    def rescale(self, history: History, view: View, now_s: float) -> bool:
        """Follow the highest rate in view."""
        rates_hz = history.read("rates", *view.bins)
        if rates_hz is None or not self.chosen or not self._ceiling.update(rates_hz[:, self.chosen], now_s):
            return False
        self._scale()
        return True

    def _scale(self) -> None:
        high = self._ceiling.high
        self.plot.vb.setYRange(0, high, padding=0)
        self.plot.getAxis("left").setTicks([[(value, number_text(value)) for value in (0.0, high / 2, high)]])
        self.image.redraw()

    def read_out(self, history: History, view: View, bin_index: int, y: float) -> str:
        """Return the rates of the lines at the cursor."""
        row = history.read("rates", bin_index, bin_index + 1)
        if row is None or not self.chosen:
            return ""
        told = history.greeting.units
        return "   ".join(f"{unit_text(told, unit).split(',')[0]} {row[0, unit]:.0f} Hz" for unit in self.chosen)
