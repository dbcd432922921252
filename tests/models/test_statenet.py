"""StateNet against its equations, written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rtstrf.errors import ConfigError
from rtstrf.models.activations import ParametricSoftplus, inverse_softplus
from rtstrf.models.cells.gru import GRU
from rtstrf.models.encoders import FrequencyEncoder
from rtstrf.models.readout import LinearReadout
from rtstrf.models.statenet import StateNet
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.spectrogram.mel import MelSpectrogram
from tests.support import loops
from tests.support.stages import build

KERNEL, STRIDE, BANDS = 4, 2, 9
EXACT = 1e-12


def weights(module: torch.nn.Module, prefix: str = "") -> dict[str, np.ndarray]:
    """Return a module's weights under a prefix as float64 arrays."""
    return {
        key.removeprefix(prefix): value.detach().double().numpy()
        for key, value in module.state_dict().items()
        if key.startswith(prefix)
    }


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("connectivity", ["LC", "FC", "CONV"])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_encoder_is_its_sums_normed_over_channels(connectivity: str, channels: int) -> None:
    encoder = build(lambda: FrequencyEncoder(channels, BANDS, 3, KERNEL, STRIDE, connectivity), torch.float64)
    x = normal(2, channels, BANDS, 5)
    p = {f"encoder_layers.{key}": value for key, value in weights(encoder).items()}
    y = encoder(x).detach().numpy()
    assert y.shape == (2, 9, 5)
    for stream in range(2):
        for t in range(5):
            expected = loops.encode(x[stream, :, :, t].numpy(), p, connectivity, KERNEL, STRIDE)
            assert np.abs(y[stream, :, t] - expected).max() <= EXACT


@pytest.mark.parametrize("chunks", [[12], [1] * 12, [5, 1, 6]], ids=["whole", "hop by hop", "chunks"])
def test_the_cell_is_its_equations_by_either_path(chunks: list[int]) -> None:
    cell = build(lambda: GRU(3, 5), torch.float64)
    x = normal(2, 3, 12)
    state, parts = cell.initial_state(2), []
    for piece in x.split(chunks, dim=-1):
        y, state = cell.step(piece, state)
        parts.append(y)
    y = torch.cat(parts, -1).detach().numpy()
    for stream in range(2):
        expected = loops.gru(x[stream].T.numpy(), weights(cell))
        assert np.abs(y[stream].T - expected).max() <= EXACT
        assert np.abs(state["h"][stream].detach().numpy() - expected[-1]).max() <= EXACT


def test_the_readout_is_a_weighted_sum_through_a_softplus_of_its_own() -> None:
    stage = build(lambda: LinearReadout(6, 4, ParametricSoftplus(4)), torch.float64)
    x = normal(1, 6, 7) * 8  # far enough to reach the straight part
    y = stage(x)[0].detach().numpy()
    assert np.abs(y - loops.readout(x[0].T.numpy(), weights(stage))).max() <= 1e-9


def test_a_signed_baseline_is_taken_as_it_is() -> None:
    stage = build(lambda: ParametricSoftplus(3, beta=1.0, baseline=-0.5, non_negative=False), torch.float64)
    x = normal(1, 3, 7)
    p = weights(stage)
    expected = loops.parametric_softplus(x[0].numpy(), p["_raw_beta"], p["_raw_b"])
    assert np.abs(stage(x)[0].detach().numpy() - expected).max() <= EXACT


def test_a_fresh_activation_has_the_sharpness_and_baseline_asked_for() -> None:
    stage = ParametricSoftplus(2, beta=3.0, baseline=0.2).double()
    at_minus_infinity = stage(torch.full((1, 2, 1), -1e3, dtype=torch.float64))
    assert at_minus_infinity.flatten().tolist() == pytest.approx([0.2, 0.2], rel=1e-6)
    at_zero = stage(torch.zeros(1, 2, 1, dtype=torch.float64))
    assert at_zero.flatten().tolist() == pytest.approx([0.2 + np.log(2) / 3] * 2, rel=1e-6)
    values = torch.tensor([1e-4, 0.5, 30.0], dtype=torch.float64)
    assert torch.allclose(torch.nn.functional.softplus(inverse_softplus(values)), values)


@pytest.mark.parametrize("connectivity", ["LC", "FC", "CONV"])
def test_the_whole_model_is_its_parts_in_a_row(connectivity: str) -> None:
    def make() -> StateNet:
        mel = MelSpectrogram(4000, 5.0, n_mels=BANDS, f_min_hz=100.0, log_offset=0.1)
        adaptation = AdapTrans.for_bands(BANDS, dt_ms=5.0, max_freq_hz=2000.0, kernel_frames=9)
        options: dict[str, Any] = {"hidden_channels": 2, "kernel_size": KERNEL, "stride": STRIDE}
        return StateNet(BANDS, 3, connectivity=connectivity, wav2spec=mel, prefiltering=adaptation, **options)

    model = build(make, torch.float64)
    sound = normal(20 * 9) * 0.3
    p = weights(model)
    mel = loops.mel(
        sound.numpy(), 20, p["wav2spec._window"], p["wav2spec._mel_fb"],
        magnitude="amplitude", compress=lambda e: np.log(e + 0.1),
    )  # fmt: skip
    a_on, a_off, w = (1 / (1 + p[f"prefiltering.{name}"] ** 2) for name in ("d_on", "d_off", "p"))
    onoff = loops.adaptrans(mel, a_on, a_off, w, 9)
    inputs = np.array([loops.encode(onoff[:, :, t], p, connectivity, KERNEL, STRIDE) for t in range(9)])
    expected = loops.readout(loops.gru(inputs, weights(model, "rnn.")), weights(model, "readout."))
    assert np.abs(model(sound.reshape(1, 1, -1))[0].detach().numpy() - expected).max() <= 1e-9


def test_a_unit_of_its_own_is_what_its_weights_say_not_its_neighbours() -> None:
    model = build(lambda: StateNet(BANDS, 3, kernel_size=KERNEL, stride=STRIDE), torch.float64)
    x = normal(1, 1, BANDS, 6)
    before = model(x).detach()
    with torch.no_grad():
        model.readout.fc.bias[1] += 1.0  # type: ignore[union-attr, index]
    changed = (model(x) - before)[0].abs().amax(-1)
    assert changed[1] > 1e-3
    assert changed[[0, 2]].max() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rnn_type": "Clockwork"}, "rnn_type 'Clockwork'"),
        ({"connectivity": "XX"}, "connectivity 'XX'"),
        ({"kernel_size": 35}, "kernel_size 35"),
        ({"kernel_size": 0}, "kernel_size 0"),
        ({"stride": 0}, "stride 0"),
        ({"wav2spec": MelSpectrogram(16000, 5.0, n_mels=8)}, "delivers 8 bands, the model takes 34"),
    ],
)
def test_what_does_not_fit_together_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        StateNet(**options)
