"""Text over the picture: what is waited for, and the keys."""

from __future__ import annotations

import html

from PyQt6 import QtCore, QtWidgets

from rtstrf.display import style

KEYS = (
    ("Space", "pause, go on"),
    ("← →, wheel, drag", "scroll back and forth"),
    ("Home, End", "oldest, live"),
    ("+ −, Ctrl wheel", "less or more time in view"),
    ("click a row", "add or remove the unit's trace"),
    ("C", "remove all traces"),
    ("O", "sort by depth, best frequency, model"),
    ("S", "save the picture as PNG"),
    ("F", "full screen"),
    ("?, H", "this help"),
    ("Q", "quit"),
)


class Overlay(QtWidgets.QLabel):
    """A box in the middle of its parent."""

    def __init__(self, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self.setTextFormat(QtCore.Qt.TextFormat.RichText)
        self.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setStyleSheet(
            f"background: rgba(15, 18, 22, 238); color: {style.TEXT}; border: 1px solid {style.GRID}; "
            "border-radius: 6px; padding: 18px 26px;"
        )
        self.hide()

    def show_text(self, text: str) -> None:
        """Show rich text in the middle."""
        if text != self.text():
            self.setText(text)
        self.adjustSize()
        parent = self.parentWidget()
        if parent is not None:
            self.move((parent.width() - self.width()) // 2, (parent.height() - self.height()) // 2)
        self.show()
        self.raise_()


def keys_text() -> str:
    """Return the table of keys."""
    rows = "".join(
        f'<tr><td style="padding:3px 22px 3px 0; color:{style.TEXT}; font-weight:600">{html.escape(keys)}</td>'
        f'<td style="padding:3px 0; color:{style.MUTED}">{html.escape(what, quote=False)}</td></tr>'
        for keys, what in KEYS
    )
    return f"<table>{rows}</table>"


def waiting_text(endpoint: str, connected: bool) -> str:
    """Return what to show before any rates have come."""
    first = "Connected to" if connected else "Listening to"
    second = (
        "no rates yet" if connected else "nothing received yet; start a simulator with:  rtstrf live --source scene"
    )
    return (
        f'<div style="font-size:17px">{first} <b>{html.escape(endpoint)}</b></div>'
        f'<div style="margin-top:8px; color:{style.MUTED}">{html.escape(second)}</div>'
    )
