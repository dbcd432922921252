"""A window fed by hand: how it ends, and what it leaves."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from rtstrf.display.feed import Feed
from rtstrf.display.poster import save_picture
from rtstrf.errors import UserError, WireError

pytestmark = pytest.mark.window


class Given:
    """A client that hands over what it is given."""

    def __init__(self):
        self.left, self.handed_over = [], threading.Event()

    def poll(self, timeout_s=0.0):
        if self.left:
            messages, self.handed_over = self.left.pop(0)
            return messages
        self.handed_over.set()  # whoever polls again has kept what it was handed before
        threading.Event().wait(0.001)
        return []

    def close(self):
        pass

    def give(self, messages):
        handed_over = threading.Event()
        self.left.append((messages, handed_over))
        assert handed_over.wait(10)


@pytest.fixture
def given():
    """Return a client to be fed."""
    return Given()


@pytest.fixture
def joined(make_window, given):
    """Return a maker of a window and its session."""
    from rtstrf.display.session import Session

    feeds = []

    def make(queue_messages=20_000, **options):
        feed = Feed(lambda: given, queue_messages)
        feeds.append(feed)
        feed.__enter__()
        window = make_window()
        return window, Session(feed, window, SimpleNamespace(asked=False), **options)

    yield make
    for feed in feeds:
        feed.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def without_lingering(monkeypatch):
    """Let a window close with the next events."""
    from rtstrf.display import session

    monkeypatch.setattr(session, "LINGER_MS", 0)


def closes(app, window) -> bool:
    """Let Qt do what is due."""
    from PyQt6 import QtTest

    QtTest.QTest.qWait(20)
    app.processEvents()
    return not window.isVisible()


@pytest.mark.parametrize("kind", ["heartbeat", "event"])
def test_the_window_closes_on_the_word_of_the_server(app, joined, given, stream, clock, kind):
    window, _ = joined(exit_when_last=True)
    told = stream.message(kind, name="state", state="ended", details={"state": "ended"}, t_ns=clock())
    given.give([stream.hello(), *stream.bins(0, 2000, clock()), told])
    window.frame()
    assert closes(app, window)


def test_the_window_closes_when_the_server_is_gone(app, joined, given, stream, clock):
    window, _ = joined(exit_when_last=True)
    given.give([stream.hello(), *stream.bins(0, 2000, clock())])
    window.frame()
    clock.pass_s(3.1)
    window.frame()
    assert closes(app, window)


def test_a_window_that_shall_stay_waits_for_a_server_that_is_gone(app, joined, given, stream, clock):
    window, _ = joined()
    given.give([stream.hello(), *stream.bins(0, 2000, clock())])
    window.frame()
    clock.pass_s(60)
    window.frame()
    assert not closes(app, window)


def test_the_screenshot_is_the_picture_of_the_poster(app, joined, given, stream, clock, tmp_path):
    import matplotlib.image

    window, session = joined(exit_when_last=True, screenshot=tmp_path / "window.png")
    given.give([stream.hello(), *stream.bins(0, 2400, clock(), flags=128)])
    window.frame()
    assert closes(app, window)
    session.finish()
    save_picture(tmp_path / "poster.png", window.history)
    pictures = [matplotlib.image.imread(tmp_path / name) for name in ("window.png", "poster.png")]
    np.testing.assert_array_equal(*pictures)


def test_where_nothing_came_there_is_no_picture_and_it_is_said(joined, tmp_path):
    _, session = joined(screenshot=tmp_path / "window.png")
    with pytest.raises(UserError, match="nothing was received"):
        session.finish()
    assert list(tmp_path.iterdir()) == []


def test_messages_a_busy_window_was_too_slow_for_are_shown_as_lost(joined, given, stream, clock):
    window, _ = joined(queue_messages=40)
    for i0 in range(30):
        given.give(stream.bins(i0, 1, clock()))
    window.frame()
    assert window.health.report(clock()).messages_lost == 4 * 30 - 40


def test_what_ended_the_feed_is_raised_at_the_end(app, joined, given):
    window, session = joined()
    session._feed.error = WireError("gone")
    window.frame()
    assert closes(app, window)
    with pytest.raises(WireError, match="gone"):
        session.finish()
