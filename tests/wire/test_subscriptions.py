from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtstrf.wire.message import KINDS
from rtstrf.wire.subscriptions import Subscriptions

TOPICS = [f"{kind}/{stream}/".encode() for kind in KINDS for stream in ("main", "main2", "left")]
prefixes = st.sampled_from(TOPICS).flatmap(lambda topic: st.integers(0, len(topic)).map(lambda end: topic[:end]))


def test_each_subscriber_counts_until_it_leaves():
    subscriptions = Subscriptions()
    assert subscriptions.clients == 0
    for _ in range(2):
        assert subscriptions.follow(b"\x01hello/") == b"hello/"
    subscriptions.follow(b"\x01rates/main/")
    subscriptions.count()
    assert subscriptions.clients == 2
    assert subscriptions.clients_of([b"rates/main/", b"level/main/"]) == 1
    assert subscriptions.follow(b"\x00hello/") is None
    subscriptions.count()
    assert subscriptions.clients == 1
    subscriptions.follow(b"\x00hello/")
    subscriptions.follow(b"\x00rates/main/")
    subscriptions.count()
    assert subscriptions.clients == 0
    assert subscriptions.clients_of([b"rates/main/"]) == 0


@given(frames=st.lists(st.tuples(st.booleans(), prefixes), max_size=40))
def test_a_topic_is_wanted_exactly_while_somebody_subscribes_to_a_prefix_of_it(frames):
    subscriptions, held = Subscriptions(), []
    for subscribe, prefix in frames:
        subscriptions.follow((b"\x01" if subscribe else b"\x00") + prefix)
        if subscribe:
            held.append(prefix)
        elif prefix in held:
            held.remove(prefix)
        for topic in TOPICS:
            assert subscriptions.wanted(topic) == any(topic.startswith(each) for each in held)


@given(frame=st.binary(max_size=12))
def test_what_no_topic_can_begin_with_is_ignored(frame):
    subscriptions = Subscriptions()
    possible = frame[:1] == b"\x01" and any(topic.startswith(frame[1:]) for topic in TOPICS)
    if possible:
        assert subscriptions.follow(frame) == frame[1:]
    elif not frame[1:].partition(b"/")[1]:  # behind a slash there are more names than these
        assert subscriptions.follow(frame) is None


def test_made_up_names_fill_no_memory_and_then_everything_is_wanted():
    subscriptions = Subscriptions(limit=10)
    for number in range(1000):
        subscriptions.follow(b"\x01rates/made-up-%d/" % number)
    assert len(subscriptions._counts) == 10
    assert subscriptions.wanted(b"rates/made-up-999/")
    subscriptions.follow(b"\x00rates/made-up-999/")


def test_a_subscription_to_everything_matches():
    subscriptions = Subscriptions()
    assert subscriptions.follow(b"\x01") == b""
    assert subscriptions.wanted(b"level/any/")
