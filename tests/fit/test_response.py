import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtstrf.errors import ConfigError
from rtstrf.fit.response import hanning_window, smooth

COUNTS = arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 40)), elements=st.integers(0, 20))
WIDTHS_MS = st.sampled_from([5.0, 15.0, 21.0, 30.0, 55.0])


def test_the_window_of_21_ms_at_5_ms_is_the_field_s_five_taps_that_add_up_to_two():
    window = hanning_window(21.0, 5.0)
    np.testing.assert_array_equal(window, [0.0, 0.5, 1.0, 0.5, 0.0])
    assert window.sum() == 2.0


@pytest.mark.parametrize(
    ("width_ms", "bins"), [(5.0, 1), (9.9, 1), (11.0, 3), (15.0, 3), (19.0, 3), (21.0, 5), (29.0, 5), (35.0, 7)]
)
def test_a_window_is_the_nearest_odd_number_of_bins(width_ms, bins):
    assert len(hanning_window(width_ms, 5.0)) == bins


def test_a_window_shorter_than_a_bin_is_refused():
    with pytest.raises(ConfigError, match=r"4 ms is shorter than a bin of 5 ms"):
        hanning_window(4.0, 5.0)


def test_one_spike_becomes_the_window():
    counts = np.zeros(11)
    counts[5] = 1
    np.testing.assert_array_equal(smooth(counts, hanning_window(35.0, 5.0))[2:9], hanning_window(35.0, 5.0))


def test_at_the_edges_there_is_silence_beyond():
    np.testing.assert_array_equal(smooth(np.ones(4), hanning_window(21.0, 5.0)), [1.5, 2.0, 2.0, 1.5])


@given(COUNTS, COUNTS, WIDTHS_MS)
def test_smoothing_is_linear_so_the_mean_over_repeats_may_be_smoothed_instead(a, b, width_ms):
    b = np.resize(b, a.shape)
    window = hanning_window(width_ms, 5.0)
    apart = (smooth(a, window) + smooth(b, window)) / 2
    np.testing.assert_allclose(smooth((a.astype(float) + b) / 2, window), apart, atol=1e-12)


@given(COUNTS, WIDTHS_MS)
def test_smoothing_does_not_know_the_direction_of_time(counts, width_ms):
    window = hanning_window(width_ms, 5.0)
    np.testing.assert_allclose(smooth(counts[..., ::-1], window), smooth(counts, window)[..., ::-1], atol=1e-12)
