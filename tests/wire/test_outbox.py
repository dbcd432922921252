from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from rtstrf.wire.outbox import Outbox


@given(kinds=st.lists(st.sampled_from(["rates", "event"]), max_size=40), limit=st.integers(1, 50))
def test_numbers_run_on_by_kind_and_a_dropped_message_takes_its_number_with_it(kinds, limit):
    outbox = Outbox(limit)
    queued = [outbox.put(kind, {}) for kind in kinds]
    assert queued == [True] * min(limit, len(kinds)) + [False] * max(0, len(kinds) - limit)
    assert outbox.dropped == queued.count(False)
    for kind, number in outbox.last_numbers().items():
        assert number == kinds.count(kind) - 1
    expected = [(kind, kinds[:index].count(kind)) for index, kind in enumerate(kinds[:limit])]
    taken = [outbox.take() for _ in expected]
    assert [(draft.kind, draft.seq) for draft in taken] == expected
    assert outbox.take() is None


def test_nothing_is_accepted_after_it_was_closed_but_what_is_queued_can_be_taken():
    outbox = Outbox(8)
    outbox.put("rates", {"i0": 0})
    outbox.close()
    assert not outbox.put("rates", {"i0": 1})
    assert outbox.take().fields == {"i0": 0}
    assert (outbox.take(), outbox.dropped) == (None, 0)


def test_threads_that_submit_at_once_get_a_number_each_in_order():
    outbox = Outbox(10_000)
    threads = [threading.Thread(target=lambda: [outbox.put("rates", {}) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outbox.take().seq for _ in range(len(outbox))] == list(range(2000))
