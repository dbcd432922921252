"""The queue between capture and inference: bounded, in order, and nobody is left waiting."""

from __future__ import annotations

import threading

import numpy as np

from rtstrf.engine.handover import Handover
from rtstrf.engine.ledger import Hop


def hop(index: int) -> Hop:
    return Hop(index, np.zeros(1, dtype=np.float32), 0, 0)


def test_hops_come_out_in_order() -> None:
    queue = Handover(10)
    for index in range(5):
        assert queue.put(hop(index), wait=False)
    assert [queue.take().index for _ in range(5)] == list(range(5))  # type: ignore[union-attr]


def test_a_full_queue_drops_and_counts() -> None:
    queue = Handover(2)
    assert [queue.put(hop(i), wait=False) for i in range(4)] == [True, True, False, False]
    assert queue.dropped_hops == 2
    assert len(queue) == 2


def test_a_writer_that_can_wait_loses_nothing() -> None:
    queue = Handover(1)
    writer = threading.Thread(target=lambda: ([queue.put(hop(i), wait=True) for i in range(100)], queue.close()))
    writer.start()
    taken = []
    while (item := queue.take()) is not None:
        taken.append(item.index)  # type: ignore[union-attr]
    writer.join()
    assert taken == list(range(100))
    assert queue.dropped_hops == 0


def test_commands_come_before_waiting_hops() -> None:
    queue = Handover(4)
    queue.put(hop(0), wait=False)
    queue.command(lambda: None)
    assert callable(queue.take())
    assert isinstance(queue.take(), Hop)


def test_closing_lets_the_reader_finish_and_frees_a_waiting_writer() -> None:
    queue = Handover(1)
    queue.put(hop(0), wait=False)
    results: list[bool] = []
    writer = threading.Thread(target=lambda: results.append(queue.put(hop(1), wait=True)))
    writer.start()
    queue.close()
    writer.join()
    assert results == [False]
    assert isinstance(queue.take(), Hop)
    assert queue.take() is None
