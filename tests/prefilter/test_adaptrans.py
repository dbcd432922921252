"""AdapTrans against its sum, written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.errors import ConfigError
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.prefilter.make import make_prefiltering
from tests.support import loops


def parameters(stage: AdapTrans) -> tuple[np.ndarray, ...]:
    """Return a_on, a_off and w as float64."""
    return tuple(1 / (1 + v.detach().double().numpy() ** 2) for v in (stage.d_on, stage.d_off, stage.p))


@settings(deadline=None, max_examples=40)
@given(
    taps=st.integers(2, 30),
    frames=st.integers(1, 40),
    decay=st.lists(st.floats(0.05, 0.999), min_size=1, max_size=4),
    weight=st.floats(0.05, 1.0),
    chunk=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_it_is_the_truncated_sum_from_the_first_frame_on(
    taps: int, frames: int, decay: list[float], weight: float, chunk: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    stage = AdapTrans(decay, weight=weight, kernel_frames=taps)
    with torch.no_grad():
        stage.d_off.mul_(torch.as_tensor(rng.uniform(0.8, 1.2, len(decay))))  # OFF adapts otherwise than ON
    stage = stage.double()
    x = rng.normal(size=(len(decay), frames)) * rng.choice([0.0, 1.0, 30.0], size=frames)
    expected = loops.adaptrans(x, *parameters(stage), taps)
    given_ = torch.from_numpy(x)[None, None]
    state, parts = stage.initial_state(1), []
    with torch.inference_mode():
        for piece in given_.split(chunk, dim=-1):
            y, state = stage.step(piece, state)
            parts.append(y)
    assert np.abs(torch.cat(parts, -1)[0].numpy() - expected).max() <= 1e-10 * max(1.0, np.abs(x).max())


def test_with_many_taps_it_stays_exact_in_float32_for_long() -> None:
    stage = AdapTrans.for_bands(3, dt_ms=1.0, kernel_frames=100)
    x = np.random.default_rng(0).normal(size=(3, 700)).astype(np.float32) + 5
    expected = loops.adaptrans(x.astype(np.float64), *parameters(stage), 100)
    state, parts = stage.initial_state(1), []
    with torch.inference_mode():
        for t in range(700):
            y, state = stage.step(torch.from_numpy(x[None, None, :, t : t + 1].copy()), state)
            parts.append(y)
    assert np.abs(torch.cat(parts, -1)[0].numpy() - expected).max() <= 5e-6


def test_steady_sound_gives_a_steady_on_and_no_off_beyond_its_weight() -> None:
    stage = AdapTrans([0.9], weight=1.0, kernel_frames=20)
    y = stage(torch.full((1, 1, 1, 50), 3.0))
    assert y.abs().max() < 1e-5


def test_a_rise_is_heard_by_on_and_a_fall_by_off() -> None:
    x = torch.zeros(1, 1, 1, 60)
    x[..., 20:40] = 1.0
    on, off = AdapTrans([0.9], weight=1.0, kernel_frames=30)(x)[0, :, 0].detach()
    assert int(on.argmax()) == 20
    assert int(off.argmax()) == 40
    assert not on[:20].any()
    assert not off[:40].any()


def test_bands_get_their_time_constants_and_three_of_the_longest_as_taps() -> None:
    stage = AdapTrans.for_bands(34, dt_ms=5.0)
    a_on, a_off, w = parameters(stage)
    assert a_on[0] == pytest.approx(np.exp(-5 / 216.61), abs=1e-5)
    assert a_on[-1] == pytest.approx(np.exp(-5 / 48.39), abs=1e-5)
    assert np.array_equal(a_on, a_off)
    assert np.allclose(w, 0.75)
    assert stage.kernel_frames == 131


def test_learnable_or_not_the_weights_have_the_same_names() -> None:
    fitted, fixed = AdapTrans([0.5]), AdapTrans([0.5], learnable=False)
    assert set(fitted.state_dict()) == set(fixed.state_dict()) == {"d_on", "d_off", "p"}
    assert len(list(fitted.parameters())) == 3
    assert not list(fixed.parameters())


@pytest.mark.parametrize("decay", [[0.0], [1.0], [1.2], [-0.1], [float("nan")], [[0.5]], 0.5])
def test_a_decay_that_does_not_decay_is_refused(decay: list[float]) -> None:
    with pytest.raises(ConfigError, match="decays"):
        AdapTrans(decay)


@pytest.mark.parametrize(("options", "words"), [({"kernel_frames": 1}, "1 taps"), ({"weight": 0.0}, "weight 0")])
def test_options_that_mean_nothing_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        AdapTrans([0.5], **options)  # type: ignore[arg-type]


def test_a_prefilter_is_made_by_name_or_refused() -> None:
    assert make_prefiltering("adaptrans", bands=5, dt_ms=5.0, kernel_frames=7).kernel_frames == 7
    with pytest.raises(ConfigError, match="unknown prefilter 'sieve'"):
        make_prefiltering("sieve")
    with pytest.raises(ConfigError, match="does not know dt and needs bands, dt_ms"):
        make_prefiltering("adaptrans", dt=5.0)
