"""A window joined to a feed: what happens at each frame, at the end of a run, and at the end of the program."""

from __future__ import annotations

import os

from PyQt6 import QtCore

from rtstrf.display.feed import Feed
from rtstrf.display.poster import save_picture
from rtstrf.display.qt import StopOnSignal
from rtstrf.display.window import Window

LINGER_MS = 400  # the last column is drawn and seen before the window closes


class Session(QtCore.QObject):
    """Feeds a window.

    Parameters
    ----------
    feed : Feed
    window : Window
    stop : StopOnSignal
        Closes the window once it was asked to.
    screenshot : path or None, optional
        Write the picture there when a run ends, or at `finish` where none has ended: the one of `poster.save_picture`,
        which does not depend on the size of the window.
    exit_when_last : bool, optional
        Close the window when the run ends, or when nothing was heard of it for 3 s.
    """

    def __init__(
        self,
        feed: Feed,
        window: Window,
        stop: StopOnSignal,
        *,
        screenshot: str | os.PathLike[str] | None = None,
        exit_when_last: bool = False,
    ) -> None:
        super().__init__(window)
        self._feed = feed
        self._window = window
        self._stop = stop
        self._screenshot = screenshot
        self._exit_when_last = exit_when_last
        self._saved = False
        self._ended = False
        self._error: BaseException | None = None
        window.before_frame = self.take

    def take(self) -> None:
        """Hand over what has come, and see whether the run has ended or the program shall."""
        if self._stop.asked:
            self._window.close()
            return
        if self._feed.error is not None:
            self._error = self._feed.error
            self._window.close()
            return
        health = self._window.health
        dropped, messages = self._feed.take()
        for gone in dropped:
            health.drop(gone.first, gone.last, gone.t_ns)
        if messages:
            self._window.receive(messages)
        # A window that stays open waits for a silent server: it may come back in the same run.
        ended = health.over(self._window.clock()) if self._exit_when_last else health.ended
        if ended and not self._ended:
            QtCore.QTimer.singleShot(LINGER_MS, self._end)
        self._ended = ended

    def _end(self) -> None:
        try:
            self._save()
        except Exception as error:  # raised again by finish: an exception in a slot of Qt would end the program
            self._error = error
        if self._exit_when_last:
            self._window.close()

    def _save(self) -> None:
        if self._screenshot is not None:
            window, order = self._window, self._window.picture.population.order_name
            save_picture(self._screenshot, window.history, seconds=window.picture.seconds, unit_order=order)
            self._saved = True

    def finish(self) -> None:
        """Write the picture if no run has ended yet, and raise what went wrong meanwhile."""
        if self._error is not None:
            raise self._error
        if not self._saved:
            self._save()
