"""The same panels in the same order and colours, drawn by matplotlib: for machines on which Qt does not load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rtstrf.display import style
from rtstrf.display.columns import peaks
from rtstrf.display.frequency_axis import frequency_ticks, has_frequencies
from rtstrf.display.history import History
from rtstrf.display.ranges import SlowCeiling, SlowSpan, nice_ceiling
from rtstrf.display.unit_order import default_units, order_units, unit_text
from rtstrf.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
LABEL_PT = 8


def draw(
    path: Path,
    history: History,
    *,
    size_px: Sequence[int],
    seconds: float,
    end_s: float | None = None,
    unit_order: str = "auto",
) -> None:
    """Write the picture as a PNG.

    Parameters
    ----------
    path : Path
    history : History
    size_px, seconds, end_s, unit_order
        As for `rtstrf.display.poster.save_picture`.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    require("matplotlib", "report")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size_px[0] / DPI, size_px[1] / DPI), dpi=DPI, facecolor=style.BACKGROUND)
    FigureCanvasAgg(figure)
    _Poster(figure, history, seconds, end_s, unit_order).draw()
    figure.savefig(path, format="png", dpi=DPI)


class _Poster:
    """One drawing: what all panels of it need."""

    def __init__(self, figure: Figure, history: History, seconds: float, end_s: float | None, unit_order: str) -> None:
        self.figure = figure
        self.history = history
        self.seconds = seconds
        self.stop = history.stop if end_s is None else round(end_s / history.bin_s)
        self.start = self.stop - round(seconds / history.bin_s)
        self.left_s = self.start * history.bin_s
        self.right_s = self.stop * history.bin_s
        self.order = order_units(history.greeting.units, history.n_units, unit_order)
        width, height = figure.get_size_inches() * DPI
        panels = {name: panel for name, panel in style.PANELS.items() if panel.topic in (*history.rings, "rates")}
        shares = [panel.share for panel in panels.values()]
        self.axes: dict[str, Axes] = dict(
            zip(
                panels,
                figure.subplots(
                    len(shares),
                    1,
                    sharex=True,
                    height_ratios=shares,
                    gridspec_kw={
                        "left": (style.AXIS_WIDTH_PX + 8) / width,
                        "right": 1 - (style.LEGEND_WIDTH_PX + 4) / width,
                        "top": 1 - 42 / height,
                        "bottom": 48 / height,
                        "hspace": 0.16,
                    },
                ),
                strict=True,
            )
        )

    def draw(self) -> None:
        """Draw the title and every panel."""
        for name, axes in self.axes.items():
            self._dress(name, axes)
        self._title()
        fill = {
            "level": self._level,
            "spectrogram": self._spectrogram,
            "onoff": self._on_off,
            "population": self._population,
            "raster": self._raster,
            "traces": self._traces,
        }
        for name, axes in self.axes.items():
            fill[name](axes)
        self._draw_marks()

    def _draw_marks(self) -> None:
        top = next(iter(self.axes.values()))
        for mark in self.history.marks:
            if self.start <= mark.bin <= self.stop:
                at_s = mark.bin * self.history.bin_s
                for axes in self.axes.values():
                    axes.axvline(at_s, color=style.MARK, lw=0.8, ls="--")
                top.text(
                    at_s,
                    0.97,
                    f" {mark.label}",
                    transform=top.get_xaxis_transform(),
                    color=style.MARK,
                    va="top",
                    fontsize=LABEL_PT,
                )

    def _read(self, topic: str) -> np.ndarray | None:
        return self.history.read(topic, self.start, self.stop)

    def _columns(self, topic: str) -> np.ndarray | None:
        """Return the bins of a topic as columns no narrower than a pixel: matplotlib would leave some bins out."""
        values = self._read(topic)
        width_px = int(next(iter(self.axes.values())).get_window_extent().width)
        return None if values is None else peaks(values, max(1, width_px - 1))

    def _dress(self, name: str, axes: Axes) -> None:
        axes.set_facecolor(style.PANEL)
        axes.tick_params(colors=style.MUTED, labelsize=LABEL_PT, length=3)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "left" or (side == "bottom" and name == "traces"))
            spine.set_color(style.AXIS)
        axes.set_xlim(self.left_s, self.right_s)
        axes.set_yticks([])
        axes.tick_params(bottom=name == "traces")
        if name == "traces":
            axes.set_xlabel("Time in the run (s)", color=style.MUTED, fontsize=LABEL_PT)
        axes.text(
            1.012, 1.0, style.PANELS[name].title, transform=axes.transAxes, va="top", color=style.TEXT, fontsize=9.5,
            weight="bold",
        )  # fmt: skip

    def _title(self) -> None:
        greeting = self.history.greeting
        facts = [greeting.source, f"{self.history.n_units} units, {greeting.bin_s * 1000:g} ms bins"]
        facts.append(greeting.guarantees)
        top = 1 - 14 / (self.figure.get_size_inches()[1] * DPI)
        left = style.MARGIN_PX / (self.figure.get_size_inches()[0] * DPI)
        name = self.figure.text(
            left, top, greeting.model or "rtstrf", color=style.TEXT, fontsize=14, weight="bold", va="top"
        )
        box = name.get_window_extent()
        told = "  ·  ".join(fact for fact in facts if fact)
        right = (box.x1 + 14) / (self.figure.get_size_inches()[0] * DPI)
        self.figure.text(right, top - 0.004, told, color=style.MUTED, fontsize=9.5, va="top")

    def _image(self, axes: Axes, argb: np.ndarray) -> None:
        """Show pixels (columns, rows), the first row at the bottom."""
        rgb = np.stack([(argb >> np.uint32(shift)) & np.uint32(255) for shift in (16, 8, 0)], axis=-1).astype(np.uint8)
        axes.imshow(
            rgb.transpose(1, 0, 2), origin="lower", aspect="auto", interpolation="nearest",
            extent=(self.left_s, self.right_s, 0, argb.shape[1]),
        )  # fmt: skip

    def _ticks(self, axes: Axes, ticks: list[tuple[float, str]], label: str) -> None:
        axes.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
        axes.set_ylabel(label, color=style.MUTED, fontsize=LABEL_PT)
        axes.yaxis.set_label_coords(-0.034, 0.5)

    def _bar(
        self, axes: Axes, colours: np.ndarray, low: float, high: float, unit: str, at: float = 0.0, name: str = ""
    ) -> None:
        """Draw a colour bar at the right of a panel."""
        bar = axes.inset_axes((1.012 + at, 0.14, 0.008, 0.56 if name else 0.62))
        bar.imshow(colours[:, None], origin="lower", aspect="auto", extent=(0, 1, low, high))
        bar.set_xticks([])
        bar.yaxis.tick_right()
        bar.set_yticks([low, high])
        bar.tick_params(colors=style.MUTED, labelsize=LABEL_PT, length=0)
        for spine in bar.spines.values():
            spine.set_visible(False)
        if name:
            bar.set_title(name, color=style.MUTED, fontsize=LABEL_PT, loc="left", pad=3)
        if unit:
            axes.text(
                1.012 + at, 0.0, unit, transform=axes.transAxes, color=style.MUTED, fontsize=LABEL_PT, va="bottom"
            )

    def _level(self, axes: Axes) -> None:
        level_db = self._read("level")
        if level_db is None or not np.isfinite(level_db).any():
            return
        span = SlowSpan(10.0, narrowest=40.0, widest=80.0, low=20.0, high=90.0)
        span.update(level_db, 0.0)
        time_s = (np.arange(self.start, self.stop) + 0.5) * self.history.bin_s
        axes.fill_between(time_s, span.low, np.maximum(level_db[:, 0], span.low), color=style.LEVEL_FILL, lw=0)
        axes.plot(time_s, level_db[:, 0], color=style.LEVEL_LINE, lw=0.8)
        axes.set_ylim(span.low, span.high)
        ticks = np.arange(np.ceil(span.low / 20) * 20, span.high + 1, 20)
        self._ticks(axes, [(float(tick), f"{tick:.0f}") for tick in ticks], "dB SPL")

    def _label_frequencies(self, axes: Axes, n_bands: int) -> None:
        bands_hz = self.history.greeting.bands_hz
        label = "Freq. (kHz)" if has_frequencies(bands_hz, n_bands) else "Band"
        self._ticks(axes, frequency_ticks(bands_hz, n_bands), label)

    def _spectrogram(self, axes: Axes) -> None:
        values, columns = self._read("spectrogram"), self._columns("spectrogram")
        if values is None or columns is None:
            return
        span = SlowSpan(1.0, narrowest=3.0, widest=7.0, percentiles=(5.0, 99.8))
        if not span.update(values, 0.0):
            return
        self._image(axes, style.pixels(columns, style.spectrogram_map(), span.low, span.high))
        self._label_frequencies(axes, values.shape[1])
        self._bar(axes, style.spectrogram_map(), span.low, span.high, "log amplitude")

    def _on_off(self, axes: Axes) -> None:
        values, columns = self._read("onoff"), self._columns("onoff")
        if values is None or columns is None:
            return
        bands = values.shape[1] // 2
        on, off = values[:, :bands], values[:, bands : 2 * bands]
        scales = SlowCeiling(0.5), SlowCeiling(0.5)
        for scale, half in zip(scales, (on, off), strict=True):
            scale.update(half, 0.0)
        on, off = columns[:, :bands], columns[:, bands : 2 * bands]
        self._image(axes, style.on_off_pixels(on, off, scales[0].high, scales[1].high))
        self._label_frequencies(axes, bands)
        self._bar(axes, style.on_map(), 0, scales[0].high, "log amplitude", name="ON")
        self._bar(axes, style.off_map(), 0, scales[1].high, "", at=0.036, name="OFF")

    def _population(self, axes: Axes) -> None:
        rates_hz, columns = self._read("rates"), self._columns("rates")
        if rates_hz is None or columns is None:
            return
        scale = SlowCeiling(20.0)
        scale.update(rates_hz, 0.0)
        self._image(axes, style.pixels(columns[:, self.order.index], style.rates_map(), 0.0, scale.high))
        self._ticks(axes, self.order.ticks, self.order.label)
        self._bar(axes, style.rates_map(), 0.0, scale.high, "Hz")

    def _raster(self, axes: Axes) -> None:
        columns = self._columns("spikes")
        if columns is None or columns.shape[1] != len(self.order.index):
            return
        self._image(axes, style.pixels(columns[:, self.order.index], style.spikes_map(), 0.0, 1.0))
        self._ticks(axes, self.order.ticks, self.order.label)

    def _traces(self, axes: Axes) -> None:
        rates_hz = self._read("rates")
        if rates_hz is None:
            return
        units = default_units(self.history.greeting.units, self.history.n_units)
        time_s = (np.arange(self.start, self.stop) + 0.5) * self.history.bin_s
        for line, unit in enumerate(units):
            colour = style.TRACE_COLOURS[line]
            axes.plot(time_s, rates_hz[:, unit], color=colour, lw=1.0)
            name = unit_text(self.history.greeting.units, unit)
            at = 0.76 - 0.16 * line
            axes.text(1.012, at, "–", transform=axes.transAxes, color=colour, fontsize=12, weight="bold", va="center")
            axes.text(1.022, at, name, transform=axes.transAxes, color=style.MUTED, fontsize=LABEL_PT, va="center")
        finite = rates_hz[:, units][np.isfinite(rates_hz[:, units])]
        high = nice_ceiling(max(20.0, float(finite.max()) * 1.05)) if finite.size else 20.0
        axes.set_ylim(0, high)
        self._ticks(axes, [(value, f"{value:g}") for value in (0.0, high / 2, high)], "Rate (Hz)")
        self._mark(units)

    def _mark(self, units: list[int]) -> None:
        """Mark the rows of the chosen units at the left edge of the population."""
        row_of = {int(unit): row for row, unit in enumerate(self.order.index)}
        for line, unit in enumerate(units):
            self.axes["population"].plot(
                [self.left_s],
                [row_of[unit] + 0.5],
                marker=9,
                ms=7,
                color=style.TRACE_COLOURS[line],
                clip_on=False,
                mec=style.PANEL,
                mew=0.5,
            )
