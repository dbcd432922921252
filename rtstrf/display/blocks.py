"""Images in a terminal: two pixels a character as half blocks, or shades of a character where colours are few."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

UNICODE_SHADES = " ░▒▓█"
ASCII_SHADES = " .:-=+*#%@"


def half_blocks(pixels: np.ndarray) -> list[list[Segment]]:
    """Return lines of half blocks in 24-bit colour; rich makes fewer colours of them where the terminal has fewer.

    Parameters
    ----------
    pixels : ndarray, shape (2 * lines, columns), uint32
        0xffRRGGBB, the first row at the top.

    Returns
    -------
    lines : list of list of Segment
    """
    lines = []
    for upper, lower in zip(pixels[0::2].tolist(), pixels[1::2].tolist(), strict=True):
        lines.append([Segment("▀", _style(*pair)) for pair in zip(upper, lower, strict=True)])
    return lines


@lru_cache(maxsize=65536)
def _style(upper: int, lower: int) -> Style:
    return Style(color=_colour(upper), bgcolor=_colour(lower))


@lru_cache(maxsize=4096)
def _colour(argb: int) -> Color:
    return Color.from_rgb(argb >> 16 & 255, argb >> 8 & 255, argb & 255)


def shades(pixels: np.ndarray, characters: str) -> list[list[Segment]]:
    """Return lines of characters that are denser where the pixels are brighter.

    Parameters
    ----------
    pixels : ndarray, shape (2 * lines, columns), uint32
    characters : str
        From empty to dense.

    Examples
    --------
    >>> shades(np.array([[0xFF000000, 0xFFFFFFFF]] * 2, np.uint32), " @")[0][0].text
    ' @'
    """
    # Rec. 709 luma of the encoded values: even steps to the eye, as the maps have them.
    r, g, b = (((pixels >> np.uint32(shift)) & np.uint32(255)).astype(float) for shift in (16, 8, 0))
    light = (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255
    density = (light[0::2] + light[1::2]) / 2
    index = np.minimum((density * len(characters)).astype(int), len(characters) - 1)
    return [[Segment("".join(characters[shade] for shade in line))] for line in index.tolist()]


def grouped(values: np.ndarray, rows: int) -> np.ndarray:
    """Return channels brought to a number of rows: means of neighbours where there are more, repeats where fewer.

    Parameters
    ----------
    values : ndarray, shape (columns, channels)
    rows : int

    Examples
    --------
    >>> grouped(np.array([[1.0, 3.0, 5.0, 7.0]]), 2).tolist()
    [[2.0, 6.0]]
    """
    channels = values.shape[1]
    if channels <= rows:
        return values[:, np.arange(rows) * channels // rows]
    edges = np.arange(rows + 1) * channels // rows
    return np.add.reduceat(values, edges[:-1], axis=1) / np.diff(edges).astype(values.dtype)
