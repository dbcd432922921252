"""`rtstrf view`: a window that listens to a simulator."""

from __future__ import annotations

import os
from collections.abc import Callable

from rtstrf.display.feed import Feed, MessageSource, connect


def run(
    endpoint: str,
    *,
    control: str | None = None,
    seconds: float = 10.0,
    screenshot: str | os.PathLike[str] | None = None,
    exit_when_last: bool = False,
    unit_order: str = "auto",
    client: Callable[[], MessageSource] | None = None,
) -> int:
    """Open the window and show what is heard until it is closed.

    Parameters
    ----------
    endpoint : str
        Of the data, such as ``tcp://127.0.0.1:5590``.
    control : str, optional
        Of the control channel; from the greeting where it is not given.
    seconds : float, optional
        Time in view.
    screenshot : path, optional
        Write the picture there when the run ends, or when the window is closed before that: what the window shows, as
        `rtstrf.display.poster.save_picture` draws it.
    exit_when_last : bool, optional
        Close the window when the run ends, or when nothing was heard of it for 3 s.
    unit_order : str, optional
        ``auto depth frequency model``.
    client : callable, optional
        Makes the client; one of the wire where it is not given.

    Returns
    -------
    code : int
        0.

    Raises
    ------
    MissingExtraError
        If Qt or ZeroMQ is not installed.
    NoScreenError
        If there is no screen.
    UserError
        If the screenshot cannot be written, or nothing was received to draw.
    """
    from rtstrf.display import qt

    qt.load()
    with qt.StopOnSignal() as stop:
        os.environ.update(qt.quiet_environment())
        with qt.probed_screen() as problem:
            if problem is not None:
                raise qt.no_screen(problem)
            app = qt.application()
        with Feed(client or (lambda: connect(endpoint, control))) as feed:
            from rtstrf.display.session import Session
            from rtstrf.display.window import Window

            window = Window(endpoint, seconds=seconds, unit_order=unit_order)
            session = Session(feed, window, stop, screenshot=screenshot, exit_when_last=exit_when_last)
            window.show()
            window.start()
            app.exec()
            try:
                session.finish()
            finally:
                qt.release(window)
    return 0
