"""In which order the units of the population are shown, and what stands at the axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rtstrf.display.greeting import Unit
from rtstrf.errors import ConfigError

ORDERS = ("auto", "depth", "frequency", "model")
"""``auto`` is depth where every unit has one, else best frequency, else the order of the model."""

LONGEST_ID = 10


@dataclass(frozen=True, slots=True)
class UnitOrder:
    """Rows of the population.

    Attributes
    ----------
    name : str
        ``depth``, ``frequency`` or ``model``.
    index : ndarray, shape (N,), int64
        Unit shown in each row; row 0 is at the bottom.
    label : str
        Of the axis.
    ticks : list of (float, str)
        Row (its middle is at + 0.5) and text.
    """

    name: str
    index: np.ndarray
    label: str
    ticks: list[tuple[float, str]]


def available_orders(units: Sequence[Unit]) -> list[str]:
    """Return the orders these units can be shown in, the one ``auto`` means first."""
    orders = [name for name, key in (("depth", "depth_um"), ("frequency", "best_frequency_hz")) if _known(units, key)]
    return [*orders, "model"]


def order_units(units: Sequence[Unit], n_units: int, name: str = "auto") -> UnitOrder:
    """Return rows for the units of a population.

    Parameters
    ----------
    units : sequence of Unit
        As greeted; fewer or more than `n_units` are not trusted.
    n_units : int
        Units in the rates.
    name : str, optional
        One of `ORDERS`; one that is not known for these units falls back to ``auto``.

    Returns
    -------
    order : UnitOrder

    Raises
    ------
    ConfigError
        If there is no such order.

    Examples
    --------
    >>> order_units([Unit("a", depth_um=900), Unit("b", depth_um=100)], 2).index.tolist()
    [0, 1]
    >>> order_units([Unit("a", depth_um=100), Unit("b", depth_um=900)], 2).index.tolist()
    [1, 0]
    """
    if name not in ORDERS:
        raise ConfigError(f"units cannot be ordered by {name!r}", remedy=f"choose from {', '.join(ORDERS)}")
    possible = available_orders(units) if len(units) == n_units else ["model"]
    chosen = name if name in possible else possible[0]
    if chosen == "depth":
        depth_um = np.array([unit.depth_um for unit in units])
        # The surface is at the top, as in a drawing of cortex.
        index = np.argsort(-depth_um, kind="stable")
        return UnitOrder(chosen, index, "Depth (µm)", _depth_ticks(depth_um[index]))
    if chosen == "frequency":
        best_hz = np.array([unit.best_frequency_hz for unit in units])
        index = np.argsort(best_hz, kind="stable")
        return UnitOrder(chosen, index, "Best freq. (kHz)", _frequency_ticks(best_hz[index]))
    return UnitOrder("model", np.arange(n_units), "Unit", _index_ticks(n_units))


def default_units(units: Sequence[Unit], n_units: int, count: int = 3) -> list[int]:
    """Return units to show as traces at first: the best predicted of each third of the population by depth.

    Where the model does not say how well a unit is predicted, units spread over the population.
    """
    if n_units == 0:
        return []
    order = order_units(units, n_units).index[::-1]
    thirds = [part for part in np.array_split(order, count) if part.size]
    if len(units) == n_units and _known(units, "cc_norm"):
        return [int(max(part, key=lambda unit: units[unit].cc_norm)) for part in thirds]
    return [int(part[part.size // 2]) for part in thirds]


def unit_text(units: Sequence[Unit], unit: int, *, full: bool = False) -> str:
    """Return the name of a unit with what is known of its place.

    A long identifier, such as the path of a recording, is left out unless asked for; the number of the unit is its
    column in the rates.

    Parameters
    ----------
    units : sequence of Unit
    unit : int
    full : bool, optional

    Examples
    --------
    >>> unit_text([Unit("u7", depth_um=450.0)], 0)
    'u7, 450 µm'
    >>> unit_text([Unit("recording57/P01-cluster3", depth_um=450.0)], 0)
    'unit 0, 450 µm'
    """
    if unit >= len(units):
        return f"unit {unit}"
    told = units[unit]
    name = f"unit {unit}" if len(told.id) > LONGEST_ID else f"unit {told.id}" if told.id.isdigit() else told.id
    if np.isfinite(told.depth_um):
        name += f", {told.depth_um:.0f} µm".replace("-", "−")
    elif np.isfinite(told.best_frequency_hz):
        name += f", {told.best_frequency_hz / 1000:.1f} kHz"
    return f"{name} ({told.id[:40]})" if full and told.id not in name else name


def _known(units: Sequence[Unit], key: str) -> bool:
    return len(units) > 0 and all(np.isfinite(getattr(unit, key)) for unit in units)


def _depth_ticks(depth_um: np.ndarray) -> list[tuple[float, str]]:
    """Return ticks where the rows, deepest first, pass round depths."""
    step = 200.0 if np.ptp(depth_um) > 500 else 100.0 if np.ptp(depth_um) > 200 else 50.0
    marks = np.arange(np.ceil(depth_um.min() / step), np.floor(depth_um.max() / step) + 1) * step
    ticks = [(float(np.searchsorted(-depth_um, -mark)), f"{mark:.0f}".replace("-", "−")) for mark in marks]
    return _spaced(ticks, len(depth_um))


def _frequency_ticks(best_hz: np.ndarray) -> list[tuple[float, str]]:
    marks = [mark for mark in (0.25, 0.5, 1, 2, 4, 8, 16, 32) if best_hz[0] <= mark * 1000 <= best_hz[-1]]
    return _spaced([(float(np.searchsorted(best_hz, mark * 1000)), f"{mark:g}") for mark in marks], len(best_hz))


def _index_ticks(n_units: int) -> list[tuple[float, str]]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if n_units / step <= 7)
    return [(row + 0.5, str(row)) for row in range(0, n_units, step)]


def _spaced(ticks: list[tuple[float, str]], rows: int) -> list[tuple[float, str]]:
    """Return the ticks that are at least a tenth of the axis apart, from the bottom up."""
    kept: list[tuple[float, str]] = []
    for row, text in sorted(ticks):
        if not kept or row - kept[-1][0] >= rows / 10:
            kept.append((row, text))
    return kept
