"""The plots of a report, as SVG; drawn by matplotlib without a screen and without its global state."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from rtstrf.checkpoints.sidecar import Unit
from rtstrf.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with any kind of colour vision tell apart; each has a line style too.
COMPUTING = "#0072B2"
LATENCY = "#D55E00"
DEADLINE = "#444444"
INK = "#1f2328"
MUTED = "#667080"
GRID = "#e4e7eb"

WIDTH_IN = 9.6
COLUMNS = 1200  # of a timeline or heat map: more bins than that share a column
PERCENTS = (50.0, 99.0, 99.9)


def require_matplotlib() -> None:
    """Raise MissingExtraError, naming the extra, if there is no matplotlib."""
    require("matplotlib", "report")


def timeline(series: Sequence[tuple[str, str, np.ndarray]], bin_s: float, borders_s: Sequence[float]) -> str:
    """Draw times over the course of the sound, on a log axis, against the deadline.

    Parameters
    ----------
    series : sequence of (name, colour, values_ms)
        Values of shape (bins,), milliseconds. Where bins share a column, the line is their median and the shade
        reaches from the least to the greatest, so that no outlier is lost.
    bin_s : float
    borders_s : sequence of float
        Where one sound ends and the next begins.

    Returns
    -------
    svg : str
    """
    figure = _figure(2.9)
    axes = figure.add_subplot()
    for name, colour, values_ms in series:
        low, middle, high = (in_columns(values_ms, reduce) for reduce in (np.min, np.median, np.max))
        t_s = (np.arange(len(middle)) + 0.5) * len(values_ms) * bin_s / len(middle)
        if len(middle) < len(values_ms):
            axes.fill_between(t_s, low, high, color=colour, alpha=0.28, linewidth=0)
        axes.plot(t_s, middle, color=colour, linewidth=1.0, label=name)
    axes.axhline(1e3 * bin_s, color=DEADLINE, linestyle="--", linewidth=1.2, label=f"deadline, {1e3 * bin_s:g} ms")
    for border_s in borders_s:
        axes.axvline(border_s, color=MUTED, linewidth=0.8, linestyle=":")
    axes.set_yscale("log")
    axes.set_xlim(0, max(len(values) for _, _, values in series) * bin_s)
    axes.set_xlabel("sound (s)")
    axes.set_ylabel("ms a hop")
    _plain_log_ticks(axes, "y")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.17), ncols=4, frameon=False, borderaxespad=0)
    return _svg(figure)


def distribution(name: str, colour: str, values_ms: np.ndarray, deadline_ms: float) -> str:
    """Draw a histogram, and below it the share of bins that took longer, both over a log axis of milliseconds.

    Parameters
    ----------
    name, colour : str
    values_ms : ndarray, shape (bins,)
        Above 0.
    deadline_ms : float

    Returns
    -------
    svg : str
    """
    figure = _figure(4.2)
    top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1, 1]})
    ordered = np.sort(np.maximum(values_ms, 1e-6))
    low, high = min(ordered[0], deadline_ms) * 0.8, max(ordered[-1], deadline_ms) * 1.6
    top.hist(ordered, bins=np.geomspace(low, high, 90).tolist(), color=colour, alpha=0.85)
    top.set_ylabel("bins")
    share_slower = 1.0 - np.arange(len(ordered)) / len(ordered)  # at each value: this one or slower
    at = np.unique(np.concatenate([np.geomspace(1, len(ordered), 2000).astype(int), [len(ordered)]]))
    at = len(ordered) - at[::-1]  # dense where the tail is
    bottom.step(ordered[at], share_slower[at], where="pre", color=colour, linewidth=1.6)
    bottom.set_yscale("log")
    bottom.set_ylim(0.6 / len(ordered), 1.5)
    bottom.set_ylabel("share of bins\nas slow or slower")
    bottom.set_xlabel(f"{name} (ms)")
    for percent in PERCENTS:
        value = float(np.percentile(ordered, percent))
        share = max(1 - percent / 100, 1 / len(ordered))
        bottom.plot(value, share, "o", color=INK, markersize=4)
        bottom.annotate(f"p{percent:g}  {value:.3g} ms", (value, share), (7, 4), textcoords="offset points", color=INK)
    for axes in (top, bottom):
        axes.axvline(deadline_ms, color=DEADLINE, linestyle="--", linewidth=1.2)
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        _plain_log_ticks(axes, "x")
    top.annotate(
        f"deadline, {deadline_ms:g} ms",
        (deadline_ms, 1),
        (-5, -12),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right",
        color=DEADLINE,
    )
    return _svg(figure)


def population(rates_hz: np.ndarray, level_db_spl: np.ndarray, bin_s: float, units: Sequence[Unit]) -> str:
    """Draw the rates of all units as a heat map under the level of the sound.

    Parameters
    ----------
    rates_hz : ndarray, shape (bins, units), float32
        Where bins share a column, it shows their mean.
    level_db_spl : ndarray, shape (bins,)
    bin_s : float
    units : sequence of Unit
        Shown from the least to the greatest depth where all are known, else by best frequency, else as they come.

    Returns
    -------
    svg : str
    """
    from matplotlib.colors import PowerNorm

    order, label = unit_order(units)
    image = np.stack([in_columns(rates_hz[:, unit], np.mean) for unit in order])  # (units, columns)
    length_s = len(rates_hz) * bin_s
    figure = _figure(3.9)
    grid = figure.add_gridspec(2, 2, height_ratios=[1, 4], width_ratios=[60, 1], wspace=0.03, hspace=0.06)
    level = figure.add_subplot(grid[0, 0])
    heat = figure.add_subplot(grid[1, 0], sharex=level)
    loudest = in_columns(level_db_spl, np.max)
    t_s = (np.arange(len(loudest)) + 0.5) * length_s / len(loudest)
    level.fill_between(t_s, loudest, color=MUTED, alpha=0.35, linewidth=0)
    level.plot(t_s, loudest, color=INK, linewidth=0.7)
    level.set_ylim(0, max(60.0, float(loudest.max()) * 1.1))
    level.set_ylabel("dB SPL")
    level.tick_params(labelbottom=False)
    brightest = max(float(np.percentile(image, 99.7)), 1e-3)
    shown = heat.imshow(
        image,
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        norm=PowerNorm(0.6, vmin=0.0, vmax=brightest),
        extent=(0.0, length_s, len(order), 0.0),
    )
    heat.set_ylabel(label)
    heat.set_xlabel("sound (s)")
    heat.grid(False)
    level.set_xlim(0, length_s)
    bar = figure.colorbar(shown, cax=figure.add_subplot(grid[1, 1]), extend="max")
    bar.set_label("rate (Hz)")
    bar.outline.set_visible(False)
    return _svg(figure)


def unit_order(units: Sequence[Unit]) -> tuple[list[int], str]:
    """Return the order in which units are shown, and the label that says so."""
    for name, label in (("depth_um", "unit, by depth"), ("best_frequency_hz", "unit, by best frequency")):
        values = [getattr(unit, name) for unit in units]
        if units and all(value is not None for value in values):
            return sorted(range(len(units)), key=lambda index: values[index]), label
    return list(range(len(units))), "unit"


def in_columns(values: np.ndarray, reduce: Any) -> np.ndarray:
    """Return at most COLUMNS values, each the reduction (np.min, np.mean...) of neighbours of shape (bins,).

    Examples
    --------
    >>> in_columns(np.arange(2 * COLUMNS), np.max)[:3].tolist()
    [1, 3, 5]
    """
    if len(values) <= COLUMNS:
        return values
    edges = np.linspace(0, len(values), COLUMNS + 1).astype(int)
    return np.array([reduce(values[a:b]) for a, b in pairwise(edges)])


def _figure(height_in: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


def _plain_log_ticks(axes: Axes, which: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=14))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _svg(figure: Figure) -> str:
    """Return the figure as SVG in the style of the page, the same bytes for the same data."""
    import matplotlib

    for axes in figure.axes:
        axes.tick_params(colors=MUTED, labelsize=9)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(GRID)
        for text in (axes.xaxis.label, axes.yaxis.label):
            text.set_color(INK)
            text.set_fontsize(10)
        if not axes.images:
            axes.set_axisbelow(True)
            axes.grid(True, color=GRID, linewidth=0.8)
        for note in axes.texts:
            note.set_fontsize(9)
    drawn = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "rtstrf", "savefig.dpi": 160}):
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return drawn.getvalue()
