"""Lines drawn column by column: each column of pixels is computed once, smooth at the edges, and then only moved.

Qt would draw a line of thousands of points anew at every frame; that alone costs more than all images together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtstrf.display.colour_map import as_argb32
from rtstrf.display.style import GAP, PANEL

WIDTH_PX = 1.4


def rgb_of(colour: str) -> np.ndarray:
    """Return a colour such as ``#ff8000`` as three float32 from 0 to 255.

    Examples
    --------
    >>> rgb_of("#ff8000").tolist()
    [255.0, 128.0, 0.0]
    """
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], np.float32)


def line_pixels(
    values: np.ndarray,
    low: float,
    high: float,
    height: int,
    colours: Sequence[str],
    *,
    fill: str | None = None,
    width_px: float = WIDTH_PX,
) -> np.ndarray:
    """Return the columns of an image of lines.

    Parameters
    ----------
    values : ndarray, shape (columns + 1, lines), float32
        One column more than is drawn: the first one is where the lines come from. Missing values are NaN.
    low, high : float
        Values at the bottom and the top edge.
    height : int
        Rows of the image.
    colours : sequence of str
        One a line; the last is on top.
    fill : str, optional
        Colour of the area below the first line.
    width_px : float, optional

    Returns
    -------
    argb : ndarray, shape (columns, height), uint32
        The first row at the bottom.
    """
    columns = len(values) - 1
    ground = np.broadcast_to(rgb_of(PANEL), (columns, height, 3)).copy()
    if values.shape[1]:
        ground[np.isnan(values[1:]).all(axis=1)] = rgb_of(GAP)
    # The line keeps clear of the edges by half its width, so that zero is seen.
    half = width_px / 2
    y_px = half + np.clip((values - low) / max(high - low, 1e-12), 0, 1) * (height - width_px)
    rows = np.arange(height, dtype=np.float32)
    for line, colour in enumerate(colours[: values.shape[1]]):
        begin, end = y_px[:-1, line], y_px[1:, line]
        begin = np.where(np.isnan(begin), end, begin)
        if line == 0 and fill is not None:
            _blend(ground, _overlap(rows, np.zeros_like(end), np.maximum(begin, end)), fill)
        rise = np.nan_to_num(np.abs(end - begin))
        covered = _overlap(rows, np.minimum(begin, end) - half, np.maximum(begin, end) + half)
        # A slanted line covers only part of the box around it.
        covered *= np.minimum(1.0, width_px * np.sqrt(1 + rise**2) / (width_px + rise))[:, None]
        _blend(ground, covered, colour)
    return as_argb32(np.round(ground).astype(np.uint8))


def _overlap(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return how much of each row [r, r + 1) lies in [low, high): shape (columns, rows); 0 where it is not known."""
    covered = np.minimum(rows + 1, high[:, None]) - np.maximum(rows, low[:, None])
    return np.clip(np.nan_to_num(covered, nan=0.0), 0.0, 1.0)


def _blend(ground: np.ndarray, covered: np.ndarray, colour: str) -> None:
    ground += covered[..., None].astype(np.float32) * (rgb_of(colour) - ground)
