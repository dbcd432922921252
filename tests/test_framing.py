"""From blocks of any length to whole hops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.errors import StreamError
from rtstrf.framing import Framer


@given(hop=st.integers(1, 50), lengths=st.lists(st.integers(0, 120), max_size=30))
def test_hops_are_the_samples_in_order_and_none_is_lost(hop: int, lengths: list[int]) -> None:
    samples = np.arange(sum(lengths), dtype=np.float32)
    framer = Framer(hop)
    blocks = np.split(samples, np.cumsum(lengths)[:-1]) if lengths else []
    hops = [framer.push(block) for block in blocks]
    whole = np.concatenate([np.empty((0, hop), np.float32), *hops])
    assert whole.dtype == np.float32
    assert np.array_equal(whole.ravel(), samples[: len(samples) // hop * hop])
    assert framer.pending_samples == len(samples) % hop
    assert framer.flush().shape == (0, hop)


@given(hop=st.integers(1, 50), lengths=st.lists(st.integers(0, 120), max_size=30), index=st.integers(0, 20))
def test_a_bin_is_out_exactly_when_the_samples_it_needs_are_in(hop: int, lengths: list[int], index: int) -> None:
    framer = Framer(hop)
    heard = bins = 0
    for length in lengths:
        heard += length
        bins += len(framer.push(np.zeros(length, np.float32)))
        assert (bins > index) == (heard >= framer.source_samples_needed(index))


def test_a_hop_does_not_change_when_the_callers_buffer_does() -> None:
    framer, buffer = Framer(4), np.ones(10, dtype=np.float32)
    hops = framer.push(buffer)
    buffer[:] = 9
    assert (hops == 1).all()
    assert framer.push(np.zeros(2, np.float32)).tolist() == [[1, 1, 0, 0]]


def test_its_clock_is_the_sources() -> None:
    assert Framer(80).source_index(1234) == 1234.0
    assert Framer(80).latency_s == 0.0


@pytest.mark.parametrize("hop", [0, -1])
def test_a_hop_without_samples_is_an_error(hop: int) -> None:
    with pytest.raises(StreamError, match=f"a hop of {hop} samples"):
        Framer(hop)


@pytest.mark.parametrize("shape", [(), (2, 3), (1, 1, 1)])
def test_a_block_of_several_channels_is_an_error_that_says_which_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(StreamError, match="give one channel"):
        Framer(4).push(np.zeros(shape, np.float32))
