"""The models with receptive fields against their equations, written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rtstrf.errors import ConfigError, StreamError
from rtstrf.models.convnet2d import ConvNet2D
from rtstrf.models.decay import ExponentialDecay
from rtstrf.models.dnet import DNet
from rtstrf.models.kernels import ParametricSTRF, SeparableSTRF
from rtstrf.models.linear import Linear, LinearNonlinear
from rtstrf.models.model import AuditoryModel
from rtstrf.models.nrf import NetworkReceptiveField
from rtstrf.models.strf import CausalSTRFConv
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.prefilter.ic_adaptation import ICAdaptation
from rtstrf.spectrogram.mel import MelSpectrogram
from rtstrf.stream import StreamModule
from tests.models.test_statenet import EXACT, normal, weights
from tests.support import loops, loops_strf
from tests.support.stages import build

BANDS, WINDOW, UNITS = 6, 4, 3
CHUNKS = ([11], [1] * 11, [2, 1, 5, 3])
Make = Callable[[], StreamModule]


def in_every_way(make: Make, x: torch.Tensor, expected: np.ndarray, exact: float = EXACT) -> None:
    """Assert that a stage gives the expected output, whole, hop by hop and in chunks."""
    stage = build(make, torch.float64)
    for sizes in CHUNKS:
        state, parts = stage.initial_state(1), []
        for piece in x.split(sizes, dim=-1):
            y, state = stage.step(piece, state)
            parts.append(y)
        got = torch.cat(parts, -1)[0].detach().numpy()
        assert got.shape == expected.shape
        assert np.abs(got - expected).max() <= exact


def randomised(model: AuditoryModel) -> AuditoryModel:
    """Return a model of linear units with running statistics as of a fitted one."""
    rng = np.random.default_rng(3)
    bn = model.readout.bn
    bn.running_mean.copy_(torch.as_tensor(rng.normal(size=UNITS)))
    bn.running_var.copy_(torch.as_tensor(rng.uniform(0.2, 3.0, size=UNITS)))
    return model


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_a_free_kernel_meets_the_frames_it_was_written_for(channels: int, bias: bool) -> None:
    def make() -> StreamModule:
        return CausalSTRFConv(nn.Conv2d(channels, UNITS, (BANDS, WINDOW), bias=bias))

    p = weights(build(make, torch.float64), "kernel.")
    x = normal(1, channels, BANDS, 11)
    in_every_way(make, x, loops_strf.strf(x[0].numpy(), p["weight"], p.get("bias", np.zeros(UNITS))))


def test_convolutions_over_frequency_then_time_start_as_they_would_one_after_the_other() -> None:
    def make() -> StreamModule:
        temporal = nn.Conv2d(UNITS, UNITS, (1, WINDOW), groups=UNITS)
        return CausalSTRFConv(nn.Sequential(nn.Conv2d(2, UNITS, (BANDS, 1)), temporal))

    x = normal(1, 2, BANDS, 11)
    in_every_way(
        make, x, loops_strf.spectral_then_temporal(x[0].numpy(), weights(build(make, torch.float64), "kernel."))
    )


def test_only_one_bias_of_two_convolutions_is_enough() -> None:
    x = normal(1, 1, BANDS, 5).float()
    for first, second in ((True, False), (False, True), (False, False)):
        spectral, temporal = nn.Conv2d(1, 4, (BANDS, 1), bias=first), nn.Conv2d(4, 2, (1, WINDOW), bias=second)
        padded = nn.functional.pad(x, (WINDOW - 1, 0))
        expected = temporal(spectral(padded)).squeeze(2)
        y = CausalSTRFConv(nn.Sequential(spectral, temporal))(x)
        assert (y - expected).abs().max() < 1e-6


def linear(**options: Any) -> Make:
    return lambda: randomised(Linear(BANDS, UNITS, temporal_window_size=WINDOW, **options))


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_model_is_a_receptive_field_and_a_norm_of_fixed_mean_and_spread(bias: bool) -> None:
    def make() -> StreamModule:  # a kernel of its own each time, since `build` changes its weights
        return linear(kernel=nn.Conv2d(1, UNITS, (BANDS, WINDOW), bias=bias))()

    p = weights(build(make, torch.float64), "readout.")
    x = normal(1, 1, BANDS, 11)
    y = loops_strf.strf(x[0].numpy(), p["strf.kernel.weight"], p.get("strf.kernel.bias", np.zeros(UNITS)))
    in_every_way(make, x, loops_strf.batch_norm(y, p))


def test_a_linear_nonlinear_model_goes_through_a_softplus_of_its_own() -> None:
    def make() -> StreamModule:
        kernel = ParametricSTRF(BANDS, WINDOW, 1, UNITS)
        return randomised(LinearNonlinear(BANDS, UNITS, temporal_window_size=WINDOW, kernel=kernel))

    p = weights(build(make, torch.float64), "readout.")
    x = normal(1, 1, BANDS, 11)
    kernel = loops_strf.gaussians({k.removeprefix("strf.kernel."): v for k, v in p.items()}, BANDS, WINDOW)
    y = loops_strf.batch_norm(loops_strf.strf(x[0].numpy(), kernel, p["strf.kernel.bias"]), p)
    baseline = np.array([loops.softplus(raw) for raw in p["activation._raw_b"]])
    in_every_way(make, x, loops.parametric_softplus(y, p["activation._raw_beta"], baseline), 1e-9)


def test_a_norm_that_still_learns_refuses_to_stream_and_trains_on_whole_clips() -> None:
    model = linear()().train()
    x = normal(4, 1, BANDS, 50).float()
    with pytest.raises(StreamError, match=r"the future included\n.*model\.eval\(\)"):
        model.step(x, model.initial_state(4))
    before = model.readout.bn.running_mean.clone()
    y = model(x)
    assert y.mean(dim=(0, 2)).detach().numpy() == pytest.approx(model.readout.bn.bias.detach().numpy(), abs=1e-5)
    assert not torch.equal(model.readout.bn.running_mean, before)
    y.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval().step(x, model.initial_state(4))


def test_new_weights_are_heard_at_once() -> None:
    model = linear()().eval().requires_grad_(False)
    x = normal(1, 1, BANDS, 5).float()
    with torch.inference_mode():
        before = model(x)
        model.readout.strf.kernel.weight.mul_(2.0)
        model.readout.bn.running_mean.add_(1.0)
        fresh = linear()().eval()
        fresh.load_state_dict(model.state_dict())
        assert torch.equal(model(x), fresh(x))
        assert not torch.equal(model(x), before)


def test_a_network_receptive_field_is_its_layers_in_a_row() -> None:
    def make() -> StreamModule:
        return NetworkReceptiveField(BANDS, UNITS, temporal_window_size=WINDOW, n_hidden=5)

    model = build(make, torch.float64)
    p, x = weights(model), normal(1, 1, BANDS, 11)
    h = loops_strf.strf(x[0].numpy(), p["core.0.kernel.weight"], p["core.0.kernel.bias"])
    h = np.tanh(loops_strf.layer_norm(h, p["core.1.ln.weight"], p["core.1.ln.bias"]))
    in_every_way(make, x, loops.readout(h.T, weights(model, "readout.")), 1e-9)


@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("tau", [1.1, 2.0, 4.0])
def test_hidden_units_fade_over_seven_time_constants_and_start_as_if_always_there(
    tau: float, decay_input: bool
) -> None:
    def make() -> StreamModule:
        return ExponentialDecay(UNITS, init_tau=tau, decay_input=decay_input)

    stage = build(make, torch.float64)
    x = normal(1, UNITS, 11)
    taps = {1.1: 8, 2.0: 14, 4.0: 28}[tau]
    assert stage.initial_state(1)["line"].shape == (1, UNITS, taps - 1)
    in_every_way(make, x, loops_strf.decay(x[0].numpy(), weights(stage)["d"], taps, decay_input))


def test_a_fresh_decay_has_the_time_constant_asked_for_and_almost_gain_one() -> None:
    stage = ExponentialDecay(2, init_tau=5.0).double()
    y = stage(torch.ones(1, 2, 3, dtype=torch.float64))
    assert y.flatten().tolist() == pytest.approx([1 - 0.8**35] * 6)
    impulse = torch.zeros(1, 2, 9, dtype=torch.float64)
    impulse[..., 2] = 1.0
    response = stage(impulse)[0, 0, 2:]
    assert (response[1:] / response[:-1]).tolist() == pytest.approx([0.8] * 6)


def test_a_dynamic_network_is_its_layers_in_a_row() -> None:
    def make() -> StreamModule:
        kernel = SeparableSTRF(BANDS, WINDOW, 2, 5)
        adaptation = AdapTrans.for_bands(BANDS, dt_ms=5.0, kernel_frames=9)
        return DNet(
            BANDS, UNITS, temporal_window_size=WINDOW, n_hidden=5, init_tau=1.5, kernel=kernel, prefiltering=adaptation
        )

    model = build(make, torch.float64)
    p, x = weights(model), normal(1, 1, BANDS, 11)
    a_on, a_off, w = (1 / (1 + p[f"prefiltering.{name}"] ** 2) for name in ("d_on", "d_off", "p"))
    onoff = loops.adaptrans(x[0, 0].numpy(), a_on, a_off, w, 9)
    kernel = p["core.0.kernel.weight_f"] * p["core.0.kernel.weight_t"]
    h = loops_strf.strf(onoff, kernel, p["core.0.kernel.bias"])
    h = loops.sigmoid(loops_strf.layer_norm(h, p["core.1.ln.weight"], p["core.1.ln.bias"]))
    h = loops_strf.decay(h, p["core.3.d"], 10, True)
    in_every_way(make, x, loops_strf.dense(h, p["readout.fc.weight"], p["readout.fc.bias"]), 1e-10)


@pytest.mark.parametrize(("channels", "kernel"), [(1, (3, 4)), (2, (2, 3)), (1, (1, 1))])
def test_a_convolutional_network_begins_as_if_silence_had_gone_through_it_for_ever(
    channels: int, kernel: tuple[int, int]
) -> None:
    bands = 8

    def make() -> StreamModule:
        adaptation = AdapTrans.for_bands(bands, dt_ms=5.0, kernel_frames=9) if channels == 2 else None
        return ConvNet2D(
            bands, UNITS, kernel_size=kernel, c_hidden=3, n_hidden=5, output_activation=nn.Identity(),
            prefiltering=adaptation,
        )  # fmt: skip

    model = build(make, torch.float64)
    p, x = weights(model), normal(1, 1, bands, 11)
    frames = x[0].numpy()
    if channels == 2:
        a_on, a_off, w = (1 / (1 + p[f"prefiltering.{name}"] ** 2) for name in ("d_on", "d_off", "p"))
        frames = loops.adaptrans(frames[0], a_on, a_off, w, 9)
    h = loops_strf.conv_stack(frames, weights(model, "core."))
    h = loops_strf.leaky(loops_strf.dense(h, p["readout.fc.0.weight"], p["readout.fc.0.bias"]))
    in_every_way(make, x, loops_strf.dense(h, p["readout.fc.2.weight"], p["readout.fc.2.bias"]), 1e-9)


MODELS: dict[str, Callable[..., AuditoryModel]] = {
    "linear": Linear,
    "ln": LinearNonlinear,
    "nrf": NetworkReceptiveField,
    "dnet": DNet,
    "convnet2d": ConvNet2D,
}


@pytest.mark.parametrize("model", MODELS)
def test_each_model_hears_through_a_front_end_and_a_prefilter(model: str) -> None:
    mel = MelSpectrogram(16000, 5.0, n_mels=8, f_max_hz=None)
    adaptation = ICAdaptation.for_bands(8, dt_ms=5.0, max_freq_hz=8000.0)
    heard = MODELS[model](8, 2, wav2spec=mel, prefiltering=adaptation).eval()
    assert heard(torch.zeros(3, 1, 480)).shape == (3, 2, 6)
    assert heard.front_end is mel
    assert heard.prefilter is adaptation


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"wav2spec": MelSpectrogram(16000, 5.0, n_mels=8)}, "delivers 8 bands, the model takes 34"),
        ({"prefiltering": ICAdaptation([0.5] * 8)}, "adapts 8 bands, the model takes 34"),
        ({"out_neurons": 0}, "out_neurons 0"),
    ],
)
def test_what_does_not_fit_together_is_refused(model: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        MODELS[model](**options)


@pytest.mark.parametrize("model", ["linear", "ln", "nrf", "dnet"])
def test_a_kernel_of_another_size_is_refused(model: str) -> None:
    with pytest.raises(ConfigError, match=r"\(7, 2, 34, 9\), the model's \((1|20), 1, 34, 9\)"):
        MODELS[model](kernel=SeparableSTRF(34, 9, 2, 7))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kernel_size": (13, 2)}, r"3 kernels of 13 bands leave none of 34\n.*at most 12"),
        ({"kernel_size": (3, 0)}, "kernel_frames 0"),
        ({"kernel_size": (3,)}, "two numbers"),
    ],
)
def test_convolutions_that_leave_nothing_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ConvNet2D(**options)


@pytest.mark.parametrize("tau", [1.0, 0.5, float("nan"), float("inf")])
def test_a_time_constant_that_does_not_last_is_refused(tau: float) -> None:
    with pytest.raises(ConfigError, match="init_tau"):
        DNet(init_tau=tau)
