"""What the picture looks like: colours, order and heights of the panels, shared by window, terminal and poster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from rtstrf.display import colour_map

# Dark, neutral greys with a little blue. On BACKGROUND the text has a contrast of 7 : 1 (main) and 4.5 : 1 (muted).
BACKGROUND = "#0f1216"
PANEL = "#05070a"
GRID = "#262c34"
AXIS = "#5b6470"
TEXT = "#dfe3e8"
MUTED = "#98a1ad"
GAP = "#2c333d"
CURSOR = "#f2f4f7"
MARK = "#c9b8f2"
LEVEL_LINE = "#c8ced6"
LEVEL_FILL = "#39424e"
GOOD = "#58b8a4"
CAUTION = "#e8b04b"
ALARM_BACKGROUND = "#a3242c"
ALARM_TEXT = "#ffffff"

TRACE_COLOURS = ("#f0a43a", "#56b4e9", "#2bc49a", "#e58fc2", "#f3e45c", "#b7a1f5")
"""Colours of chosen units: after Okabe & Ito, lightened for a dark ground."""

FONT_FAMILIES = ("Inter", "Noto Sans", "Segoe UI", "Helvetica Neue", "Cantarell", "Ubuntu", "DejaVu Sans")
"""Looked for in this order; the last one comes with matplotlib where the system has no font at all."""

MARGIN_PX = 14
AXIS_WIDTH_PX = 66
LEGEND_WIDTH_PX = 152


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of the picture.

    Attributes
    ----------
    topic : str
        The kind of message that fills it.
    title : str
    share : int
        Height relative to the others.
    """

    topic: str
    title: str
    share: int


PANELS = {
    "level": Panel("level", "Sound level", 10),
    "spectrogram": Panel("spectrogram", "Spectrogram", 22),
    "onoff": Panel("onoff", "ON and OFF", 22),
    "population": Panel("rates", "Population", 44),
    "raster": Panel("spikes", "Spikes", 30),
    "traces": Panel("rates", "Chosen units", 22),
}
"""Panels from top to bottom."""


@cache
def spectrogram_map() -> np.ndarray:
    """Return the map of the spectrogram, black over teal to pale: shape (256, 3), uint8."""
    return colour_map.lightness_ramp([265, 230, 195, 165], chroma=0.12, end_chroma=0.04)


@cache
def rates_map() -> np.ndarray:
    """Return the map of firing rates, black over violet and orange to pale yellow: shape (256, 3), uint8."""
    return colour_map.lightness_ramp([285, 330, 385, 425, 465], chroma=0.22, end_chroma=0.06)


@cache
def spikes_map() -> np.ndarray:
    """Return the map of spike counts, the ground for none and the colour of text for any: shape (256, 3), uint8."""
    none, any_ = ([int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in (PANEL, TEXT))
    return np.repeat(np.array([none, any_], np.uint8), 128, axis=0)


@cache
def on_map() -> np.ndarray:
    """Return the map of ON channels, black to orange: shape (256, 3), uint8."""
    return colour_map.lightness_ramp([50, 65, 82], lightest=0.86, chroma=0.18, end_chroma=0.15)


@cache
def off_map() -> np.ndarray:
    """Return the map of OFF channels, black to blue: shape (256, 3), uint8."""
    return colour_map.lightness_ramp([265, 255, 235], lightest=0.86, chroma=0.18, end_chroma=0.09)


def level_index(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the index 0 to 255 of values in a map, 256 where a value is missing.

    Parameters
    ----------
    values : ndarray, float32
        Missing values are NaN.
    low, high : float
        Values of the first and the last colour.

    Returns
    -------
    index : ndarray of the same shape, int16
    """
    with np.errstate(invalid="ignore"):
        scaled = (values - low) * (255.0 / max(high - low, 1e-12))
    missing = np.isnan(scaled)
    index = np.clip(np.where(missing, 0, scaled), 0, 255).astype(np.int16)
    index[missing] = 256
    return index


def pixels(values: np.ndarray, rgb_map: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return opaque 32-bit pixels of values in a map; missing ones have the colour of a gap.

    Parameters
    ----------
    values : ndarray, float32
    rgb_map : ndarray, shape (256, 3), uint8
    low, high : float

    Returns
    -------
    argb : ndarray of the same shape, uint32

    Examples
    --------
    >>> [hex(p) for p in pixels(np.float32([0, np.nan]), np.zeros((256, 3), np.uint8), 0, 1)]
    ['0xff000000', '0xff2c333d']
    """
    return _with_gap(rgb_map)[level_index(values, low, high)]


def on_off_pixels(on: np.ndarray, off: np.ndarray, on_high: float, off_high: float) -> np.ndarray:
    """Return pixels that show ON in orange and OFF in blue at the same place; both together add up.

    Parameters
    ----------
    on, off : ndarray of one shape, float32
        Half-wave rectified channels, from 0.
    on_high, off_high : float
        Values shown in the brightest orange and blue.

    Returns
    -------
    argb : ndarray of the same shape, uint32
    """
    on_index, off_index = level_index(on, 0.0, on_high), level_index(off, 0.0, off_high)
    summed = _additive()[np.minimum(on_index, 255), np.minimum(off_index, 255)]
    summed[(on_index == 256) | (off_index == 256)] = _gap_pixel()
    return summed


@cache
def _additive() -> np.ndarray:
    """Return the sum of both maps for every pair of levels: shape (256, 256), uint32."""
    total = on_map().astype(np.int16)[:, None] + off_map()[None, :] - on_map()[0]  # the ground is counted once
    return colour_map.as_argb32(np.clip(total, 0, 255).astype(np.uint8))


def _gap_pixel() -> np.uint32:
    return np.uint32(0xFF000000 | int(GAP[1:], 16))


_TABLES: dict[bytes, np.ndarray] = {}


def _with_gap(rgb_map: np.ndarray) -> np.ndarray:
    key = rgb_map.tobytes()
    if key not in _TABLES:
        _TABLES[key] = np.append(colour_map.as_argb32(rgb_map), _gap_pixel())
    return _TABLES[key]


Painter = Callable[[np.ndarray], np.ndarray]
"""Turns values, shape (columns, channels), into pixels, shape (columns, rows), the first row at the bottom."""
