"""The Transformer against its formulas, written out; its window, its start and its clock."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from rtstrf.errors import ConfigError
from rtstrf.models.attention import CausalEncoder, banded_attention
from rtstrf.models.positions import SinusoidalPositions
from rtstrf.models.transformer import Transformer
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.spectrogram.mel import MelSpectrogram
from tests.support import loops_transformer as loops
from tests.support.stages import build

CASES: dict[str, dict[str, Any]] = {
    "default": {"context_window": 9},
    "heads": {"context_window": 9, "n_heads": 2},
    "layers": {"context_window": 6, "n_layers": 3},
    "patches": {"context_window": 9, "freq_patch_size": 2, "time_patch_size": 3},
    "one-frame": {"context_window": 1},
    "whole-past": {"max_frames": 40},
}
BANDS, FRAMES = 6, 31


def make(dtype: torch.dtype = torch.float64, **options: Any) -> Transformer:
    model = build(lambda: Transformer(BANDS, 3, embedding_dim=4, **options), dtype)
    assert isinstance(model, Transformer)
    return model


def weights(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {key: value.detach().double().numpy() for key, value in module.state_dict().items()}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def stepped(model: Transformer, x: torch.Tensor, chunks: list[int], state: Any = None) -> np.ndarray:
    state, parts = state or model.initial_state(x.shape[0]), []
    with torch.inference_mode():
        for piece in x.split(chunks, dim=-1):
            y, state = model.step(piece, state)
            parts.append(y)
    return torch.cat(parts, -1).numpy()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("chunks", [[FRAMES], [1] * FRAMES, [2, 17, 1, 11]], ids=["whole", "hop by hop", "chunks"])
def test_the_model_is_its_formulas(name: str, chunks: list[int]) -> None:
    options = CASES[name]
    model = make(**options)
    x = normal(2, 1, BANDS, FRAMES)
    y = stepped(model, x, chunks)
    sizes = {"heads": options.get("n_heads", 1), "layers": options.get("n_layers", 1)}
    for stream in range(2):
        window = options.get("context_window")
        expected = loops.transformer(x[stream].numpy(), weights(model), window=window, **sizes)
        assert np.abs(y[stream] - expected).max() <= 1e-11


@pytest.mark.parametrize("chunks", [[FRAMES], [1] * FRAMES], ids=["whole", "hop by hop"])
def test_days_into_a_stream_the_positions_are_still_those_of_the_frame(chunks: list[int]) -> None:
    model = make(context_window=9)
    days = 10**8  # frames: 6 days at 5 ms
    x = normal(1, 1, BANDS, FRAMES)
    state = model.initial_state(1)
    state["pos_encoding"]["t"] += days
    expected = loops.transformer(x[0].numpy(), weights(model), heads=1, layers=1, window=9, first=days)
    assert np.abs(stepped(model, x, chunks, state)[0] - expected).max() <= 1e-9
    assert state["pos_encoding"]["t"].dtype == torch.int64


def test_in_float32_a_late_position_is_as_exact_as_an_early_one() -> None:
    stage = SinusoidalPositions(48)
    late = stage.initial_state(1)
    late["t"] += 10**8
    y, new = stage.step(torch.zeros(1, 48, 50), late)
    expected = loops.positions(50, weights(stage)["div_term"], 10**8)
    assert np.abs(y[0].T.numpy() - expected).max() <= 2e-7
    assert new["t"].tolist() == [10**8 + 50]


def test_deepstrf_s_phase_is_its_float32_product() -> None:
    theirs, ours = SinusoidalPositions(48, deepstrf_phase=True), SinusoidalPositions(48)
    frame = 12000
    state = theirs.initial_state(1)
    state["t"] += frame
    y = theirs.step(torch.zeros(1, 48, 1), state)[0][0, :, 0].numpy()
    product = np.float32(frame) * ours.div_term.numpy()
    assert np.array_equal(product.dtype, np.float32)
    expected = np.stack([np.sin(product), np.cos(product)], axis=1).reshape(-1)
    assert np.abs(y - expected).max() <= 2e-7
    exact = loops.positions(1, weights(ours)["div_term"], frame)[0]
    assert np.abs(y - exact).max() > 1e-5  # which is why it is not the default


def test_streams_that_started_at_other_times_have_their_own_positions_and_pasts() -> None:
    model = make(context_window=5)
    x = normal(2, 1, BANDS, 20)
    alone = [stepped(model, x[i : i + 1], [20]) for i in range(2)]
    late = model.initial_state(1)
    first, early = model.step(x[:1, ..., :8], model.initial_state(1))
    from rtstrf.stream import stack

    both = stack([early, late])
    together = torch.cat([x[:1, ..., 8:], x[1:, ..., :12]])
    y = stepped(model, together, [3, 9], both)
    assert np.abs(np.concatenate([first.detach().numpy(), y[:1]], -1) - alone[0]).max() <= 1e-12
    assert np.abs(y[1:] - alone[1][..., :12]).max() <= 1e-12


def test_a_bounded_context_is_the_whole_past_until_the_bound_and_a_window_after_it() -> None:
    bounded, window, longer = make(max_frames=12), make(context_window=12), make(max_frames=100)
    x = normal(1, 1, BANDS, FRAMES)
    y, of_window, whole_past = (stepped(model, x, [FRAMES]) for model in (bounded, window, longer))
    assert np.array_equal(y, of_window)
    assert np.abs(y - whole_past)[..., :12].max() <= 1e-12
    assert np.abs(y - whole_past)[..., 13:].max() > 1e-3


@pytest.mark.parametrize("window", [1, 2, 7, 130, 300])
@pytest.mark.parametrize("frames", [1, 2, 129, 400])
def test_attention_over_a_band_is_the_masked_product_whatever_the_blocks(window: int, frames: int) -> None:
    q, k, v = (normal(2, 2, n, 3, seed=i) for i, n in enumerate([frames, window - 1 + frames, window - 1 + frames]))
    missing = torch.tensor([0, window - 1])
    y = banded_attention(q, k, v, missing)
    index = np.arange(window - 1 + frames)
    for stream, head in itertools.product(range(2), range(2)):
        behind = index[None] - np.arange(frames)[:, None]
        seen = (behind >= 0) & (behind < window) & (index >= missing[stream].item())[None]
        scores = np.where(seen, q[stream, head].numpy() @ k[stream, head].numpy().T, -np.inf)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        expected = shares / shares.sum(-1, keepdims=True) @ v[stream, head].numpy()
        assert np.abs(y[stream, head].numpy() - expected).max() <= 1e-12


@pytest.mark.parametrize("chunks", [[FRAMES], [1] * FRAMES, [10, 21]], ids=["whole", "hop by hop", "chunks"])
def test_a_nan_is_heard_for_as_long_as_the_window_sees_it_and_no_longer(chunks: list[int]) -> None:
    stage = build(lambda: CausalEncoder(4, heads=2, layers=1, window_frames=6), torch.float32)
    x = normal(1, 4, FRAMES).float()
    clean = stepped(stage, x, chunks)  # type: ignore[arg-type]
    x[0, 2, 12] = torch.nan
    y = stepped(stage, x, chunks)  # type: ignore[arg-type]
    spoiled = np.isnan(y).any(axis=(0, 1))
    assert np.flatnonzero(spoiled).tolist() == list(range(12, 18))
    assert np.abs(y - clean)[..., ~spoiled].max() <= 1e-5


def test_the_whole_model_hears() -> None:
    def from_sound() -> Transformer:
        mel = MelSpectrogram(4000, 5.0, n_mels=BANDS, f_min_hz=100.0, log_offset=0.1)
        adaptation = AdapTrans.for_bands(BANDS, dt_ms=5.0, max_freq_hz=2000.0, kernel_frames=9)
        return Transformer(BANDS, 3, embedding_dim=4, context_window=5, wav2spec=mel, prefiltering=adaptation)

    model = build(from_sound, torch.float64)
    sound = normal(1, 1, 20 * 15) * 0.3
    onoff = model.prefiltering(model.wav2spec(sound))  # type: ignore[operator]
    expected = loops.transformer(onoff[0].detach().numpy(), weights(model), heads=1, layers=1, window=5)
    assert np.abs(model(sound)[0].detach().numpy() - expected).max() <= 1e-11


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "context_window None means that each frame sees all of the past"),
        ({"context_window": 0}, "context_window 0 means"),
        ({"context_window": -3}, "context_window -3 means"),
        ({"max_frames": 0}, "and max_frames 0 means"),
        ({"context_window": 5, "max_frames": 9}, "max_frames 9 beside a context_window of 5"),
        ({"context_window": 5, "n_heads": 3}, "3 heads do not divide tokens of length 4"),
        ({"context_window": 5, "n_heads": 0}, "0 heads"),
        ({"context_window": 5, "n_layers": 0}, "0 layers"),
        ({"context_window": 5, "freq_patch_size": 4}, r"patches of 4 bands do not tile 6 bands\n.*1, 2, 3, 6"),
        ({"context_window": 5, "freq_patch_size": 0}, "patches of 0 bands"),
        ({"context_window": 5, "time_patch_size": 0}, "patches of 0 frames"),
        ({"context_window": 5, "embedding_dim": 3}, "tokens of length 3"),
        ({"context_window": 5, "embedding_dim": 0}, "embedding_dim 0"),
        ({"context_window": 5, "wav2spec": MelSpectrogram(16000, 5.0, n_mels=8)}, "delivers 8 bands"),
    ],
)
def test_what_does_not_fit_together_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Transformer(BANDS, 3, **{"embedding_dim": 4, **options})
