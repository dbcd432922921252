import threading

import pytest

from rtstrf.display.feed import Feed, OneStream
from rtstrf.errors import WireError
from tests.display.conftest import Stream


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
            dropped, messages = feed.take()
            assert not dropped
            taken += messages
    assert taken == sent
    assert source.closed
    assert not [thread for thread in threading.enumerate() if thread.name == "rtstrf-display-feed"]


def test_what_nobody_takes_in_time_is_dropped_from_the_oldest_and_told(stream):
    sent = [message for i0 in range(30) for message in stream.bins(i0, 1, t_ns=1000 + i0)]
    error = WireError("gone")
    with Feed(lambda: Source(sent, error), queue_messages=10) as feed:
        feed._thread.join(10)
        dropped, messages = feed.take()
        assert messages == sent[-10:]
        told = {gone.first.kind: (gone.first.header["seq"], gone.last.header["seq"]) for gone in dropped}
        assert {kind: first for kind, (first, _) in told.items()} == dict.fromkeys(told, 0)
        assert sum(last + 1 for _, last in told.values()) == len(sent) - 10
        assert max(gone.t_ns for gone in dropped) == sent[-1].t_recv_ns
        assert feed.take() == ([], [])


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


def test_of_several_streams_the_first_that_is_heard_is_shown_and_no_other():
    left, right, again = Stream(stream="left"), Stream(stream="right"), Stream(run="another", stream="right")

    told = [
        [left.hello(), right.hello(), *left.bins(0, 2), *right.bins(0, 2)],
        [*right.bins(2, 1), *left.bins(2, 1)],
        [again.hello()],
    ]
    of_left = [message for messages in told for message in messages if message.header["stream"] == "left"]

    class Server:
        def poll(self, timeout_s=0.0):
            return told.pop(0)

        def close(self):
            pass

    source = OneStream(Server())
    assert [message for _ in range(2) for message in source.poll()] == of_left
    assert [message.header["stream"] for message in source.poll()] == ["right"]  # a new run is chosen anew
