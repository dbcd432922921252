"""The ways to run a step over and over."""

from __future__ import annotations

import time

import numpy as np

from rtstrf.bench.loops import back_to_back, open_loop
from rtstrf.bench.spread import spread_us

HOPS = [np.full(1, index, dtype=np.float32) for index in range(3)]


def test_back_to_back_hears_the_hops_again_from_the_first_and_times_each() -> None:
    heard: list[float] = []
    told: list[int] = []
    taken_ns = back_to_back(lambda hop: heard.append(float(hop[0])), HOPS, 7, told.append)
    assert heard == [0, 1, 2, 0, 1, 2, 0]
    assert len(taken_ns) == 7
    assert (taken_ns > 0).all()
    assert sum(told) == 7


def test_hops_of_an_open_loop_are_due_on_a_schedule_however_late_the_last_one_was() -> None:
    period_ns = 1_000_000
    begun: list[int] = []

    def step(hop: np.ndarray) -> None:
        begun.append(time.perf_counter_ns())
        if len(begun) == 1:
            while time.perf_counter_ns() < begun[0] + 20 * period_ns:  # a stall of twenty periods
                pass

    kept = open_loop(step, HOPS, 40, period_ns, asleep=False)
    due = np.array(begun) - kept.started_ns
    assert np.abs(np.diff(due) - period_ns).max() < period_ns  # the clock is read once more inside the step
    # Those that were due in the stall waited for its end: the later they were due, the less.
    assert kept.late(period_ns) >= 18
    assert (np.diff(kept.response_ns[:10]) < 0).all()


def test_no_step_begins_before_it_is_due() -> None:
    for asleep in (False, True):
        kept = open_loop(lambda hop: None, HOPS, 50, 200_000, asleep=asleep)
        assert (kept.started_ns >= 0).all()
        assert (kept.response_ns >= kept.started_ns).all()


def test_each_section_of_a_schedule_has_a_start_of_its_own_so_that_telling_is_nobody_s_lateness() -> None:
    told: list[int] = []

    def advance(done: int) -> None:
        told.append(done)
        time.sleep(0.05)

    kept = open_loop(lambda hop: None, HOPS, 5, 500_000_000 // 2, asleep=True, advance=advance)
    assert told == [4, 1]
    assert kept.started_ns[4] < 50_000_000


def test_a_spread_tells_what_was_waited_for_by_half_by_most_and_by_the_last() -> None:
    assert spread_us(np.arange(1, 1002) * 1000) == {"p50_us": 501, "p99_us": 991, "p99_9_us": 1000, "max_us": 1001}
