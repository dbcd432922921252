"""Figures from times that are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.replay.figures import deadlines, distribution_ms, figures, jitter_ms, verdict
from rtstrf.replay.play import Replayed, replay
from tests.support.models import RATE_HZ
from tests.support.sounds import ArraySource, bursts

MS = 1_000_000


def timed(loaded: LoadedModel, compute_ms: list[float], latency_ms: list[float] | None = None) -> Replayed:
    """Return a replay whose times are the given ones, delivered 5 ms apart."""
    result = replay(ArraySource(bursts(80 * len(compute_ms), RATE_HZ), RATE_HZ), loaded)
    return dataclasses.replace(
        result,
        compute_ns=np.array([round(MS * value) for value in compute_ms], dtype=np.int64),
        delivered_ns=np.arange(len(compute_ms), dtype=np.int64) * 5 * MS,
        latency_ns=None if latency_ms is None else np.array([round(MS * v) for v in latency_ms], dtype=np.int64),
    )


@given(st.lists(st.integers(1, 10**10), min_size=1, max_size=200))
def test_percentiles_lie_in_order_between_the_least_and_the_greatest(values_ns: list[int]) -> None:
    spread = distribution_ms(np.array(values_ns))
    ordered = [min(values_ns) / 1e6, spread["p50"], spread["p99"], spread["p99_9"], spread["max"]]
    assert ordered == sorted(ordered)
    assert spread["max"] == max(values_ns) / 1e6


def test_percentiles_are_those_of_every_hop() -> None:
    spread = distribution_ms(np.arange(1, 1002) * MS)
    assert spread == pytest.approx({"mean": 501.0, "p50": 501.0, "p99": 991.0, "p99_9": 1000.0, "max": 1001.0})


def test_a_hop_misses_its_deadline_by_slow_computing_or_by_late_delivery(loaded: LoadedModel) -> None:
    result = timed(loaded, [1, 5, 6, 6], [1, 5.5, 6, 4])
    assert deadlines(result) == {"computing": 2, "delivery": 2, "missed": 3}


def test_in_fast_replay_only_computing_can_miss(loaded: LoadedModel) -> None:
    assert deadlines(timed(loaded, [1, 5, 6, 6])) == {"computing": 2, "delivery": 0, "missed": 2}


def test_steady_delivery_has_no_jitter(loaded: LoadedModel) -> None:
    total = figures([timed(loaded, [1, 2, 3, 4], [1, 1, 1, 1])])
    assert total["delivery_jitter_ms"] == {"sd": 0.0, "p99_minus_p50": 0.0}
    assert total["latency_ms"]["max"] == 1.0


def test_jitter_is_the_spread_of_the_intervals_error() -> None:
    error_ns = np.array([-2.0 * MS, 2.0 * MS])
    assert jitter_ms(error_ns) == {"sd": 2.0, "p99_minus_p50": pytest.approx(1.96)}
    assert jitter_ms(np.array([])) is None


def test_fast_replay_claims_no_latency(loaded: LoadedModel) -> None:
    total = figures([timed(loaded, [1, 2])])
    assert total["latency_ms"] is None
    assert total["delivery_jitter_ms"] is None


def test_several_sounds_are_taken_together_hop_by_hop(loaded: LoadedModel) -> None:
    first, second = timed(loaded, [1, 1, 1], [1, 1, 1]), timed(loaded, [9], [9])
    total = figures([first, second])
    assert total["bins"] == 4
    assert total["computing_ms"]["mean"] == 3.0
    assert total["computing_ms"]["max"] == 9.0
    assert total["deadlines_missed_bins"] == 1
    assert total["deadlines_missed_fraction"] == 0.25
    assert total["sound_s"] == pytest.approx(0.02)
    assert total["times_real_time"] == pytest.approx(20 / 12)
    assert total["load_mean"] == pytest.approx(3 / 5)


@pytest.mark.parametrize(
    ("compute_ms", "keeps_up", "beginning"),
    [
        ([1.0, 2.0], True, "Keeps up: all 2 bins met their deadline of 5 ms"),
        ([1.0, 6.0], False, "Keeps up on average, but not always: 1 of 2 bins (50 %)"),
        ([6.0, 6.0], False, "Does not keep up: 2 of 2 bins (1e+02 %)"),
    ],
)
def test_the_verdict_is_one_sentence(
    loaded: LoadedModel, compute_ms: list[float], keeps_up: bool, beginning: str
) -> None:
    kept, sentence = verdict([timed(loaded, compute_ms)])
    assert kept is keeps_up
    assert sentence.startswith(beginning)
    assert sentence.endswith("with up to 5.0 ms of algorithmic delay before it.")
