"""Bins, hops and rates."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rtstrf.errors import ConfigError
from rtstrf.rates import hz_per_response
from rtstrf.units import bin_end_s, hop_is_whole, hop_samples


@given(st.integers(1, 400_000), st.sampled_from([0.5, 1.0, 2.0, 2.5, 4.0, 5.0, 10.0, 20.0]))
def test_a_hop_is_whole_or_refused(rate_hz: int, bin_ms: float) -> None:
    exact = Fraction(rate_hz) * Fraction(bin_ms) / 1000
    if exact.denominator == 1:
        assert hop_samples(rate_hz, bin_ms) == exact
        assert hop_is_whole(rate_hz, bin_ms)
    else:
        assert not hop_is_whole(rate_hz, bin_ms)
        with pytest.raises(ConfigError, match="not a whole number"):
            hop_samples(rate_hz, bin_ms)


@given(st.integers(1000, 400_000), st.sampled_from([1.0, 2.5, 5.0, 10.0]))
def test_a_refusal_names_rates_that_would_do(rate_hz: int, bin_ms: float) -> None:
    assume(not hop_is_whole(rate_hz, bin_ms))
    with pytest.raises(ConfigError) as told:
        hop_samples(rate_hz, bin_ms)
    assert told.value.remedy is not None
    named = [int(word) for word in told.value.remedy.replace(",", " ").split() if word.isdigit()]
    assert named
    assert all(hop_is_whole(rate, bin_ms) for rate in named)


@pytest.mark.parametrize(("rate_hz", "bin_ms"), [(44100, 5.0), (22050, 5.0), (48000, 0.01), (100, 5.0)])
def test_known_traps_are_refused(rate_hz: int, bin_ms: float) -> None:
    with pytest.raises(ConfigError):
        hop_samples(rate_hz, bin_ms)


def test_a_bin_ends_at_its_sample_count_after_hours_too() -> None:
    day_of_bins = 24 * 3600 * 200
    assert bin_end_s(0, 240, 48000) == 0.005
    assert bin_end_s(day_of_bins - 1, 240, 48000) == 86400.0


def test_a_response_is_spikes_in_a_bin_over_its_width_and_smoothing() -> None:
    assert hz_per_response(5.0) == 200.0
    assert hz_per_response(5.0, 2.0) == 100.0  # the raw Hanning window of NS1 adds up to 2
    for bin_ms, kernel_sum in ((0.0, 1.0), (-5.0, 1.0), (5.0, 0.0)):
        with pytest.raises(ConfigError, match="must be positive"):
            hz_per_response(bin_ms, kernel_sum)
