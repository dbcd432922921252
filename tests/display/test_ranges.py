import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.display.ranges import SlowCeiling, SlowSpan, nice_ceiling


@given(st.floats(1e-6, 1e6))
def test_a_round_number_is_above_the_value_and_not_far(value):
    nice = nice_ceiling(value)
    assert value <= nice * (1 + 1e-6)
    assert nice <= value * 1.51


@given(st.lists(st.floats(30, 55), min_size=5, max_size=50))
def test_a_scale_does_not_flicker_while_peaks_vary_within_a_factor_of_two(peaks):
    ceiling = SlowCeiling(1.0)
    ceiling.update(np.array([55.0]), 0.0)
    changes = [ceiling.update(np.array([peak]), now_s) for now_s, peak in enumerate(peaks, start=1)]
    assert not any(changes)


def test_a_scale_rises_at_once_and_falls_only_after_a_while():
    ceiling = SlowCeiling(1.0, patience_s=5.0)
    assert ceiling.update(np.full(10, 90.0), 0.0)
    assert ceiling.high == 100.0
    assert not ceiling.update(np.full(10, 9.0), 1.0)
    assert not ceiling.update(np.full(10, 9.0), 5.9)
    assert ceiling.update(np.full(10, 9.0), 6.0)
    assert ceiling.high == 10.0


def test_one_bin_out_of_ten_thousand_does_not_set_the_scale():
    values = np.full(10_000, 10.0)
    values[77] = 1e6
    ceiling = SlowCeiling(1.0)
    ceiling.update(values, 0.0)
    assert ceiling.high < 20


@pytest.mark.parametrize("scale", [SlowCeiling(7.0), SlowSpan(1.0, low=0.0, high=7.0)])
def test_gaps_change_nothing(scale):
    assert not scale.update(np.full(5, np.nan), 0.0)
    assert scale.high == 7.0


def test_silence_at_the_beginning_is_dark():
    span = SlowSpan(1.0, narrowest=3.0, widest=7.0)
    span.update(np.full(100, -9.2), 0.0)
    assert (-9.2 - span.low) / (span.high - span.low) < 0.3


def test_a_span_is_never_wider_than_told_and_keeps_its_top():
    span = SlowSpan(1.0, widest=7.0)
    span.update(np.linspace(-20, 2, 1000), 0.0)
    assert (span.low, span.high) == (-5.0, 2.0)


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=30), st.integers(0, 20))
def test_a_span_covers_what_it_sees_up_to_its_width(values, seconds):
    span = SlowSpan(1.0, narrowest=3.0, widest=7.0, percentiles=(0.0, 100.0))
    for now_s in range(seconds + 1):
        span.update(np.array(values), float(now_s))
    assert span.high >= max(values) - 1e-5
    assert 3.0 - 1e-9 <= span.high - span.low <= 7.0 + 1e-9
