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
    period_ns, heard = 1_000_000, 0

    def step(hop: np.ndarray) -> None:
        nonlocal heard
        heard += 1
        until_ns = time.perf_counter_ns() + 20 * period_ns if heard == 1 else 0
        while time.perf_counter_ns() < until_ns:  # a stall of twenty periods, in the first
            pass

    kept = open_loop(step, HOPS, 40, period_ns, asleep=False)
    waited_periods = 20 - np.arange(1, 20)  # the later a hop was due in the stall, the less it waited for its end
    assert (kept.started_ns[1:20] >= waited_periods * period_ns).all()
    assert (kept.response_ns >= kept.started_ns).all()
    assert kept.late(period_ns) >= 19


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
