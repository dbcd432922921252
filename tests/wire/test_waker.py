from __future__ import annotations

import zmq

from rtstrf.wire.waker import Waker


def test_a_call_wakes_an_armed_poll_until_it_is_cleared():
    waker, poller = Waker(), zmq.Poller()
    poller.register(waker.open(), zmq.POLLIN)
    waker.arm()
    assert poller.poll(0) == []
    waker.wake()
    assert poller.poll(20_000)
    waker.clear()
    assert poller.poll(0) == []
    waker.close()


def test_between_two_polls_a_call_costs_nothing():
    waker, poller = Waker(), zmq.Poller()
    poller.register(waker.open(), zmq.POLLIN)
    waker.wake()
    assert poller.poll(0) == []
    waker.arm()
    waker.wake()
    waker.clear()
    waker.wake()
    assert poller.poll(0) == []
    waker.close()


def test_any_number_of_calls_neither_waits_nor_fails():
    waker = Waker()
    waker.open()
    for _ in range(100_000):
        waker.arm()
        waker.wake()
    waker.close()


def test_calls_before_it_is_opened_and_after_it_is_closed_do_nothing():
    waker = Waker()
    waker.arm()
    waker.wake()
    waker.open()
    waker.close()
    waker.close()
    waker.arm()
    waker.wake()
    waker.clear()
