from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtstrf.wire.clock_offset import LeastDelay, Probe, best_estimate

S = 10**9
delays = st.integers(0, S)


@given(offset=st.integers(-(10**15), 10**15), ways=st.lists(st.tuples(delays, delays, delays), min_size=1, max_size=9))
def test_the_true_offset_lies_within_half_the_round_trip(offset, ways):
    probes = []
    for there, held, back in ways:
        t0 = 5 * S
        t1 = t0 + there + offset
        probes.append(Probe(t0, t1, t1 + held, t0 + there + held + back))
    estimate = best_estimate(probes)
    assert estimate.round_trip_ns == min(there + back for there, _, back in ways)
    assert abs(estimate.offset_ns - offset) <= estimate.round_trip_ns / 2 + 1


@given(offset=st.integers(-(10**15), 10**15), ways=st.lists(st.integers(0, 10 * S), min_size=1, max_size=20))
def test_the_least_delay_is_that_of_the_fastest_message(offset, ways):
    delay = LeastDelay()
    for index, way in enumerate(ways):
        sent_local = index * S
        delay.follow(sent_local + offset, sent_local + way)
    assert delay.offset_ns == offset - min(ways)


def test_a_fast_message_is_forgotten_after_two_minutes_so_that_clocks_may_drift():
    delay = LeastDelay()
    for second in range(301):
        delay.follow(second * S - second * 10**5, second * S)  # the server's clock falls back by 0.1 ms a second
    assert -301 * 10**5 < delay.offset_ns <= -(300 - 122) * 10**5


def test_nothing_is_known_before_the_first_message():
    assert LeastDelay().offset_ns is None
