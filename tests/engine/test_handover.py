"""The queues between capture and inference: bounded, in order, and nobody is left waiting."""

from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.engine.handover import Handover, HopQueue
from rtstrf.engine.ledger import Hop


def hop(index: int, *, loss_begins: bool = False, concealed: bool = False) -> Hop:
    return Hop(index, np.zeros(1, dtype=np.float32), 0, 0, loss_begins, concealed)


def indices(hops: list[Hop]) -> list[int]:
    return [hop.index for hop in hops]


def queue_of(capacity: int, keep: int = 0) -> HopQueue:
    return Handover().add(capacity, keep)


def test_hops_come_out_in_order() -> None:
    queue = queue_of(10)
    for index in range(5):
        queue.put(hop(index), wait=False)
    assert [indices(queue.take(1)) for _ in range(6)] == [[0], [1], [2], [3], [4], []]


def test_a_full_queue_drops_the_oldest_keeps_the_newest_and_counts() -> None:
    queue = queue_of(10, keep=3)
    assert [queue.put(hop(index), wait=False) for index in range(11)] == [0] * 10 + [7]
    assert indices(queue.take(16)) == [7, 8, 9, 10]
    assert queue.dropped_hops == 7


@given(capacity=st.integers(1, 8), keep=st.integers(0, 9), puts=st.lists(st.booleans(), max_size=60))
def test_what_comes_out_and_what_is_dropped_is_what_was_put(capacity: int, keep: int, puts: list[bool]) -> None:
    queue, index, out = queue_of(capacity, keep), 0, 0
    for put in puts:
        if put:
            queue.put(hop(index), wait=False)
            index += 1
        else:
            out += len(queue.take(1))
        assert len(queue) <= capacity
    assert out + queue.dropped_hops + len(queue) == index


def test_hops_that_cannot_be_told_together_are_not_taken_together() -> None:
    queue = queue_of(20)
    for each in (hop(0), hop(1), hop(3), hop(4, loss_begins=True), hop(5, concealed=True), hop(6, concealed=True)):
        queue.put(each, wait=False)
    assert [indices(queue.take(16)) for _ in range(4)] == [[0, 1], [3], [4], [5, 6]]


def test_no_more_are_taken_than_asked_for() -> None:
    queue = queue_of(20)
    for index in range(5):
        queue.put(hop(index), wait=False)
    assert indices(queue.take(4)) == [0, 1, 2, 3]


def test_a_writer_that_can_wait_loses_nothing() -> None:
    handover = Handover()
    queue = handover.add(1, 0)
    writer = threading.Thread(target=lambda: ([queue.put(hop(i), wait=True) for i in range(100)], queue.close()))
    writer.start()
    taken: list[int] = []
    while handover.wait() and not (queue.closed and not len(queue)):
        taken += indices(queue.take(1))
    writer.join()
    assert taken == list(range(100))
    assert queue.dropped_hops == 0


def test_commands_come_before_waiting_hops() -> None:
    handover = Handover()
    queue = handover.add(4, 0)
    queue.put(hop(0), wait=False)
    handover.command(lambda: None)
    assert callable(handover.wait())
    assert handover.wait() is True


def test_closing_lets_the_reader_finish_and_frees_a_waiting_writer() -> None:
    handover = Handover()
    queue = handover.add(1, 0)
    queue.put(hop(0), wait=False)
    results: list[int] = []
    writer = threading.Thread(target=lambda: results.append(queue.put(hop(1), wait=True)))
    writer.start()
    handover.close()
    writer.join()
    assert results == [1]
    assert indices(queue.take(8)) == [0]


def test_the_wait_ends_with_the_last_queue() -> None:
    handover = Handover()
    first, second = handover.add(1, 0), handover.add(1, 0)
    first.close()
    assert handover.wait() is True  # somebody must end that stream
    handover.remove(first)
    second.put(hop(0), wait=False)
    assert handover.wait() is True
    handover.remove(second)
    assert handover.wait() is False
