"""ICNet against its formulas, written out; its hop, its shape and its twin weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from rtstrf.errors import ConfigError
from rtstrf.models.icnet import ICNet, halving_strides
from rtstrf.pipeline import SoundToRates
from rtstrf.spectrogram.sinc_kernel import sinc_edges, sinc_filters, sinc_taps
from tests.support import loops_icnet as loops
from tests.support.stages import build

SMALL: dict[str, Any] = {"n_filters": 3, "sincnet_kernel_size": 9, "encoder_channels": 4, "bottleneck_channels": 3}


def make(dtype: torch.dtype = torch.float64, rate_hz: int = 4000, **options: Any) -> ICNet:
    given = {**SMALL, "encoder_kernel_size": 5, "n_encoder_layers": 3, **options}
    model = build(lambda: ICNet(rate_hz, 3, **given), dtype)
    assert isinstance(model, ICNet)
    return model


def weights(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {key: value.detach().double().numpy() for key, value in module.state_dict().items()}


def sound(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(2, 1, samples)))


@pytest.mark.parametrize(
    ("options", "strides"),
    [
        ({}, (2, 2, 5)),
        ({"sincnet_kernel_size": 8}, (2, 2, 5)),
        ({"encoder_strides": (5, 1, 4)}, (5, 1, 4)),
        ({"encoder_kernel_size": 3}, (2, 2, 5)),  # shorter than the last stride
        ({"n_encoder_layers": 1}, (20,)),
    ],
    ids=["default", "even-sinc", "strides", "short-kernel", "one-block"],
)
@pytest.mark.parametrize("chunks", [[12], [1] * 12, [5, 7]], ids=["whole", "hop by hop", "chunks"])
def test_the_model_is_its_formulas(options: dict[str, Any], strides: tuple[int, ...], chunks: list[int]) -> None:
    model = make(**options)
    x = sound(12 * 20)
    state, parts = model.initial_state(2), []
    for piece in x.split([20 * n for n in chunks], dim=-1):
        y, state = model.step(piece, state)
        parts.append(y)
    y = torch.cat(parts, -1).detach().numpy()
    for stream in range(2):
        _, expected = loops.icnet(x[stream, 0].numpy(), weights(model), rate_hz=4000, strides=strides)
        assert np.abs(y[stream] - expected).max() <= 1e-11


def test_the_bottleneck_is_shown_where_others_show_their_spectrogram() -> None:
    model = make()
    journey = SoundToRates(model, 2.0)
    x = sound(5 * 20)
    heard = journey(x)
    bottleneck, responses = loops.icnet(x[0, 0].numpy(), weights(model), rate_hz=4000, strides=(2, 2, 5))
    assert np.abs(heard["spectrogram"][0].detach().numpy() - bottleneck).max() <= 1e-11
    assert torch.equal(heard["onoff"], heard["spectrogram"])
    assert np.abs(heard["rates_hz"][0].detach().numpy() - 2 * responses).max() <= 1e-11
    assert journey.samples_per_frame == 20
    assert not hasattr(model.wav2spec, "band_frequencies_hz")  # its channels are no bands


def test_its_group_delay_is_half_the_sinc_kernel() -> None:
    (delay,) = make().delays()
    assert delay.group_delay_ms == pytest.approx(1e3 * 4 / 4000)
    assert delay.wait_ms == 0


@pytest.mark.parametrize(("hop", "blocks"), [(80, 5), (240, 5), (220, 5), (110, 5), (7, 3), (1, 2), (160, 1)])
def test_strides_halve_for_as_long_as_they_can_and_make_the_hop(hop: int, blocks: int) -> None:
    strides = halving_strides(hop, blocks)
    assert len(strides) == blocks
    assert math.prod(strides) == hop
    twos = list(strides[:-1])
    assert twos == sorted(twos, reverse=True)
    assert set(twos) <= {1, 2}
    assert not (twos and twos[-1] == 1 and strides[-1] % 2 == 0)


def test_a_rounded_hop_can_be_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"220\.5 samples"):
        make(rate_hz=44100)
    assert make(rate_hz=44100, hop_samples=220).samples_per_frame == 220


@pytest.mark.parametrize("kernel", [8, 9])
def test_a_sinc_filter_passes_its_band(kernel: int) -> None:
    low, band = sinc_edges(5, 300.0, 8000.0, 16000)
    assert low[0] == 300
    assert torch.allclose(low[1:], (low + band)[:-1])
    n, window = sinc_taps(kernel)
    expected = loops.sinc_kernels(low.double().numpy(), band.double().numpy(), 16000, loops.hamming(kernel))
    made = sinc_filters(low.double(), band.double(), n.double(), window.double(), 16000)
    assert np.abs(made.numpy() - expected).max() <= 1e-7  # the window is kept in float32
    n, window = sinc_taps(1001)
    long = sinc_filters(low, band, n, window, 16000)
    gain = torch.fft.rfft(long, 16000).abs()
    for i in range(5):
        middle = int(low[i] + band[i] / 2)
        assert gain[i, middle] == pytest.approx(1.0, abs=0.01)
        assert gain[i, max(0, int(low[i]) - 100)] < 0.01


def test_sinc_edges_may_be_spaced_in_hertz_and_stay_finite_wherever_they_are_learned_to() -> None:
    low, band = sinc_edges(4, 100.0, 900.0, 2000, "linear")
    assert low.tolist() == [100.0, 300.0, 500.0, 700.0]
    assert band.tolist() == [200.0] * 4
    n, window = sinc_taps(9)
    edges = torch.tensor([-50.0, 0.0, 5000.0], requires_grad=True)
    widths = torch.tensor([-30.0, 0.0, 5000.0], requires_grad=True)
    made = sinc_filters(edges, widths, n, window, 2000)
    made.square().sum().backward()
    assert made.isfinite().all()
    assert edges.grad is not None
    assert edges.grad.isfinite().all()
    given = (edges.detach().double().numpy(), widths.detach().double().numpy())
    expected = loops.sinc_kernels(*given, 2000, loops.hamming(9))
    assert np.abs(made.detach().numpy() - expected).max() <= 1e-6


def test_the_decoder_is_saved_under_both_of_its_names_and_read_from_either() -> None:
    model, other = make(), make()
    saved = model.weights_to_save()
    assert torch.equal(saved["readout.weight"], saved["decoder.weight"])
    assert saved["readout.weight"].data_ptr() != saved["decoder.weight"].data_ptr()
    for left_out in ("decoder", "readout", "neither"):
        told = other.weights_from({k: v for k, v in saved.items() if not k.startswith(left_out)})
        assert told.keys() == other.state_dict().keys()
        other.load_state_dict(told)
        x = sound(40)
        assert torch.equal(other(x), model(x))


def test_two_decoders_that_differ_are_not_taken_for_one() -> None:
    model = make()
    saved = model.weights_to_save()
    saved["readout.bias"] = saved["readout.bias"] + 1
    assert "readout.bias" in model.weights_from(saved)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoder_strides": (2, 2, 4)}, r"encoder_strides \[2, 2, 4\].*hop of 20"),
        ({"encoder_strides": (4, 5)}, "for 3 blocks"),
        ({"encoder_strides": (-4, -5, 1)}, "encoder_strides"),
        ({"n_encoder_layers": 0}, "n_encoder_layers 0"),
        ({"encoder_channels": 0}, "encoder_channels 0"),
        ({"n_filters": 0}, "n_filters 0"),
        ({"sincnet_kernel_size": 1}, "a sinc kernel of 1 samples"),
        ({"dt_ms": 0.3}, "1.2 samples"),
        ({"rate_hz": 500, "dt_ms": 10.0}, "from 300 to 250 Hz"),
    ],
)
def test_what_does_not_fit_together_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make(**options)


def test_bands_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="init 'bark'"):
        sinc_edges(3, 300.0, 800.0, 2000, "bark")
    with pytest.raises(ConfigError, match="0 sinc filters"):
        sinc_edges(0, 300.0, 800.0, 2000)
