"""Kernels against what a model does with an impulse; gradients against autograd through the whole and differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rtstrf.errors import ConfigError, StreamError
from rtstrf.models.convnet2d import ConvNet2D
from rtstrf.models.dnet import DNet
from rtstrf.models.icnet import ICNet
from rtstrf.models.kernels import ParametricSTRF, SeparableSTRF
from rtstrf.models.linear import Linear, LinearNonlinear
from rtstrf.models.model import AuditoryModel
from rtstrf.models.nrf import NetworkReceptiveField
from rtstrf.models.receptive_fields import STRF_gradmap, STRFs, waveform_gradmap
from rtstrf.models.statenet import StateNet
from rtstrf.models.transformer import Transformer
from tests.models.test_statenet import normal
from tests.support.stages import build

BANDS, WINDOW, UNITS, FRAMES = 6, 4, 3, 14
MODEL_CLASSES: tuple[type[AuditoryModel], ...] = (
    Linear, LinearNonlinear, NetworkReceptiveField, DNet, ConvNet2D, StateNet, Transformer, ICNet,
)  # fmt: skip
EXAMPLES: dict[str, Callable[[], Any]] = {
    f"{cls.__name__}-{name}": make for cls in MODEL_CLASSES for name, make in cls.examples().items()
}


def fitted(model: AuditoryModel) -> AuditoryModel:
    """Return the model in float64, its norm as of a fitted one."""
    rng = np.random.default_rng(3)
    bn = model.readout.bn
    bn.running_mean.copy_(torch.as_tensor(rng.normal(size=UNITS)))
    bn.running_var.copy_(torch.as_tensor(rng.uniform(0.2, 3.0, size=UNITS)))
    bn.weight.data.copy_(torch.as_tensor(rng.uniform(0.5, 2.0, size=UNITS)))
    return model.double().eval()


KERNELS: dict[str, Callable[[], nn.Module | None]] = {
    "free": lambda: None,
    "gaussians": lambda: ParametricSTRF(BANDS, WINDOW, 1, UNITS, num_gaussians=2),
    "separable": lambda: SeparableSTRF(BANDS, WINDOW, 1, UNITS, bias=False),
}


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_kernel_of_a_linear_unit_is_its_response_to_impulses_norm_included(kernel: str) -> None:
    model = fitted(Linear(BANDS, UNITS, temporal_window_size=WINDOW, kernel=KERNELS[kernel]()))
    silence = torch.zeros(1, 1, BANDS, WINDOW, dtype=torch.float64)
    expected = np.empty((UNITS, 1, BANDS, WINDOW))
    for band in range(BANDS):
        for frame in range(WINDOW):
            impulse = silence.clone()
            impulse[0, 0, band, frame] = 1.0
            expected[:, 0, band, frame] = (model(impulse) - model(silence))[0, :, -1].detach().numpy()
    fields = STRFs(model)
    assert not fields.requires_grad
    assert np.abs(fields.numpy() - expected).max() < 1e-12


@pytest.mark.parametrize("cls", [NetworkReceptiveField, DNet])
def test_the_kernels_of_a_network_are_those_of_its_hidden_units(cls: Any) -> None:
    model = cls(BANDS, UNITS, temporal_window_size=WINDOW, n_hidden=5, kernel=SeparableSTRF(BANDS, WINDOW, 1, 5))
    kernel = dict(model.named_parameters())
    expected = kernel["core.0.kernel.weight_f"] * kernel["core.0.kernel.weight_t"]
    assert torch.equal(STRFs(model), expected.detach())


def test_kernels_are_a_copy() -> None:
    model = Linear(BANDS, UNITS, temporal_window_size=WINDOW).eval()
    before = STRFs(model)
    STRFs(model).zero_()
    with torch.inference_mode():
        STRFs(model).zero_()
    assert torch.equal(STRFs(model), before)
    assert before.any()


@pytest.mark.parametrize(
    ("model", "way"),
    [
        (lambda: StateNet(8, kernel_size=4), r"StateNet has no .*\n.*use STRF_gradmap\("),
        (lambda: ConvNet2D(8), r"ConvNet2D has no .*\n.*use STRF_gradmap\("),
        (lambda: Transformer(8, context_window=3), r"Transformer has no .*\n.*use STRF_gradmap\("),
        (ICNet.examples()["halving"], r"ICNet has no .*\n.*use waveform_gradmap\("),
    ],
)
def test_a_model_without_kernels_names_the_function_for_it(model: Callable[[], Any], way: str) -> None:
    with pytest.raises(ConfigError, match=way):
        STRFs(model())


@pytest.mark.parametrize("frames", ["every", "last", 5, [4, 9]])
def test_the_gradient_of_a_linear_unit_is_its_kernel_whenever_one_asks(frames: Any) -> None:
    model = fitted(Linear(BANDS, UNITS, temporal_window_size=WINDOW))
    for unit in range(UNITS):
        gradient = STRF_gradmap(model, normal(2, 1, BANDS, FRAMES), unit, frames=frames, window_frames=WINDOW + 1)
        assert gradient.shape == (2, 1, BANDS, WINDOW + 1)
        assert not gradient[..., 0].any()  # older than the kernel
        assert (gradient[..., 1:] - STRFs(model)[unit]).abs().max() < 1e-12


def whole_gradmap(model: Any, x: Tensor, unit: int, frames: list[int], window: int, per_frame: int) -> Tensor:
    """Return the mean gradient by autograd through the whole sound, frame by frame."""
    x = x.clone().requires_grad_()
    y = model(x)
    maps = []
    for t in frames:
        (gradient,) = torch.autograd.grad(y[:, unit, t].sum(), x, retain_graph=True)
        maps.append(gradient[..., (t + 1 - window) * per_frame : (t + 1) * per_frame])
    return torch.stack(maps).mean(0)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("at_once", [1, 64])
def test_the_gradient_in_windows_is_that_through_the_whole_sound(
    name: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstrf.models.receptive_fields.WINDOWS_AT_ONCE", at_once)
    model: Any = build(EXAMPLES[name], torch.float64)
    per_frame, window = model.samples_per_frame, 5
    x = normal(*model.input_shape(2, FRAMES))
    gradmap = STRF_gradmap if model.front_end is None else waveform_gradmap
    for frames, chosen in (("every", range(window - 1, FRAMES)), ("last", [FRAMES - 1]), ([4, 11], [4, 11])):
        expected = whole_gradmap(model, x, 1, list(chosen), window, per_frame)
        gradient = gradmap(model, x, 1, frames=frames, window_frames=window)
        assert gradient.shape == expected.shape
        assert expected.any()
        assert (gradient - expected).abs().max() <= 1e-10 * max(1.0, expected.abs().max().item())


def differences(respond: Callable[[Tensor], Tensor], x: Tensor, places: list[tuple[int, ...]]) -> list[float]:
    """Return the derivative of a response at some places of its input, by central differences."""
    step, found = 1e-6, []
    for place in places:
        up, down = x.clone(), x.clone()
        up[place] += step
        down[place] -= step
        found.append(float((respond(up) - respond(down)).detach()) / (2 * step))
    return found


ADAPTING: dict[str, Callable[[], Any]] = {
    "StateNet": StateNet.examples()["gru-lc-sound"],
    "Transformer": Transformer.examples()["layers-sound"],
}


@pytest.mark.parametrize("name", ADAPTING)
def test_the_gradient_is_what_a_small_change_of_the_spectrogram_changes(name: str) -> None:
    model: Any = build(ADAPTING[name], torch.float64)
    x, unit, t, window = normal(1, 1, 8, FRAMES), 2, 10, 6

    def respond(spectrogram: Tensor) -> Tensor:
        adapted = model.prefilter(spectrogram)
        for stage in model.core_stages().values():
            adapted = stage(adapted)
        return adapted[0, unit, t]

    gradient = STRF_gradmap(model, x, unit, frames=t, window_frames=window)
    columns = [(0, 0, band, column) for band in range(8) for column in range(window)]
    there = [(*rest, column + t + 1 - window) for *rest, column in columns]
    expected = differences(respond, x, there)
    assert np.abs(expected).max() > 1e-4
    assert [gradient[place].item() for place in columns] == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", [*ADAPTING, "ICNet"])
def test_the_gradient_is_what_a_small_change_of_the_sound_changes(name: str) -> None:
    model: Any = build(ADAPTING.get(name, ICNet.examples()["halving"]), torch.float64)
    hop, unit, t, window = model.samples_per_frame, 1, 9, 3
    x = normal(*model.input_shape(1, FRAMES))
    gradient = waveform_gradmap(model, x, unit, frames=t, window_frames=window)
    samples = [(0, 0, sample) for sample in range(0, window * hop, 7)]
    there = [(0, 0, sample + (t + 1 - window) * hop) for _, _, sample in samples]
    expected = differences(lambda sound: model(sound)[0, unit, t], x, there)
    assert np.abs(expected).max() > 1e-6
    assert [gradient[place].item() for place in samples] == pytest.approx(expected, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("frames", [12, 60])
def test_without_a_window_the_map_has_forty_columns_or_those_there_are(frames: int) -> None:
    model = StateNet(8, UNITS, kernel_size=4)
    gradient = STRF_gradmap(model, normal(1, 1, 8, frames).float(), 0)
    assert gradient.shape == (1, 1, 8, min(40, frames))


def test_a_model_in_training_is_left_as_it_was_and_asked_as_if_it_were_not() -> None:
    model = LinearNonlinear(BANDS, UNITS, temporal_window_size=WINDOW)
    x = normal(1, 1, BANDS, FRAMES).float()
    expected = STRF_gradmap(model.eval(), x, 0)
    with torch.inference_mode():
        gradient = STRF_gradmap(model.train(), torch.tensor(x.numpy()), 0)
    assert torch.equal(gradient, expected)
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unit": 3}, r"no unit 3: the model has 3\n.*0 to 2"),
        ({"unit": -1}, "no unit -1"),
        ({"window_frames": 15}, r"window of 15 frames for a sound of 14\n.*1 to 14"),
        ({"window_frames": 0}, "window of 0 frames"),
        ({"frames": "first"}, r"frames 'first'.*\n.*'every', 'last'"),
        ({"frames": 14}, r"frames \[14\] of a sound of 14"),
        ({"frames": [2, 9], "window_frames": 5}, r"frames \[2\] .* window of 5\n.*4 to 13, or a smaller"),
        ({"frames": []}, "at no frame"),
    ],
)
def test_a_gradient_that_does_not_exist_says_which_do(options: dict[str, Any], words: str) -> None:
    model = Linear(BANDS, UNITS, temporal_window_size=WINDOW)
    with pytest.raises(ConfigError, match=words):
        STRF_gradmap(model, torch.zeros(1, 1, BANDS, FRAMES), **{"unit": 0, "window_frames": 3, **options})


def test_an_input_of_another_shape_is_refused() -> None:
    with pytest.raises(StreamError, match=r"\(1, 1, 7, 14\).*\n.*\(1, 1, 6, 'a multiple of 1'\)"):
        STRF_gradmap(Linear(BANDS), torch.zeros(1, 1, 7, 14), 0)
    heard: Any = StateNet.examples()["gru-lc-sound"]()
    with pytest.raises(StreamError, match="a multiple of 80"):
        waveform_gradmap(heard, torch.zeros(1, 1, 81), 0)


def test_a_model_that_cannot_hear_has_no_gradient_of_sound() -> None:
    with pytest.raises(ConfigError, match=r"no front-end.*\n.*STRF_gradmap"):
        waveform_gradmap(StateNet(8, kernel_size=4), torch.zeros(1, 1, 480), 0)
