import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.errors import DataError
from rtstrf.fit.metrics import correlation, normalised_correlation, signal_power

SEEDS = st.integers(0, 2**32 - 1)


def simulated(seed: int, repeats: int = 5, bins: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """A signal, and repeats of it with noise."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=bins)
    return signal, signal + 0.5 * rng.normal(size=(repeats, bins))


def test_signal_power_by_hand():
    # Repeats [0 2 4 2] and [2 2 4 0]: mean [1 2 4 1], variance 1.5; variances of the repeats 2 and 2, mean 2.
    # SP = (2 * 1.5 - 2) / (2 - 1) = 1.
    assert signal_power(np.array([[0, 2, 4, 2], [2, 2, 4, 0]])) == pytest.approx(1.0)


def test_cc_norm_by_hand():
    # The same repeats, and the prediction [0 1 2 0]: variance 11/16, covariance with the mean 1, SP 1,
    # so cc_norm = 1 / sqrt(11/16) = 1.206: above 1, which happens with two repeats.
    repeats = np.array([[0, 2, 4, 2], [2, 2, 4, 0]])
    assert normalised_correlation(np.array([0, 1, 2, 0]), repeats) == pytest.approx(1 / np.sqrt(11 / 16))


def test_the_perfect_prediction_of_a_noise_free_response_scores_one():
    signal, _ = simulated(1)
    assert normalised_correlation(signal, np.stack([signal] * 4)) == pytest.approx(1.0)
    assert correlation(signal, signal) == pytest.approx(1.0)


def test_signal_power_estimates_the_variance_of_the_signal_whatever_the_noise():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=200)
    noisy = signal + 2.0 * rng.normal(size=(500, 6, 200))
    assert signal_power(noisy).mean() == pytest.approx(signal.var(), rel=0.03)


def test_the_true_signal_scores_one_on_average_where_plain_correlation_does_not():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=400)
    noisy = signal + 2.0 * rng.normal(size=(300, 8, 400))
    prediction = np.broadcast_to(signal, (300, 400))
    assert normalised_correlation(prediction, noisy).mean() == pytest.approx(1.0, abs=0.02)
    assert correlation(prediction, noisy.mean(axis=1)).mean() < 0.9


@given(SEEDS, st.floats(0.01, 100), st.floats(-100, 100))
def test_scale_and_offset_of_the_prediction_do_not_matter(seed, scale, offset):
    signal, repeats = simulated(seed)
    prediction = signal + np.roll(signal, 1)
    changed = scale * prediction + offset
    assert normalised_correlation(changed, repeats) == pytest.approx(normalised_correlation(prediction, repeats))
    assert correlation(changed, repeats[0]) == pytest.approx(correlation(prediction, repeats[0]))


@given(SEEDS)
def test_an_inverted_prediction_has_the_opposite_score(seed):
    signal, repeats = simulated(seed)
    assert normalised_correlation(-signal, repeats) == pytest.approx(-normalised_correlation(signal, repeats))


@given(SEEDS)
def test_the_order_of_bins_and_of_repeats_does_not_matter(seed):
    signal, repeats = simulated(seed)
    rng = np.random.default_rng(seed)
    bins, rows = rng.permutation(signal.size), rng.permutation(len(repeats))
    assert normalised_correlation(signal[bins], repeats[rows][:, bins]) == pytest.approx(
        normalised_correlation(signal, repeats)
    )


@given(SEEDS)
def test_units_are_scored_apart(seed):
    signal, repeats = simulated(seed)
    other, other_repeats = simulated(seed + 1)
    both = normalised_correlation(np.stack([signal, other]), np.stack([repeats, other_repeats]))
    assert both[0] == pytest.approx(normalised_correlation(signal, repeats))
    assert both[1] == pytest.approx(normalised_correlation(other, other_repeats))


def test_what_cannot_be_scored_is_nan_and_not_a_number():
    _, repeats = simulated(3)
    assert np.isnan(normalised_correlation(np.ones(60), repeats))
    assert np.isnan(correlation(np.ones(60), repeats[0]))
    assert np.isnan(normalised_correlation(np.arange(60.0), np.zeros((4, 60))))  # a silent unit
    alternating = np.stack([np.arange(60.0), -np.arange(60.0)])  # repeats that contradict: negative signal power
    assert signal_power(alternating) < 0
    assert np.isnan(normalised_correlation(np.arange(60.0), alternating))


def test_one_repeat_says_nothing_of_signal_power():
    with pytest.raises(DataError, match=r"(?s)signal power from 1 repeat.*at least twice"):
        signal_power(np.zeros((1, 10)))
