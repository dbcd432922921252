"""The line above the picture (what is shown) and the line below it (how it is)."""

from __future__ import annotations

import html

from PyQt6 import QtCore, QtWidgets

from rtstrf.display import style
from rtstrf.display.greeting import Greeting
from rtstrf.display.health import Report

WIDE_PX = 1000
KEYS_HINT = "? for keys"

DOTS = {
    "waiting": style.MUTED,
    "good": style.GOOD,
    "caution": style.CAUTION,
    "ended": style.MUTED,
    "alarm": style.ALARM_TEXT,
}


class TitleLine(QtWidgets.QWidget):
    """Model, source and guarantees at the left; what is under the cursor at the right."""

    def __init__(self) -> None:
        super().__init__()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(style.MARGIN_PX, 10, style.MARGIN_PX, 4)
        self._title = _label(self)
        self._title.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Preferred)
        self._read_out = _label(self)
        layout.addWidget(self._title, 1)
        layout.addWidget(self._read_out, 0)
        self.read_out("")

    def greet(self, greeting: Greeting, n_units: int) -> None:
        """Show what the greeting tells."""
        facts = [greeting.source]
        if n_units:
            facts.append(f"{n_units} units, {greeting.bin_s * 1000:g} ms bins")
        if greeting.guarantees and self.width() >= WIDE_PX:
            facts.append(greeting.guarantees)
        told = "&nbsp;&nbsp;·&nbsp;&nbsp;".join(html.escape(fact) for fact in facts if fact)
        model = html.escape(greeting.model or "rtstrf")
        _set(
            self._title,
            f'<span style="font-size:19px; font-weight:600; color:{style.TEXT}">{model}</span>'
            f'<span style="color:{style.MUTED}">&nbsp;&nbsp;&nbsp;{told}</span>',
        )

    def read_out(self, text: str) -> None:
        """Show what is under the cursor, or how to find the keys where nothing is."""
        spaced = html.escape(text or KEYS_HINT).replace(" ", "&nbsp;")
        _set(self._read_out, f'<span style="color:{style.TEXT if text else style.AXIS}">{spaced}</span>')


class HealthStrip(QtWidgets.QWidget):
    """State in words at the left, numbers at the right; red with white text when something is badly wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_StyledBackground)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(style.MARGIN_PX, 5, style.MARGIN_PX, 6)
        self._words = _label(self)
        self._words.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Preferred)
        self._numbers = _label(self)
        layout.addWidget(self._words, 1)
        layout.addWidget(self._numbers, 0)
        self._severity = ""
        self.text = ""

    def show_report(self, report: Report, notice: str = "") -> None:
        """Show the health; a notice takes the place of the words unless they are an alarm."""
        alarm = report.severity == "alarm"
        if report.severity != self._severity:
            self._severity = report.severity
            self.setStyleSheet(f"HealthStrip {{ background: {style.ALARM_BACKGROUND if alarm else style.PANEL}; }}")
        self.text = notice if notice and not alarm else report.words
        colour = style.ALARM_TEXT if alarm else style.TEXT
        dot = f'<span style="color:{DOTS[report.severity]}">●</span>&nbsp;&nbsp;'
        _set(self._words, f'{dot}<span style="color:{colour}">{html.escape(self.text)}</span>')
        name_colour = style.ALARM_TEXT if alarm else style.MUTED
        fields = [
            f'<span style="color:{name_colour}">{name}</span>&nbsp;<span style="color:{colour}">{value}</span>'
            for name, value in self._fields(report)
        ]
        _set(self._numbers, "&nbsp;&nbsp;&nbsp;&nbsp;".join(fields))

    def _fields(self, report: Report) -> list[tuple[str, str]]:
        """Return names and values, fewer where the window is narrow: words come first."""
        fields = [("age", seconds_text(report.age_s))]
        if self.width() >= WIDE_PX:
            fields += [("latency p50 / p99", latency_text(report)), ("load p50 / p99", load_text(report))]
            fields += [("xruns", str(report.xruns))]
        return [*fields, ("lost", str(report.messages_lost))]


def seconds_text(seconds: float | None) -> str:
    """Return a short time in ms or s; a dash for None.

    Examples
    --------
    >>> seconds_text(0.0124), seconds_text(4.21), seconds_text(None)
    ('12 ms', '4.2 s', '–')
    """
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def latency_text(report: Report) -> str:
    """Return the median and the 99th percentile of the latency."""
    if report.latency_p50_ms is None or report.latency_p99_ms is None:
        return "–"
    pair = report.latency_p50_ms, report.latency_p99_ms
    p50, p99 = (f"{value:.1f}" if value < 100 else f"{value:.0f}" for value in pair)
    return f"{p50} / {p99} ms"


def load_text(report: Report) -> str:
    """Return the median and the 99th percentile of the load."""
    if report.load_p50 is None or report.load_p99 is None:
        return "–"
    return f"{report.load_p50 * 100:.0f} / {report.load_p99 * 100:.0f} %"


def _label(parent: QtWidgets.QWidget) -> QtWidgets.QLabel:
    label = QtWidgets.QLabel(parent)
    label.setTextFormat(QtCore.Qt.TextFormat.RichText)
    return label


def _set(label: QtWidgets.QLabel, text: str) -> None:
    if label.text() != text:
        label.setText(text)
