"""Hops made again from any sample on are those of the run, bit for bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.pipeline import make_framer
from rtstrf.record.rebuild import Hops, resume_point
from tests.support.live import noise

RATES = [(48000, 48000, 240), (44100, 48000, 240), (16000, 48000, 240), (96000, 48000, 240), (22050, 48000, 240)]


@pytest.mark.parametrize("rates", RATES)
@settings(deadline=None)
@given(begin=st.integers(0, 3000), hole=st.integers(0, 2000), cuts=st.lists(st.integers(1, 4000), max_size=4))
def test_hops_from_any_sample_on_and_after_a_hole_are_those_of_the_run(
    rates: tuple[int, int, int], begin: int, hole: int, cuts: list[int]
) -> None:
    sound = noise(12000)
    framer = make_framer(*rates)
    run = np.concatenate([framer.push(sound), framer.flush()])
    edges = sorted({begin, *(c + begin for c in cuts), 7000})
    parts = [(a, sound[a:b]) for a, b in itertools.pairwise(edges)]
    parts.append((7000 + hole, sound[7000 + hole :]))
    hops = Hops(iter(parts), *rates)
    made = {index: hop for index in range(len(run)) if (hop := hops.take(index)) is not None}
    for index, hop in made.items():
        np.testing.assert_array_equal(hop, run[index])
    after = resume_point(7000 + hole if hole else begin, *rates).first_bin
    assert set(range(after, len(run))) <= set(made)


@pytest.mark.parametrize("rates", RATES[1:])
def test_the_first_bin_that_is_made_again_is_the_first_that_can_be(rates: tuple[int, int, int]) -> None:
    sound = noise(6000)
    run = make_framer(*rates).push(sound)
    point = resume_point(1000, *rates)
    fresh = make_framer(*rates).push(sound[point.sample :])
    early = point.first_bin - point.bin - 1
    assert not np.array_equal(fresh[early], run[point.first_bin - 1])
