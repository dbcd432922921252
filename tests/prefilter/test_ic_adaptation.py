"""ICAdaptation against its sum, written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.errors import ConfigError
from rtstrf.prefilter.ic_adaptation import ICAdaptation
from rtstrf.prefilter.make import make_prefiltering
from tests.support import loops_strf as loops


@settings(deadline=None, max_examples=40)
@given(
    taps=st.integers(2, 30),
    frames=st.integers(1, 40),
    decay=st.lists(st.floats(0.05, 0.999), min_size=1, max_size=4),
    chunk=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_it_is_the_truncated_sum_from_the_first_frame_on(
    taps: int, frames: int, decay: list[float], chunk: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    stage = ICAdaptation(decay, kernel_frames=taps).double()
    x = rng.normal(size=(len(decay), frames)) * rng.choice([0.0, 1.0, 30.0], size=frames)
    expected = loops.ic_adaptation(x, stage.a.numpy(), taps)
    state, parts = stage.initial_state(1), []
    for piece in torch.from_numpy(x)[None, None].split(chunk, dim=-1):
        y, state = stage.step(piece, state)
        parts.append(y)
    y = torch.cat(parts, -1)
    assert y.shape == (1, 1, *x.shape)
    assert np.abs(y[0, 0].numpy() - expected).max() <= 1e-10 * max(1.0, np.abs(x).max())


def test_steady_sound_is_silence_to_it_and_pulls_on_nothing() -> None:
    x = torch.full((1, 1, 2, 50), 0.1, dtype=torch.float64, requires_grad=True)
    y = ICAdaptation([0.9, 0.3], kernel_frames=20).double()(x)
    assert y.abs().max() == 0
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient.abs().max() == 0


def test_a_rise_is_heard_and_a_fall_is_not() -> None:
    x = torch.zeros(1, 1, 1, 60)
    x[..., 20:40] = 1.0
    y = ICAdaptation([0.9], kernel_frames=30)(x)[0, 0, 0]
    assert int(y.argmax()) == 20
    assert y[20] == 1.0
    assert y[21:40].diff().max() < 0
    assert y[40:].max() < 1e-7


def test_its_bands_adapt_as_those_of_adaptrans_do_and_are_not_fitted() -> None:
    stage = ICAdaptation.for_bands(34, dt_ms=5.0)
    assert stage.a[[0, -1]].tolist() == pytest.approx([np.exp(-5 / 216.61), np.exp(-5 / 48.39)], abs=1e-5)
    assert stage.kernel_frames == 131
    assert set(stage.state_dict()) == {"a"}
    assert not list(stage.parameters())


@pytest.mark.parametrize("name", ["icadaptation", "willmore"])
def test_it_is_made_by_either_of_its_names(name: str) -> None:
    stage = make_prefiltering(name, bands=5, dt_ms=5.0, kernel_frames=7)
    assert isinstance(stage, ICAdaptation)
    assert stage.kernel_frames == 7


@pytest.mark.parametrize("decay", [[0.0], [1.0], [-0.1], [float("nan")], [[0.5]], 0.5])
def test_a_decay_that_does_not_decay_is_refused(decay: list[float]) -> None:
    with pytest.raises(ConfigError, match="decays"):
        ICAdaptation(decay)


def test_a_single_tap_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 taps"):
        ICAdaptation([0.5], kernel_frames=1)
