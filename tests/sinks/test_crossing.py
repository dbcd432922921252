"""A crossing is counted once, on the way asked for, and not before the value has been beyond it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.sinks.crossing import Crossing

UP, DOWN = True, False


def fires(rates_hz: list[float], threshold: float, hysteresis: float = 0.0, up: bool = UP) -> list[int]:
    """Return at which of the rates it fires."""
    crossing = Crossing(1)
    return [
        index
        for index, rate in enumerate(rates_hz)
        if crossing.step(np.array([rate]), threshold, hysteresis, up=up).any()
    ]


def test_it_fires_when_the_rate_rises_to_the_threshold_and_again_after_it_fell() -> None:
    assert fires([0, 20, 30, 40, 10, 30], 30.0) == [2, 5]


def test_downwards_is_the_mirror_image() -> None:
    assert fires([50, 40, 30, 10, 40, 29], 30.0, up=DOWN) == [2, 5]


def test_a_rate_that_begins_beyond_the_threshold_has_crossed_nothing() -> None:
    assert fires([80, 90, 80], 30.0) == []
    assert fires([80, 20, 80], 30.0) == [2]


def test_with_hysteresis_a_rate_that_trembles_at_the_threshold_fires_once() -> None:
    trembling = [0, 30, 29, 31, 28, 32, 27, 30]
    assert fires(trembling, 30.0) == [1, 3, 5, 7]
    assert fires(trembling, 30.0, hysteresis=5.0) == [1]
    assert fires([*trembling, 24, 30], 30.0, hysteresis=5.0) == [1, 9]


def test_a_nan_crosses_nothing_and_changes_nothing() -> None:
    assert fires([0, np.nan, 40], 30.0) == [2]
    assert fires([0, 40, np.nan, 40], 30.0) == [1]


def test_what_was_forgotten_must_go_back_first() -> None:
    crossing = Crossing(1)
    crossing.step(np.array([0.0]), 30.0, 0.0, up=True)
    crossing.forget()
    assert not crossing.step(np.array([40.0]), 30.0, 0.0, up=True).any()


@given(
    rates_hz=st.lists(st.lists(st.floats(0, 100), min_size=3, max_size=3), max_size=40),
    threshold=st.floats(0, 100),
    hysteresis=st.floats(0, 50),
    up=st.booleans(),
)
def test_each_value_is_watched_for_itself_and_alternates_between_crossing_and_going_back(
    rates_hz: list[list[float]], threshold: float, hysteresis: float, up: bool
) -> None:
    together = Crossing(3)
    told = [together.step(np.array(row), threshold, hysteresis, up=up) for row in rates_hz]
    for column in range(3):
        alone = [row[column] for row in rates_hz]
        at = [index for index, crosses in enumerate(told) if crosses[column]]
        assert at == fires(alone, threshold, hysteresis, up)
        for before, after in zip([-1, *at], at, strict=False):
            between = alone[before + 1 : after]
            # It was beyond, by more than the hysteresis, since it last fired.
            assert any(
                (rate < threshold - hysteresis or (hysteresis == 0 and rate < threshold))
                if up
                else (-rate < -threshold - hysteresis or (hysteresis == 0 and -rate < -threshold))
                for rate in between
            )


@pytest.mark.parametrize("up", [UP, DOWN])
def test_many_units_are_watched_in_one_step(up: bool) -> None:
    crossing = Crossing(119)
    low, high = np.zeros(119), np.full(119, 60.0)
    first, second = (low, high) if up else (high, low)
    assert not crossing.step(first, 30.0, 0.0, up=up).any()
    assert crossing.step(second, 30.0, 0.0, up=up).all()
