"""Colour maps made in a perceptual space: lightness rises evenly from the first colour to the last.

A map whose lightness is a straight line can be read by people with any kind of colour vision, and on grey paper. Each
map is a path through OKLab (Ottosson 2020): lightness is linear, hue turns from one angle to the next, and chroma is as
high as the gamut of a screen allows without a kink, up to a limit that is zero at the dark end: silence is neutral.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVELS = 256

_LAB_TO_LMS = np.array(
    [[1.0, 0.3963377774, 0.2158037573], [1.0, -0.1055613458, -0.0638541728], [1.0, -0.0894841775, -1.2914855480]]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def oklab_to_linear_rgb(lab: np.ndarray) -> np.ndarray:
    """Return linear-light sRGB of OKLab colours; values outside 0 to 1 are outside the gamut.

    Parameters
    ----------
    lab : ndarray, shape (..., 3), float64
        Lightness 0 to 1, then the two opponent axes.

    Returns
    -------
    rgb : ndarray, shape (..., 3), float64
    """
    return (lab @ _LAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T


def linear_rgb_to_oklab(rgb: np.ndarray) -> np.ndarray:
    """Return OKLab of linear-light sRGB colours: the inverse of `oklab_to_linear_rgb`."""
    return np.cbrt(rgb @ np.linalg.inv(_LMS_TO_RGB).T) @ np.linalg.inv(_LAB_TO_LMS).T


def encode_srgb(linear: np.ndarray) -> np.ndarray:
    """Return 8-bit sRGB of linear light, clipped to the gamut."""
    linear = np.clip(linear, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint8)


def decode_srgb(rgb8: np.ndarray) -> np.ndarray:
    """Return linear light of 8-bit sRGB."""
    encoded = np.asarray(rgb8, dtype=np.float64) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def lightness_ramp(
    hues_deg: Sequence[float],
    *,
    darkest: float = 0.09,
    lightest: float = 0.96,
    chroma: float = 0.19,
    end_chroma: float = 0.03,
    levels: int = LEVELS,
) -> np.ndarray:
    """Return a map whose lightness rises evenly while its hue turns.

    Parameters
    ----------
    hues_deg : sequence of float
        Hue angles passed at equal distances, in degrees of OKLab (30 red, 60 orange, 110 yellow, 195 teal, 255 blue).
    darkest, lightest : float, optional
        Lightness of the two ends.
    chroma : float, optional
        Greatest chroma in the middle of the map.
    end_chroma : float, optional
        Chroma of the lightest colour.
    levels : int, optional
        Number of colours.

    Returns
    -------
    rgb : ndarray, shape (levels, 3), uint8

    Examples
    --------
    >>> lightness_ramp([60, 60]).shape
    (256, 3)
    """
    at = np.linspace(0.0, 1.0, levels)
    lightness = darkest + (lightest - darkest) * at
    hue = np.deg2rad(np.interp(at, np.linspace(0, 1, len(hues_deg)), hues_deg))
    wanted = np.interp(at, [0.0, 0.45, 0.65, 1.0], [0.0, chroma, chroma, end_chroma])
    shown = _smooth_below(np.minimum(wanted, _greatest_chroma(lightness, hue)), levels // 14)
    return encode_srgb(oklab_to_linear_rgb(_from_polar(lightness, shown, hue)))


def _from_polar(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    return np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1)


def _greatest_chroma(lightness: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """Return the chroma at which each colour leaves the gamut of a screen, by bisection."""
    low, high = np.zeros_like(lightness), np.full_like(lightness, 0.4)
    for _ in range(24):
        middle = (low + high) / 2
        rgb = oklab_to_linear_rgb(_from_polar(lightness, middle, hue))
        inside = np.all((rgb >= 0) & (rgb <= 1), axis=-1)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return low


def _smooth_below(curve: np.ndarray, half: int) -> np.ndarray:
    """Return a smooth curve that is nowhere above the given one: a kink in chroma would be seen as a false contour."""
    windows = np.lib.stride_tricks.sliding_window_view
    least = windows(np.pad(curve, half, mode="edge"), 2 * half + 1).min(axis=-1)
    for _ in range(2):  # two means of half the width reach no further than the minimum did
        least = windows(np.pad(least, half // 2, mode="edge"), 2 * (half // 2) + 1).mean(axis=-1)
    return least


def as_argb32(rgb: np.ndarray) -> np.ndarray:
    """Return opaque 32-bit pixels, 0xffRRGGBB, of 8-bit colours.

    Examples
    --------
    >>> hex(as_argb32(np.array([[255, 128, 0]], np.uint8))[0])
    '0xffff8000'
    """
    r, g, b = (rgb[..., channel].astype(np.uint32) for channel in range(3))
    return np.uint32(0xFF000000) | r << np.uint32(16) | g << np.uint32(8) | b


def as_hex(rgb: Sequence[int] | np.ndarray) -> str:
    """Return ``#rrggbb`` of one 8-bit colour.

    Examples
    --------
    >>> as_hex((255, 128, 0))
    '#ff8000'
    """
    return "#{:02x}{:02x}{:02x}".format(*(int(value) for value in rgb))
