import threading

import pytest

from rtstrf.display.feed import Feed
from rtstrf.errors import WireError


class Source:
    """Hands over what it is given, once, then waits to be closed."""

    def __init__(self, messages, error=None):
        self.messages, self.error, self.closed = list(messages), error, False

    def poll(self, timeout_s=0.0):
        if self.messages:
            return [self.messages.pop(0)]
        if self.error is not None:
            raise self.error
        threading.Event().wait(0.001)
        return []

    def close(self):
        self.closed = True


def test_messages_are_handed_over_in_order_and_the_client_is_closed(stream):
    sent = stream.bins(0, 1)
    source = Source(sent)
    with Feed(lambda: source) as feed:
        taken = []
        while len(taken) < len(sent):
            assert feed.wait(10)
            taken += feed.take()
    assert taken == sent
    assert source.closed
    assert not [thread for thread in threading.enumerate() if thread.name == "rtstrf-display-feed"]


def test_what_ends_the_thread_is_kept():
    error = WireError("gone")
    source = Source([], error)
    with Feed(lambda: source) as feed:
        feed._thread.join(10)
        assert feed.error is error
    assert source.closed


def test_a_wrong_endpoint_is_reported_before_anything_runs():
    from rtstrf.display.feed import connect

    with pytest.raises(WireError):
        Feed(lambda: connect("nowhere"))
