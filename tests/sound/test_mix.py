"""From channels to one channel in pascals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.errors import SoundError
from rtstrf.sound.mix import check_channel, first_non_finite, require_finite, to_mono_pa


@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 40))
def test_a_frame_is_mixed_the_same_alone_and_among_others(channels: int, count: int, at: int) -> None:
    frames = np.random.default_rng(channels).standard_normal((count, channels)).astype(np.float32)
    cut = min(at, count)
    whole = to_mono_pa(frames, None, 0.7)
    parts = np.concatenate([to_mono_pa(frames[:cut], None, 0.7), to_mono_pa(frames[cut:], None, 0.7)])
    assert parts.tobytes() == whole.tobytes()
    assert whole == pytest.approx(0.7 * frames.astype(np.float64).mean(axis=1), abs=1e-6)


def test_one_channel_at_94_db_spl_is_untouched() -> None:
    frames = np.random.default_rng(0).standard_normal((100, 3)).astype(np.float32)
    assert to_mono_pa(frames, 2, 1.0).tobytes() == frames[:, 2].tobytes()
    assert to_mono_pa(frames[:, :1], None, 1.0).tobytes() == frames[:, 0].tobytes()


def test_the_result_is_a_copy() -> None:
    frames = np.ones((4, 1), dtype=np.float32)
    to_mono_pa(frames, None, 1.0)[:] = 5
    assert (frames == 1).all()


@pytest.mark.parametrize("channel", [-1, 2])
def test_a_channel_that_is_not_there_is_named_with_those_that_are(channel: int) -> None:
    with pytest.raises(SoundError, match=f"no channel {channel} in x.wav: it has channels 0 to 1"):
        check_channel(channel, 2, "x.wav")
    check_channel(1, 2, "x.wav")
    check_channel(None, 2, "x.wav")


@given(st.integers(0, 99), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_the_first_sample_that_is_no_number_is_found(position: int, value: float) -> None:
    samples = np.zeros(100, dtype=np.float32)
    samples[position:] = value
    assert first_non_finite(samples) == position
    with pytest.raises(SoundError, match=rf"sample {1000 + position} \({(1000 + position) / 8000:.6f} s\)"):
        require_finite(samples, 1000, 8000, "x.wav")
    assert first_non_finite(samples[:position]) is None
