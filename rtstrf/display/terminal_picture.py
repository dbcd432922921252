"""What the terminal shows: lines of coloured blocks, from the same history, order and colours as the window."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from rtstrf.display import blocks, style
from rtstrf.display.columns import ColumnRing
from rtstrf.display.frequency_axis import frequency_ticks
from rtstrf.display.health import Health
from rtstrf.display.history import History
from rtstrf.display.ranges import SlowCeiling, SlowSpan
from rtstrf.display.unit_order import UnitOrder, order_units

LABEL_COLUMNS = 9
LEAST_COLUMNS, LEAST_LINES = 40, 12
ONOFF_FROM_LINES = 26
SAMPLED_VALUES = 20_000
FEW_COLOURS = (None, "standard", "windows")
MUTED = Style(color=style.MUTED)
TEXT = Style(color=style.TEXT, bold=True)


class TerminalPicture:
    """A rich renderable of a history.

    Parameters
    ----------
    history : History
    health : Health
    seconds : float
        Time in view.
    unit_order : str
        As `unit_order.ORDERS`.
    clock : callable
        Returns local monotonic nanoseconds.
    """

    def __init__(
        self, history: History, health: Health, seconds: float, unit_order: str, clock: Callable[[], int]
    ) -> None:
        self.history = history
        self.health = health
        self.seconds = seconds
        self._unit_order = unit_order
        self._clock = clock
        self._rates = SlowCeiling(20.0)
        self._on, self._off = SlowCeiling(0.5), SlowCeiling(0.5)
        self._span = SlowSpan(1.0, narrowest=3.0, widest=7.0, percentiles=(5.0, 99.8))
        self._columns: dict[str, ColumnRing] = {}
        self._keyed: tuple[object, ...] = ()
        self._scaled_s = -math.inf

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw everything in the lines there are."""
        width, height = options.max_width - 1, (options.height or console.height) - 1
        lines = [self._title(width)]
        if width < LEAST_COLUMNS or height < LEAST_LINES:
            lines += [self._level(width), self._health(width)]
        elif self.history.rings:
            lines += self._panels(console, width, height - 4)
            lines += [self._time_axis(width), self._level(width), self._health(width)]
        else:
            lines.append(self._health(width))
        for line in lines:
            yield from Segment.adjust_line_length(line, width, pad=False)
            yield Segment.line()

    def _title(self, width: int) -> list[Segment]:
        greeting = self.history.greeting
        name = (greeting.model or "rtstrf")[:width]
        facts = [greeting.source, f"{self.history.n_units} units" if self.history.n_units else "", greeting.guarantees]
        told = "   " + " · ".join(fact for fact in facts if fact)
        return [Segment(name, TEXT), Segment(told[: max(0, width - len(name))], MUTED)]

    def _panels(self, console: Console, width: int, height: int) -> list[list[Segment]]:
        topics = [topic for topic in ("spectrogram", "onoff", "rates") if topic in self.history.rings]
        if height < ONOFF_FROM_LINES and "onoff" in topics and len(topics) > 1:
            topics.remove("onoff")
        shares = {topic: 2.0 if topic == "rates" else 1.0 for topic in topics}
        columns = width - LABEL_COLUMNS
        bins_per_column = self.seconds / self.history.bin_s / columns
        self._rescale(bins_per_column * columns)
        lines: list[list[Segment]] = []
        left = height
        for index, topic in enumerate(topics):
            share = shares[topic] / sum(shares[other] for other in topics[index:])
            count = max(2, round(left * share))
            left -= count
            lines += self._image(console, topic, columns, count, bins_per_column)
        return lines

    def _image(
        self, console: Console, topic: str, columns: int, lines: int, bins_per_column: float
    ) -> list[list[Segment]]:
        ring = self.history.rings[topic]
        image = self._columns.get(topic)
        if image is None or (image.rows, image.width, image.bins_per_column) != (2 * lines, columns, bins_per_column):
            image = self._columns[topic] = ColumnRing(2 * lines, columns, bins_per_column)
        stop = image.last_complete(self.history.stop)
        image.show(stop, ring, lambda values: self._paint(topic, values, 2 * lines))
        view = np.full((2 * lines, columns), 0xFF000000 | int(style.PANEL[1:], 16), np.uint32)
        for source, at, count in image.pieces(int(ring.start / bins_per_column)):
            view[:, at : at + count] = image.pixels[:, source : source + count]
        if console.color_system in FEW_COLOURS:
            unicode = console.encoding.lower().startswith("utf")
            drawn = blocks.shades(view, blocks.UNICODE_SHADES if unicode else blocks.ASCII_SHADES)
        else:
            drawn = blocks.half_blocks(view)
        labels = self._labels(topic, lines)
        return [[Segment(f"{labels.get(at, ''):>{LABEL_COLUMNS - 1}} ", MUTED), *line] for at, line in enumerate(drawn)]

    def _paint(self, topic: str, values: np.ndarray, rows: int) -> np.ndarray:
        if topic == "spectrogram":
            return style.pixels(blocks.grouped(values, rows), style.spectrogram_map(), self._span.low, self._span.high)
        if topic == "onoff":
            bands = values.shape[1] // 2
            on, off = (blocks.grouped(half, rows) for half in (values[:, :bands], values[:, bands : 2 * bands]))
            return style.on_off_pixels(on, off, self._on.high, self._off.high)
        values = values[:, self._order(values.shape[1]).index]
        return style.pixels(blocks.grouped(values, rows), style.rates_map(), 0.0, self._rates.high)

    def _labels(self, topic: str, lines: int) -> dict[int, str]:
        """Return the texts at the left, by line from the top: ticks, and what they count in the first line."""
        greeting = self.history.greeting
        if topic == "rates":
            order = self._order(self.history.n_units)
            channels, ticks = self.history.n_units, order.ticks
            first = {"depth": "µm", "frequency": "kHz"}.get(order.name, "unit")
        else:
            channels = self.history.n_bands
            known = len(greeting.bands_hz) == channels
            ticks, first = frequency_ticks(greeting.bands_hz, channels), "kHz" if known else "band"
        labels: dict[int, str] = {}
        for at, text in ticks:
            labels[min(lines - 1, int((1 - at / channels) * lines))] = text
        labels[0] = {"spectrogram": first, "onoff": "ON OFF", "rates": first}[topic]
        return labels

    def _rescale(self, bins: float) -> None:
        now_s = self._clock() / 1e9
        if now_s - self._scaled_s < 0.25:
            return
        self._scaled_s = now_s
        start, stop = self.history.stop - int(bins), self.history.stop
        changed = set()
        for topic, scale, channels in self._scales():
            values = self.history.read(topic, start, stop)
            if values is not None:
                shown = self._as_shown(topic, values[:: max(1, values.size // SAMPLED_VALUES), channels])
                if scale.update(shown, now_s):
                    changed.add(topic)
        for topic in changed:
            self._columns.pop(topic, None)
        keyed = (self.history.run_number, id(self.history.greeting))
        if keyed != self._keyed:
            self._keyed = keyed
            self._columns.clear()

    def _scales(self) -> Iterator[tuple[str, SlowCeiling | SlowSpan, slice]]:
        yield "spectrogram", self._span, slice(None)
        yield "rates", self._rates, slice(None)
        if "onoff" in self.history.rings:
            bands = self.history.rings["onoff"].channels // 2
            yield "onoff", self._on, slice(0, bands)
            yield "onoff", self._off, slice(bands, None)

    def _as_shown(self, topic: str, values: np.ndarray) -> np.ndarray:
        """Return rates as the rows of the picture: the mean of several units is lower than their peaks."""
        if topic != "rates" or topic not in self._columns:
            return values
        return blocks.grouped(values[:, self._order(values.shape[1]).index], self._columns[topic].rows)

    def _order(self, n_units: int) -> UnitOrder:
        return order_units(self.history.greeting.units, n_units, self._unit_order)

    def _time_axis(self, width: int) -> list[Segment]:
        columns = width - LABEL_COLUMNS
        text = [" "] * columns
        marks = [f"-{self.seconds:g} s", f"-{self.seconds / 2:g} s", "now"]
        for mark, at in zip(marks, (0, columns // 2 - len(marks[1]) // 2, columns - len(marks[2])), strict=True):
            text[at : at + len(mark)] = mark
        return [Segment(" " * LABEL_COLUMNS + "".join(text), MUTED)]

    def _level(self, width: int) -> list[Segment]:
        stop = self.history.stop
        recent = recent_bins(self.history, "level", stop - max(1, round(0.1 / self.history.bin_s)), stop)
        scale = f"0 to {self._rates.high:g} Hz" if self.history.n_units else ""
        if recent is None:
            return [Segment(f"{'':{LABEL_COLUMNS}}colours {scale}"[:width], MUTED)]
        level_db = float(recent.mean())
        room = max(4, min(40, width - LABEL_COLUMNS - 36))
        filled = round(min(max((level_db - 20) / 80, 0), 1) * room)
        return [
            Segment(f"{level_db:{LABEL_COLUMNS - 1}.0f} ", TEXT),
            Segment("dB SPL ", MUTED),
            Segment("━" * filled, Style(color=style.GOOD)),
            Segment("─" * (room - filled), Style(color=style.GRID)),
            Segment(f"   rates {scale}" if scale else "", MUTED),
        ]

    def _health(self, width: int) -> list[Segment]:
        report = self.health.report(self._clock())
        text = f" {report.words}"
        if report.latency_p50_ms is not None:
            text += f"   latency p50 {report.latency_p50_ms:.1f} p99 {report.latency_p99_ms:.1f} ms"
        text += f"   xruns {report.xruns}   lost {report.messages_lost}"
        if report.severity == "alarm":
            return [Segment(text[:width].ljust(width), Style(color=style.ALARM_TEXT, bgcolor=style.ALARM_BACKGROUND))]
        colours = {"good": style.GOOD, "caution": style.CAUTION}
        dot = Segment("●", Style(color=colours.get(report.severity, style.MUTED)))
        return [dot, Segment(text[: width - 1], MUTED)]


def recent_bins(history: History, topic: str, start: int, stop: int) -> np.ndarray | None:
    """Return the bins of a topic that are known, None where there are none: shape (n, m)."""
    values = history.read(topic, start, stop)
    if values is None:
        return None
    known = values[np.isfinite(values).all(axis=1)]
    return known if known.size else None
