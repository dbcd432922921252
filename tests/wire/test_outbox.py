from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from rtstrf.wire.outbox import Outbox
from rtstrf.wire.streams import Stream


def make_stream(name: str = "main") -> Stream:
    return Stream(name, "0f", dict, dict)


@given(
    puts=st.lists(st.tuples(st.sampled_from(["left", "right"]), st.sampled_from(["rates", "event"])), max_size=40),
    limit=st.integers(1, 20),
)
def test_numbers_run_on_by_topic_and_a_dropped_message_takes_its_number_with_it(puts, limit):
    outbox, streams = Outbox(limit), {name: make_stream(name) for name in ("left", "right")}
    queued = [outbox.put(streams[name], kind, {}) for name, kind in puts]
    expected = []
    for index, (name, kind) in enumerate(puts):
        fits = sum(other == name for other, _ in puts[:index]) < limit  # what the other stream queues is no hindrance
        assert queued[index] == fits
        if fits:
            expected.append((name, kind, puts[:index].count((name, kind))))
    assert outbox.dropped == queued.count(False) == sum(stream.dropped for stream in streams.values())
    for name, stream in streams.items():
        for topic, number in stream.last_numbers().items():
            assert number == puts.count((name, topic.split("/")[0])) - 1
    taken = [outbox.take() for _ in expected]
    assert [(draft.stream.name, draft.kind, draft.seq) for draft in taken] == expected
    assert outbox.take() is None


def test_what_was_taken_makes_room():
    outbox, stream = Outbox(2), make_stream()
    assert [outbox.put(stream, "rates", {}) for _ in range(3)] == [True, True, False]
    outbox.take()
    assert [outbox.put(stream, "rates", {}) for _ in range(2)] == [True, False]


def test_nothing_is_accepted_after_it_was_closed_but_what_is_queued_can_be_taken():
    outbox, stream = Outbox(8), make_stream()
    outbox.put(stream, "rates", {"i0": 0})
    outbox.close()
    assert not outbox.put(stream, "rates", {"i0": 1})
    assert outbox.take().fields == {"i0": 0}
    assert (outbox.take(), outbox.dropped) == (None, 0)


def test_threads_that_submit_at_once_get_a_number_each_in_order():
    outbox, stream = Outbox(10_000), make_stream()
    threads = [threading.Thread(target=lambda: [outbox.put(stream, "rates", {}) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outbox.take().seq for _ in range(len(outbox))] == list(range(2000))
