"""The spike raster: one row a unit, a tick where it fired, sorted as the population above it."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg

from rtstrf.display import style
from rtstrf.display.greeting import Greeting
from rtstrf.display.history import History, Ring
from rtstrf.display.panels.image import ImagePanel
from rtstrf.display.panels.population import PopulationPanel
from rtstrf.display.panels.view import View
from rtstrf.display.unit_order import unit_text


class RasterPanel(ImagePanel):
    """Spikes; there only where the stream has them.

    Parameters
    ----------
    grid, row
        As for `PanelItem`.
    population : PopulationPanel
        Whose order of units this one follows.
    """

    def __init__(self, grid: pg.GraphicsLayout, row: int, population: PopulationPanel) -> None:
        self._population = population
        self._sorted_as: object = None
        super().__init__(grid, row, "raster")
        self.set_visible(False)

    def rows(self, ring: Ring) -> int:
        """Return the units."""
        return ring.channels

    def colours(self, values: np.ndarray) -> np.ndarray:
        """Return the pixels of units in the order shown: as bright for one spike as for several."""
        order = self._population.order.index
        sorted_ = values[:, order] if len(order) == values.shape[1] else values
        return style.pixels(sorted_, style.spikes_map(), 0.0, 1.0)

    def label(self, greeting: Greeting, rows: int) -> None:
        """Label the axis as that of the population."""
        order = self._population.order
        self.set_label(order.label)
        self.plot.getAxis("left").setTicks([order.ticks])

    def show(self, history: History, view: View) -> None:
        """Draw the columns that came into view, all of them where the units are sorted anew."""
        if self._population.order is not self._sorted_as:
            self._sorted_as = self._population.order
            self._labelled = ()
        super().show(history, view)

    def rescale(self, history: History, view: View, now_s: float) -> bool:
        """A spike is a spike."""
        return False

    def read_out(self, history: History, view: View, bin_index: int, y: float) -> str:
        """Return the unit at the cursor and how often it fired in that bin."""
        unit, ring = self._population.unit_at(y), history.rings.get("spikes")
        if unit is None or ring is None or unit >= ring.channels:
            return ""
        count = ring.read(bin_index, bin_index + 1)[0, unit]
        told = unit_text(history.greeting.units, unit, full=True)
        return told if np.isnan(count) else f"{told}   {count:.0f} spike{'' if count == 1 else 's'}"
