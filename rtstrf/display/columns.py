"""From bins to the columns of an image: each column of pixels covers fixed bins, so a scrolling picture never shimmers.

A column is drawn once, when all its bins have come, into the image's next free column; the image is a ring, and showing
it takes two copies (what lies before the seam and what lies after). Nothing is rolled or drawn anew while time passes.

A column shows the maximum of its bins and not their mean: a response of one bin is then seen at its height, wherever
the edges of the columns happen to lie and however much time is in view.
"""

from __future__ import annotations

import math

import numpy as np

from rtstrf.display.history import Ring
from rtstrf.display.style import Painter


class ColumnRing:
    """A ring of pixel columns over a ring of bins.

    Parameters
    ----------
    rows : int
        Height of the image.
    width : int
        Columns in view, at least 1.
    bins_per_column : float
        Not a whole number in general; below 1 a bin is several columns wide.
    lead : int, optional
        Columns before those to be painted whose values are handed over as well, as lines need.

    Attributes
    ----------
    pixels : ndarray, shape (rows, width), uint32
        0xffRRGGBB; column k of time is at k % width, row 0 at the top.
    start, stop : int
        Columns drawn: [start, stop).
    drawn : int
        Columns drawn since the ring was made.

    Examples
    --------
    >>> ring = Ring(100, 1)
    >>> ring.write(0, np.arange(10.0)[:, None])
    >>> columns = ColumnRing(1, 4, 2.0)
    >>> columns.show(5, ring, lambda values: values.astype(np.uint32))
    >>> columns.start, columns.stop
    (1, 5)
    """

    def __init__(self, rows: int, width: int, bins_per_column: float, lead: int = 0) -> None:
        self.rows = rows
        self.width = max(1, width)
        self.bins_per_column = bins_per_column
        self.lead = lead
        self.pixels = np.zeros((rows, self.width), np.uint32)
        self.drawn = 0
        self.clear()

    def clear(self) -> None:
        """Forget what is drawn, as after a change of scale or order."""
        self.start = self.stop = 0

    def last_complete(self, next_bin: int) -> int:
        """Return one past the newest column whose bins have all come, when the next bin to come is `next_bin`."""
        return math.floor(next_bin / self.bins_per_column)

    def bins_of(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the first bin of each column of [start, stop) and one past the last: two arrays, int64."""
        edges = np.floor(np.arange(start, stop + 1) * self.bins_per_column).astype(np.int64)
        return edges[:-1], np.maximum(edges[1:], edges[:-1] + 1)

    def show(self, stop: int, bins: Ring, paint: Painter) -> None:
        """Bring the view to end before column `stop`; only columns that come into view are drawn.

        Parameters
        ----------
        stop : int
        bins : Ring
        paint : callable
            Turns values (lead + columns, channels) into pixels (columns, rows), the first row at the bottom.
        """
        start = stop - self.width
        if self.stop <= start or self.start >= stop or self.start == self.stop:
            self._draw(start, stop, bins, paint)
        else:
            if stop > self.stop:
                self._draw(self.stop, stop, bins, paint)
            if start < self.start:
                self._draw(start, self.start, bins, paint)
        self.start, self.stop = start, stop

    def _draw(self, start: int, stop: int, bins: Ring, paint: Painter) -> None:
        values = self.resample(start - self.lead, stop, bins)
        self.pixels[:, np.arange(start, stop) % self.width] = paint(values)[:, ::-1].T
        self.drawn += stop - start

    def resample(self, start: int, stop: int, bins: Ring) -> np.ndarray:
        """Return the maximum over the bins of each column of [start, stop): shape (stop - start, channels), float32.

        A column with a missing bin is missing: a gap is never hidden.
        """
        first, past = self.bins_of(start, stop)
        rows = bins.read(int(first[0]), int(past[-1]))
        if self.bins_per_column <= 1:
            return rows[first - first[0]]
        return np.maximum.reduceat(rows, first - first[0], axis=0)

    def pieces(self, since: int = 0) -> list[tuple[int, int, int]]:
        """Return what to copy to show the view, at most two of (column of the image, column of the view, columns).

        Parameters
        ----------
        since : int, optional
            Columns before this one have nothing to show and are left out.
        """
        first = max(self.start, since)
        if first >= self.stop:
            return []
        at, count = first % self.width, self.stop - first
        before = min(count, self.width - at)
        shown = [(at, first - self.start, before)]
        if count > before:
            shown.append((0, first - self.start + before, count - before))
        return shown


def peaks(rows: np.ndarray, columns: int) -> np.ndarray:
    """Return bins brought to at most a number of columns, each the maximum of its bins.

    Parameters
    ----------
    rows : ndarray, shape (bins, channels)
    columns : int

    Returns
    -------
    values : ndarray, shape (min(bins, columns), channels)

    Examples
    --------
    >>> peaks(np.array([[0.0], [3.0], [1.0], [2.0]]), 2).tolist()
    [[3.0], [2.0]]
    """
    bins = len(rows)
    if bins <= columns:
        return rows
    return np.maximum.reduceat(rows, np.arange(columns) * bins // columns, axis=0)
