"""The picture as a PNG, without a screen: by Qt in a process of its own, or by matplotlib where Qt does not load."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rtstrf.display.history import History
from rtstrf.display.qt import LIBRARIES_HINT, quiet_environment
from rtstrf.errors import MissingExtraError, RtstrfError, UserError

SIZE_PX = (1600, 1000)
TIMEOUT_S = 60.0
DRAWERS = ("auto", "qt", "matplotlib")


class DrawingError(RtstrfError):
    """One way of drawing does not work here."""


def save_picture(
    path: str | os.PathLike[str],
    history: History,
    hello: Mapping[str, Any] | None = None,
    *,
    size_px: tuple[int, int] = SIZE_PX,
    seconds: float = 10.0,
    end_s: float | None = None,
    unit_order: str = "auto",
    drawer: str = "auto",
) -> str:
    """Write the picture of a history as a PNG, the same as the window shows; no screen is needed.

    Parameters
    ----------
    path : path
        Nothing half-written is left there.
    history : History
        What to show.
    hello : mapping, optional
        The greeting, where the history has not received it.
    size_px : (int, int), optional
        Width and height.
    seconds : float, optional
        Time in view.
    end_s : float, optional
        Time in the run at which the picture ends; its newest where not given.
    unit_order : str, optional
        As `unit_order.ORDERS`.
    drawer : str, optional
        ``qt``, ``matplotlib``, or ``auto``: the first of them that works here.

    Returns
    -------
    drawer : str
        Which one drew it.

    Raises
    ------
    MissingExtraError
        If neither Qt nor matplotlib can draw here.
    UserError
        If nothing was received, or the file cannot be written.
    """
    if not history.rings and not history.hello:
        raise UserError("there is nothing to draw: nothing was received", remedy="draw after messages have come")
    if drawer not in DRAWERS:
        raise UserError(f"pictures cannot be drawn by {drawer!r}", remedy=f"choose from {', '.join(DRAWERS)}")
    where = Path(path)
    part = where.with_name(f".{where.name}.part")
    options = {"size_px": list(size_px), "seconds": seconds, "end_s": end_s, "unit_order": unit_order}
    try:
        used = _draw(part, history, hello, options, drawer)
        os.replace(part, where)
    except OSError as error:
        raise UserError(f"the picture cannot be written to {where}: {error}", remedy="choose another path") from None
    finally:
        part.unlink(missing_ok=True)
    return used


def _draw(part: Path, history: History, hello: Mapping[str, Any] | None, options: dict[str, Any], drawer: str) -> str:
    reasons = []
    if not part.parent.is_dir():
        raise NotADirectoryError(f"no such folder: {part.parent}")
    if drawer in ("auto", "qt"):
        try:
            _draw_with_qt(part, history, hello, options)
            return "qt"
        except DrawingError as error:
            reasons.append(str(error))
    if drawer in ("auto", "matplotlib"):
        if importlib.util.find_spec("matplotlib") is not None:
            from rtstrf.display.poster_matplotlib import draw

            draw(part, with_hello(history, hello), **options)
            return "matplotlib"
        reasons.append("matplotlib is not installed")
    raise MissingExtraError(
        f"no picture can be drawn here: {'; '.join(reasons)}",
        remedy=f'run: pip install "rtstrf[report]" for matplotlib, or for Qt: {LIBRARIES_HINT}',
    )


def with_hello(history: History, hello: Mapping[str, Any] | None) -> History:
    """Return a history that has its greeting: itself, or a copy with the one given."""
    if hello is None or history.hello:
        return history
    copy = History(history.seconds)
    copy.run = history.run
    copy._greet(dict(hello))
    for topic, ring in history.rings.items():
        copy.write(topic, ring.start, ring.read(ring.start, ring.stop))
    copy.marks.extend(history.marks)
    return copy


def _draw_with_qt(part: Path, history: History, hello: Mapping[str, Any] | None, options: dict[str, Any]) -> None:
    """Draw in a process of its own: Qt ends a process where something is missing, and wants the main thread."""
    if importlib.util.find_spec("PyQt6") is None or importlib.util.find_spec("pyqtgraph") is None:
        raise DrawingError("Qt is not installed")
    environment = quiet_environment() | {"QT_QPA_PLATFORM": "offscreen"}
    with tempfile.TemporaryDirectory(prefix="rtstrf-") as folder:
        environment.setdefault("XDG_RUNTIME_DIR", folder)
        data = Path(folder) / "history.npz"
        with_hello(history, hello).save(data)
        command = [sys.executable, "-m", "rtstrf.display.poster", str(data), str(part), json.dumps(options)]
        try:
            drawn = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment)
        except subprocess.TimeoutExpired:
            raise DrawingError(f"Qt did not draw within {TIMEOUT_S:g} s") from None
    if drawn.returncode != 0 or not part.is_file():
        last = [line for line in drawn.stderr.splitlines() if line.strip()][-1:] or [f"ended with {drawn.returncode}"]
        raise DrawingError(f"Qt cannot draw here: {last[0][:200]}")


def draw_with_qt_here(path: Path, history: History, options: Mapping[str, Any]) -> None:
    """Draw in this process and this thread, which must be the main one."""
    from rtstrf.display.qt import application, release

    app = application()
    from PyQt6 import QtCore

    from rtstrf.display.window import Window

    window = Window(seconds=options["seconds"], unit_order=options["unit_order"], history=history)
    window.setAttribute(QtCore.Qt.WidgetAttribute.WA_DontShowOnScreen)
    window.resize(*options["size_px"])
    window.show()
    app.processEvents()
    window.show_still(options["end_s"])
    app.processEvents()
    window.save_picture(path)
    release(window)


def main(arguments: list[str]) -> int:
    """Draw what `save_picture` wrote for this process."""
    data, path, options = arguments
    try:
        draw_with_qt_here(Path(path), History.load(data), json.loads(options))
    except RtstrfError as error:
        print(error.what, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
