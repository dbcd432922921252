"""How the sound is cut into blocks."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.errors import ConfigError
from rtstrf.replay.blocks import LARGEST_RANDOM_SAMPLES, block_sizes, parse_block


@given(st.integers(1, 10**9))
def test_a_whole_number_is_the_size_of_every_block(size: int) -> None:
    assert parse_block(str(size)) == size
    assert list(islice(block_sizes(size), 3)) == [size] * 3


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "often", "Random", "nan"])
def test_another_word_is_an_error_that_says_what_is_possible(text: str) -> None:
    with pytest.raises(ConfigError, match=r"from 1, or: random") as told:
        parse_block(text)
    assert repr(text) in str(told.value) or f"{text} samples" in str(told.value)


@given(st.integers(0, 2**31))
def test_random_sizes_follow_from_their_seed(seed: int) -> None:
    first, again = (list(islice(block_sizes("random", seed), 600)) for _ in range(2))
    assert first == again
    assert all(1 <= size <= LARGEST_RANDOM_SAMPLES for size in first)
    assert len(set(first)) > 100


@pytest.mark.parametrize("block", [0, -3, True])
def test_a_size_that_no_block_has_is_refused_before_the_first(block: int) -> None:
    with pytest.raises(ConfigError):
        next(block_sizes(block))
