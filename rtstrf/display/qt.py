"""Qt, loaded where it can be, with a plain sentence where it cannot: libraries, screens, fonts, messages."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstrf.display.style import FONT_FAMILIES
from rtstrf.errors import UserError
from rtstrf.extras import require

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QApplication, QWidget

LIBRARIES_HINT = (
    "install the libraries that Qt needs; on Debian and Ubuntu: apt install libegl1 libgl1 libxkbcommon0 libdbus-1-3 "
    "libfontconfig1 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libxkbcommon-x11-0"
)

_PROBE = (
    "import sys; from PyQt6.QtWidgets import QApplication; app = QApplication([]); print('ready', flush=True); "
    "sys.stdin.read()"
)
_log = logging.getLogger("rtstrf.display")


def load() -> None:
    """Import Qt and PyQtGraph.

    Raises
    ------
    MissingExtraError
        If one is not installed, or a library of the system that Qt needs is missing.
    """
    for module in ("PyQt6.QtWidgets", "pyqtgraph"):
        require(module, "display", system_hint=LIBRARIES_HINT)


def screen_problem(timeout_s: float = 20.0) -> str | None:
    """Return why a window cannot be opened here, in one sentence, or None where it can."""
    with probed_screen(timeout_s) as problem:
        return problem


@contextmanager
def probed_screen(timeout_s: float = 20.0) -> Iterator[str | None]:
    """Find out why a window cannot be opened here, and keep the screen open meanwhile.

    Qt ends the whole process where it finds no screen, so a process of its own is asked. It stays connected until the
    context is left: an X server without a window manager starts anew when its last client goes, and refuses the next
    one for a moment.

    Parameters
    ----------
    timeout_s : float, optional

    Yields
    ------
    problem : str or None
        One sentence, None where a window can be opened.
    """
    obstacle = _obstacle()
    if obstacle is not None:
        yield obstacle
        return
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", _PROBE], text=True, env=quiet_environment(), **pipes) as probe:
        timer = threading.Timer(timeout_s, probe.kill)
        timer.start()
        ready = (probe.stdout.readline() if probe.stdout else "").strip() == "ready"
        timer.cancel()
        try:
            yield None if ready else _told_by(probe)
        finally:
            if probe.stdin:
                probe.stdin.close()


def _obstacle() -> str | None:
    """Return what can be known without asking Qt."""
    if importlib.util.find_spec("PyQt6") is None or importlib.util.find_spec("pyqtgraph") is None:
        return 'Qt is not installed (pip install "rtstrf[display]")'
    told = os.environ.get("QT_QPA_PLATFORM", "")
    seats = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not told and not any(os.environ.get(seat) for seat in seats):
        return "there is no screen (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    return None


def _told_by(probe: subprocess.Popen[str]) -> str:
    """Return the most telling line of what Qt said when it ended."""
    said = [line.strip() for line in (probe.stderr.read() if probe.stderr else "").splitlines() if line.strip()]
    telling = [line for line in said if any(word in line for word in ("needed", "cannot", "could not", "No module"))]
    return (telling or said or ["Qt did not reach the screen in time"])[0]


class NoScreenError(UserError):
    """A window was asked for where none can be opened."""


def no_screen(problem: str) -> NoScreenError:
    """Return the error for a problem of `probed_screen`, with the ways around it."""
    hint = LIBRARIES_HINT if "needed" in problem or "lib" in problem else "run it where there is a screen"
    return NoScreenError(f"no window can be opened here: {problem}", remedy=f"{hint}; or run: rtstrf view --terminal")


def quiet_environment() -> dict[str, str]:
    """Return this environment with what Qt would otherwise complain about on the console."""
    environment = dict(os.environ)
    if sys.platform.startswith("linux") and not environment.get("XDG_RUNTIME_DIR"):
        private = Path(f"/run/user/{os.getuid()}")
        if private.is_dir():
            environment["XDG_RUNTIME_DIR"] = str(private)
    return environment


def application() -> QApplication:
    """Return the program's QApplication, made if there is none, with the font and palette of the display.

    Messages of Qt go to the logger ``rtstrf.display``: a user of a simulator can do nothing about them.
    """
    load()
    from PyQt6 import QtCore, QtGui, QtWidgets

    QtCore.qInstallMessageHandler(lambda _kind, _context, text: _log.debug("Qt: %s", text))
    existing = QtWidgets.QApplication.instance()
    app = existing if isinstance(existing, QtWidgets.QApplication) else QtWidgets.QApplication(["rtstrf"])
    app.setApplicationName("rtstrf")
    app.setApplicationDisplayName("rtstrf")
    font = QtGui.QFont(font_family())
    font.setPixelSize(13)
    app.setFont(font)
    return app


def font_family() -> str:
    """Return the first family of the style that is there; DejaVu Sans is loaded where the system has no font."""
    from PyQt6 import QtGui

    there = set(QtGui.QFontDatabase.families())
    if not there:
        there = _load_bundled_fonts()
    return next((family for family in FONT_FAMILIES if family in there), "Sans Serif")


def _load_bundled_fonts() -> set[str]:
    """Load DejaVu Sans from the package of matplotlib, where that is installed, and return its families."""
    from PyQt6 import QtGui

    found: set[str] = set()
    package = importlib.util.find_spec("matplotlib")
    if package is not None and package.origin is not None:
        for path in sorted((Path(package.origin).parent / "mpl-data" / "fonts" / "ttf").glob("DejaVuSans*.ttf")):
            number = QtGui.QFontDatabase.addApplicationFont(str(path))
            found.update(QtGui.QFontDatabase.applicationFontFamilies(number))
    return found


def release(window: QWidget) -> None:
    """Delete a window while Qt still runs: left to the end of the interpreter, Qt may call what Python has torn down.

    Parameters
    ----------
    window : QWidget
        Not to be used afterwards.
    """
    from PyQt6 import QtCore, QtWidgets

    window.close()
    window.deleteLater()
    QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)
    QtWidgets.QApplication.processEvents()
    QtCore.qInstallMessageHandler(None)


class StopOnSignal:
    """Notes Ctrl-C and SIGTERM instead of ending the program; a context manager.

    Qt's loop does not let an exception out, and a signal can come before the loop runs: it is only noted, and who draws
    looks at every frame.

    Attributes
    ----------
    asked : bool
        Whether one came.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def _note(self, *_: object) -> None:
        self.asked = True

    def __enter__(self) -> StopOnSignal:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
