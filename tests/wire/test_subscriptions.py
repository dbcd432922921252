from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtstrf.wire.subscriptions import Subscriptions

TOPICS = [b"rates/main/", b"hello/main/"]


def test_each_subscriber_counts_until_it_leaves():
    subscriptions = Subscriptions(TOPICS)
    assert subscriptions.clients == 0
    for _ in range(2):
        assert subscriptions.follow(b"\x01hello/") == b"hello/"
    subscriptions.follow(b"\x01rates/main/")
    assert subscriptions.clients == 2
    assert subscriptions.follow(b"\x00hello/") is None
    assert subscriptions.clients == 1
    subscriptions.follow(b"\x00hello/")
    subscriptions.follow(b"\x00rates/main/")
    assert subscriptions.clients == 0


@given(frames=st.lists(st.binary(max_size=12), max_size=30))
def test_made_up_topics_and_messages_are_ignored(frames):
    subscriptions = Subscriptions(TOPICS)
    for frame in frames:
        matches = frame[:1] == b"\x01" and any(topic.startswith(frame[1:]) for topic in TOPICS)
        assert (subscriptions.follow(frame) is not None) == matches


def test_a_subscription_to_everything_matches():
    assert Subscriptions(TOPICS).follow(b"\x01") == b""
