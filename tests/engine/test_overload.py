"""The ladder: up at once, down with calm, each step told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rtstrf.config.live import OverloadSection
from rtstrf.engine.overload import LEVELS, Ladder, Step

POLICY = OverloadSection(chunks_from_hops=8, shed_from_hops=40, calm_hops=10)


def ladder(**changed: object) -> Ladder:
    return Ladder(POLICY.model_copy(update=changed), queue_hops=100)


def test_a_stream_in_time_stands_on_no_rung_and_takes_one_hop_a_step() -> None:
    stands = ladder()
    assert [stands.follow(waiting, heard=1) for waiting in (0, 3, 7)] == [(), (), ()]
    assert (stands.level, stands.hops_a_step(7), stands.sheds) == (0, 1, False)


def test_each_rung_is_entered_at_its_own_number_of_waiting_hops() -> None:
    stands = ladder()
    assert stands.follow(8, heard=1) == (Step(0, 1),)
    assert (stands.hops_a_step(8), stands.sheds) == (8, False)
    assert stands.follow(40, heard=1) == (Step(1, 2),)
    assert (stands.hops_a_step(40), stands.sheds) == (16, True)
    assert stands.follow(40, heard=1, dropped=True) == (Step(2, 3),)


def test_a_sudden_backlog_climbs_all_rungs_and_tells_each() -> None:
    assert ladder().follow(99, heard=1, dropped=True) == (Step(0, 1), Step(1, 2), Step(2, 3))


def test_input_dropped_again_is_told_again() -> None:
    stands = ladder()
    stands.follow(99, heard=1, dropped=True)
    assert stands.follow(4, heard=1, dropped=True) == (Step(3, 3),)
    assert stands.steps_up == 3


def test_a_step_is_taken_back_after_calm_only_one_at_a_time() -> None:
    stands = ladder()
    stands.follow(40, heard=1)
    assert [stands.follow(20, heard=1) for _ in range(9)] == [()] * 9
    assert stands.follow(20, heard=1) == (Step(2, 1),)
    assert stands.follow(4, heard=16) == (Step(1, 0),)
    assert (stands.steps_up, stands.steps_down) == (2, 2)


def test_a_queue_about_as_long_as_the_limit_is_one_overload_not_many() -> None:
    stands = ladder()
    steps = [step for waiting in [8, 7, 8, 5, 9] * 50 for step in stands.follow(waiting, heard=1)]
    assert steps == [Step(0, 1)]


def test_what_the_policy_leaves_out_is_not_done_but_its_level_is_told() -> None:
    stands = ladder(rungs=())
    assert stands.follow(50, heard=1) == (Step(0, 1), Step(1, 2))
    assert (stands.hops_a_step(50), stands.sheds) == (1, False)


def test_thresholds_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="shed_from_hops"):
        OverloadSection(chunks_from_hops=10, shed_from_hops=9)


observations = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 16), st.booleans()), max_size=200)


@settings(max_examples=200, deadline=None)
@given(observations)
def test_every_step_joins_the_one_before_and_all_are_counted(seen: list[tuple[int, int, bool]]) -> None:
    stands, level, up, down = ladder(), 0, 0, 0
    for waiting, heard, dropped in seen:
        for step in stands.follow(waiting, heard=heard, dropped=dropped):
            assert step.previous == level
            level = step.level
            up, down = up + (step.level > step.previous), down + (step.level < step.previous)
        assert level == stands.level
        assert 0 <= level < len(LEVELS)
        assert stands.hops_a_step(waiting) in (1, 2, 4, 8, 16)
        assert stands.hops_a_step(waiting) <= max(1, waiting)
    assert (up, down) == (stands.steps_up, stands.steps_down)


@settings(max_examples=100, deadline=None)
@given(observations)
def test_after_enough_calm_any_overload_is_over(seen: list[tuple[int, int, bool]]) -> None:
    stands = ladder()
    for waiting, heard, dropped in seen:
        stands.follow(waiting, heard=heard, dropped=dropped)
    for _ in range(3 * POLICY.calm_hops):
        stands.follow(0, heard=1)
    assert stands.level == 0
