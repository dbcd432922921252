"""The faulty device writes down what it really did."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.chaos.row import bins_concealed, bins_unheard
from rtstrf.chaos.source import ChaosSource
from rtstrf.errors import SoundError
from rtstrf.sound.source import Source
from rtstrf.sound.synthetic import NoiseSource, ToneSource


def read(source: Source, samples: int) -> np.ndarray:
    block = source.read(samples, timeout_s=5.0)
    assert block is not None
    assert len(block.samples) == samples
    return block.samples


def test_what_is_lost_is_a_hole_in_the_sound() -> None:
    with NoiseSource(gap_ms=0.0) as whole, ChaosSource(NoiseSource(gap_ms=0.0)) as source:
        sound = read(whole, 480 + 100)
        first = read(source, 240)
        source.lose(100, xruns=1)
        block = source.read(240, timeout_s=5.0)
        assert block is not None
        np.testing.assert_array_equal(first, sound[:240])
        np.testing.assert_array_equal(block.samples, sound[340:580])
        assert block.lost_samples == 100
        (told,) = source.injected
        assert (told.at_sample, told.samples, told.xruns, source.xruns, source.position) == (240, 100, 1, 1, 580)


def test_stamps_are_true_except_of_late_blocks_and_after_a_step() -> None:
    with ChaosSource(ToneSource()) as source:
        stamps = []
        for order in (None, None, "late", None, "step", None):
            if order == "late":
                source.hold_back(30.0)
            if order == "step":
                source.step_clock(-7.0)
            block = source.read(240, timeout_s=5.0)
            assert block is not None
            stamps.append(block.t_ns)
    apart_ms = np.diff(stamps) / 1e6
    assert apart_ms[0] == pytest.approx(5.0, abs=1e-3)
    assert apart_ms[1] >= 34.99
    assert apart_ms[1] + apart_ms[2] == pytest.approx(10.0, abs=1e-3)
    assert apart_ms[3] == pytest.approx(-2.0, abs=1e-3)
    assert apart_ms[4] == pytest.approx(5.0, abs=1e-3)


def test_an_unplugged_device_fails_is_away_and_comes_back_with_its_clock_gone_on() -> None:
    with ChaosSource(ToneSource()) as source:
        read(source, 240)
        source.unplug(50.0)
        with pytest.raises(SoundError, match="unplugged"):
            source.read(240, timeout_s=5.0)
        with pytest.raises(SoundError, match="away"):
            source.open()
        while True:
            try:
                source.open()
                break
            except SoundError:
                continue
        block = source.read(240, timeout_s=5.0)
        assert block is not None
        (told,) = source.injected
        assert block.lost_samples == 0, "the ledger has to find out"
        assert told.samples >= 50 * 48 - 1
        assert source.position == 240 + told.samples + 240


@settings(max_examples=300, deadline=None)
@given(
    losses=st.lists(st.tuples(st.integers(0, 700), st.integers(1, 3000)), max_size=6),
    hop=st.integers(1, 300),
    conceal=st.integers(0, 1500),
)
def test_bins_unheard_and_concealed_are_those_counted_sample_by_sample(
    losses: list[tuple[int, int]], hop: int, conceal: int
) -> None:
    placed, at = [], 0
    for apart, samples in losses:
        placed.append((at + apart + 1, samples))
        at += apart + 1 + samples
    bins = at // hop + 2
    by_loss = np.full(bins * hop, -1)
    for number, (start, samples) in enumerate(placed):
        by_loss[start : start + samples] = number
    unheard, concealed = 0, []
    for index, held in enumerate(by_loss.reshape(bins, hop)):
        inside = set(held.tolist())
        if len(inside) == 1 and -1 not in inside and placed[held[0]][1] > conceal:
            unheard += 1
        elif inside != {-1}:
            concealed.append(index)
    assert bins_unheard(placed, hop, conceal) == unheard
    assert bins_concealed(placed, hop, conceal) == concealed
