"""The front-ends that filter every sample, against sums and recursions written out sample by sample."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from rtstrf.errors import ConfigError
from rtstrf.spectrogram import erb
from rtstrf.spectrogram.erb_filters import design
from rtstrf.spectrogram.filtering import AudioRateFrontEnd, power_of
from rtstrf.spectrogram.gammatone import Gammatone, gammatones
from rtstrf.spectrogram.gammatonegram import Gammatonegram
from rtstrf.spectrogram.leaf import Leaf
from rtstrf.spectrogram.make import FRONT_ENDS, make_wav2spec
from rtstrf.spectrogram.sincnet import SincNet
from tests.models.test_statenet import weights
from tests.support import loops_ears as loops
from tests.support.sounds import bursts
from tests.support.stages import build

RATE_HZ, BIN_MS, FRAMES = 4000, 5.0, 9
HOP = 20
KINDS = ("gammatone", "gammatonegram", "sincnet", "leaf")


def sound() -> np.ndarray:
    """Return a bin of silence, then bursts; shape (samples,), float64."""
    samples = bursts(FRAMES * HOP, RATE_HZ, seed=1).astype(np.float64)
    samples[:HOP] = 0.0
    samples[3 * HOP + 7] = 0.5
    return samples


def agree(stage: AudioRateFrontEnd, expected: np.ndarray, exact: float = 1e-11) -> None:
    """Assert that the stage gives the expected output: whole, in pieces, and hop by hop."""
    x = torch.from_numpy(sound()).reshape(1, 1, -1)
    for pieces in (FRAMES, 4, 1):
        stage.frames_at_once = pieces
        with torch.inference_mode():
            y = stage(x)
        assert y.shape == (1, 1, *expected.shape)
        assert np.abs(y[0, 0].numpy() - expected).max() <= exact


@pytest.mark.parametrize("rectify", ["halfwave", "full"])
@pytest.mark.parametrize("window_ms", [3.0, 5.0, 12.0, None])
def test_a_gammatone_bin_is_the_mean_of_the_rectified_filter(rectify: str, window_ms: float | None) -> None:
    options: dict[str, Any] = {"n_filters": 3, "kernel_ms": 9.0, "compression": "none"}
    stage = Gammatone(RATE_HZ, BIN_MS, rectify=rectify, env_window_ms=window_ms, **options).double()
    window = 40 if window_ms is None else round(window_ms * 4)
    rectified = np.abs if rectify == "full" else (lambda y: np.maximum(y, 0.0))
    agree(stage, loops.gammatone(sound(), stage._kernels[:, 0].numpy(), HOP, window, rectified, lambda e: e))


@pytest.mark.parametrize("compression", ["log", "cuberoot", "pcen"])
def test_a_gammatone_bin_is_compressed_as_asked(compression: str) -> None:
    stage = Gammatone(
        RATE_HZ, BIN_MS, n_filters=3, kernel_ms=9.0, compression=compression, log_floor=1e-3, pcen_s=0.1, pcen_alpha=0.9
    ).double()
    compress = {
        "log": lambda e: np.log(np.maximum(e, 1e-3)),
        "cuberoot": np.cbrt,
        "pcen": lambda e: loops.pcen(e, 0.1, 0.9, 2.0, 0.5),
    }[compression]
    kernels = stage._kernels[:, 0].numpy()
    agree(stage, loops.gammatone(sound(), kernels, HOP, 40, lambda y: np.maximum(y, 0.0), compress))


def test_gammatones_are_damped_tones_of_peak_gain_one() -> None:
    centres = np.array([500.0, 1500.0])
    responses = gammatones(centres, 16000, 480, 4, 1.019)
    for f, centre in enumerate(centres):
        raw = np.array(
            [
                t**3
                * math.exp(-2 * math.pi * 1.019 * (centre / 9.26449 + 24.7) * t)
                * math.cos(2 * math.pi * centre * t)
                for t in np.arange(480) / 16000
            ]
        )
        assert responses[f] / np.abs(responses[f]).max() == pytest.approx(raw / np.abs(raw).max(), abs=1e-12)
        gain = np.abs(np.fft.rfft(responses[f], 160000))
        assert gain.max() == pytest.approx(1.0, abs=1e-3)
        assert abs(gain.argmax() / 10 - centre) < 10


def test_a_fresh_gammatone_answers_a_click_within_milliseconds_and_deepstrfs_at_the_end_of_its_kernel() -> None:
    click = torch.zeros(1, 1, 16 * 60)
    click[..., 16 * 10] = 1.0  # at 10 ms
    fresh, reversed_ = (
        Gammatone(16000, 1.0, n_filters=5, compression="none", env_window_ms=1.0, time_reversed=flag)
        for flag in (False, True)
    )
    after_ms = [int(stage(click)[0, 0].sum(0).argmax()) - 10 for stage in (fresh, reversed_)]
    assert 0 <= after_ms[0] <= 4
    assert 15 <= after_ms[1] <= 20
    delays_ms = [stage.delays()[0].group_delay_ms for stage in (fresh, reversed_)]
    assert sum(delays_ms) == pytest.approx(20.0 - 1 / 16 + 2 * 7.5 / 16)  # the same centroid from either end
    assert delays_ms[0] < 5 < 15 < delays_ms[1]


def test_the_same_weights_sound_the_same_however_they_were_designed() -> None:
    fresh, reversed_ = (Gammatone(RATE_HZ, BIN_MS, n_filters=3, time_reversed=flag) for flag in (False, True))
    reversed_.load_state_dict(fresh.state_dict())
    x = torch.from_numpy(sound()).float().reshape(1, 1, -1)
    assert torch.equal(fresh(x), reversed_(x))


def test_a_fresh_gammatone_has_gain_1_where_deepstrfs_has_not() -> None:
    long: dict[str, Any] = {
        "n_filters": 1,
        "f_min_hz": 60.0,
        "kernel_ms": 120.0,
        "b_factor": 0.1,
        "time_reversed": True,
    }
    steep: dict[str, Any] = {"n_filters": 1, "f_min_hz": 15000.0, "order": 5, "b_factor": 0.7, "time_reversed": True}
    for options, gain in ((long, 1.5), (steep, 0.5)):
        fresh, theirs = (Gammatone(48000, 5.0, deepstrf_gain=flag, **options)._kernels for flag in (False, True))
        peak = np.abs(np.fft.rfft(fresh.double().numpy().ravel(), 2**18)).max()
        assert peak == pytest.approx(1.0, abs=1e-3)
        ratio = float((theirs / fresh)[0, 0, 100])
        assert ratio > gain if gain > 1 else ratio < gain
        assert torch.allclose(theirs, ratio * fresh, rtol=1e-5)


def test_what_of_leaf_learns_can_be_chosen() -> None:
    def learnt(**options: bool) -> set[str]:
        return {
            name
            for name, weight in Leaf(RATE_HZ, BIN_MS, n_filters=3, **options).named_parameters()
            if weight.requires_grad
        }

    filters, pooling = {"center_freq_", "gabor_sigma_raw"}, {"pool_sigma_raw"}
    pcen = {"pcen_alpha_raw", "pcen_delta_raw", "pcen_root_raw", "pcen_s_logit"}
    assert learnt() == filters | pooling | pcen
    assert learnt(learn_filters=False) == pooling | pcen
    assert learnt(learn_pooling=False, learn_pcen=False) == filters


@pytest.mark.parametrize("compression", ["log", "log1p", "none"])
@pytest.mark.parametrize("window_ms", [1.25, 5.0])
def test_a_gammatonegram_is_its_recursion_sample_by_sample(compression: str, window_ms: float) -> None:
    options: dict[str, Any] = {"n_filters": 4, "f_min_hz": 80.0, "f_max_hz": None, "log_floor": 1e-3}
    stage = Gammatonegram(RATE_HZ, BIN_MS, window_ms=window_ms, compression=compression, **options).double()
    with torch.no_grad():
        stage.b1.mul_(1.1)  # fitted or not, each section is its own
        stage.a_coeffs.mul_(2.0)
    compress = {"log": lambda e: np.log(np.maximum(e, 1e-3)), "log1p": np.log1p, "none": lambda e: e}[compression]
    agree(stage, loops.gammatonegram(sound(), weights(stage), HOP, round(window_ms * 4), compress))


def test_a_gammatonegram_is_exact_in_float32_for_long() -> None:
    stage = Gammatonegram(RATE_HZ, BIN_MS, n_filters=2, f_min_hz=30.0, compression="none")
    samples = np.random.default_rng(0).normal(size=500 * HOP).astype(np.float32)
    with torch.inference_mode():
        y = stage(torch.from_numpy(samples).reshape(1, 1, -1))[0, 0].numpy()
    expected = loops.gammatonegram(samples.astype(np.float64), weights(stage), HOP, 10, lambda e: e)
    assert np.abs(y - expected).max() <= 1e-6 * expected.max()


def test_recursive_gammatones_have_gain_one_at_their_centres_and_the_ears_bandwidth() -> None:
    centres = np.array([300.0, 1000.0, 4000.0])
    filters = design(centres, 16000)
    click = np.zeros(4000)
    click[0] = 1.0
    for f, centre in enumerate(centres):
        y = click
        for section in range(4):
            y = loops.biquad(y, filters.numerators[section, f], filters.denominator[f])
        y = y / filters.gain[f]
        gain = np.abs(np.fft.rfft(y))  # one point every 4 Hz
        assert gain[round(centre / 4)] == pytest.approx(1.0, abs=1e-3)
        width_hz = (gain**2).sum() * 4
        assert width_hz == pytest.approx(float(erb.bandwidth_hz(centre)), rel=0.05)


def test_a_gammatonegram_is_ordered_from_low_to_high_as_a_tone_shows() -> None:
    stage = Gammatonegram(16000, 5.0, n_filters=20, f_min_hz=200.0)
    centres = stage.band_frequencies_hz()
    assert centres[0] == pytest.approx(200.0)
    assert centres[-1] < 8000.0
    assert (np.diff(centres) > 0).all()
    t = torch.arange(3200) / 16000
    for band in (2, 10, 18):
        y = stage(torch.sin(2 * math.pi * float(centres[band]) * t).reshape(1, 1, -1))
        assert int(y[0, 0, :, -1].argmax()) == band


SINC_ACTIVATIONS = {
    "logabs": lambda y: np.log1p(np.abs(y)),
    "symlog": lambda y: np.sign(y) * np.log1p(np.abs(y)),
    "none": lambda y: y,
}


@pytest.mark.parametrize("activation", SINC_ACTIVATIONS)
@pytest.mark.parametrize("taps", [12, 20, 31, 50])
def test_a_strided_sincnet_is_one_product_a_hop(activation: str, taps: int) -> None:
    stage = build(
        lambda: SincNet(RATE_HZ, BIN_MS, n_filters=3, kernel_size=taps, activation=activation, init="linear"),
        torch.float64,
    )
    kernels = loops.sinc(weights(stage), RATE_HZ)
    agree(stage, SINC_ACTIVATIONS[activation](np.array([loops.strided(sound(), k, HOP) for k in kernels])))


@pytest.mark.parametrize("window_ms", [3.0, None, 12.0])
def test_a_sincnet_with_an_envelope_is_the_mean_of_its_size(window_ms: float | None) -> None:
    stage = build(
        lambda: SincNet(RATE_HZ, BIN_MS, n_filters=3, kernel_size=31, envelope=True, env_window_ms=window_ms),
        torch.float64,
    )
    window = 20 if window_ms is None else round(window_ms * 4)
    box = np.full(window, 1 / window)
    kernels = loops.sinc(weights(stage), RATE_HZ)
    energy = np.array([loops.pool(np.abs(loops.correlate(sound(), k)), HOP, box) for k in kernels])
    agree(stage, np.log1p(energy))


def test_edges_beyond_what_there_is_are_brought_back() -> None:
    stage = SincNet(RATE_HZ, BIN_MS, n_filters=3, kernel_size=31).double()
    with torch.no_grad():
        stage.low_hz_.copy_(torch.tensor([-300.0, 0.0, 5000.0]))
        stage.band_hz_.copy_(torch.tensor([-200.0, 9000.0, 10.0]))
    assert stage.band_frequencies_hz() == pytest.approx([400.0, 1000.5, 1999.5])
    kernels = loops.sinc(weights(stage), RATE_HZ)
    assert np.abs(stage.kernels().detach().numpy() - kernels).max() <= 1e-12
    hamming = [0.54 - 0.46 * math.cos(2 * math.pi * j / 30) for j in range(31)]
    assert np.abs(stage._window[0].numpy() - hamming).max() <= 5e-7  # float32, as checkpoints have it


@pytest.mark.parametrize("options", [{}, {"kernel_ms": 2.0, "pool_ms": 2.0, "f_max_hz": 1500.0}, {"pool_ms": 12.5}])
def test_leaf_is_its_formulas_in_a_row(options: dict[str, Any]) -> None:
    stage = build(lambda: Leaf(RATE_HZ, BIN_MS, n_filters=3, **options), torch.float64)
    assert stage._n.shape[1] == (21 if options.get("kernel_ms") else 61)
    assert stage._pool_j.shape[1] == {2.0: 20, 12.5: 50, None: 80}[options.get("pool_ms")]
    agree(stage, loops.leaf(sound(), weights(stage), HOP))


def test_leafs_parameters_stay_within_what_has_a_meaning() -> None:
    stage = Leaf(RATE_HZ, BIN_MS, n_filters=4).double()
    with torch.no_grad():
        stage.center_freq_.copy_(torch.tensor([-1.0, 0.0, 4.0, 1.0]))
        stage.gabor_sigma_raw.fill_(-30.0)
        stage.pool_sigma_raw.fill_(-30.0)
        stage.pcen_root_raw.fill_(-30.0)
    agree(stage, loops.leaf(sound(), weights(stage), HOP))
    assert stage.band_frequencies_hz() == pytest.approx([0.01 / (2 * np.pi) * 4000] * 2 + [2000.0, 4000 / (2 * np.pi)])


def test_a_fresh_leaf_is_loudest_where_the_tone_is() -> None:
    stage = Leaf(16000, 5.0, n_filters=20)
    kernels = stage.kernels().detach().double().numpy()
    for band in (3, 10, 17):
        t = np.arange(kernels.shape[1]) / 16000
        tone = np.cos(2 * np.pi * stage.band_frequencies_hz()[band] * t)
        answer = np.hypot(kernels[:20] @ tone, kernels[20:] @ tone)
        assert int(answer.argmax()) == band


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_sound_in_pieces_is_the_whole(kind: str) -> None:
    stage = make_wav2spec(kind, rate_hz=RATE_HZ, bin_ms=BIN_MS, n_filters=3).double()
    assert isinstance(stage, AudioRateFrontEnd)
    frames = 2 * stage.frames_at_once + 3
    x = torch.from_numpy(bursts(frames * HOP, RATE_HZ).astype(np.float64)).reshape(1, 1, -1)
    in_pieces = stage(x)
    stage.frames_at_once = frames
    assert (stage(x) - in_pieces).abs().max() <= 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_silence_pulls_on_nothing_with_infinite_force(kind: str) -> None:
    for compression in ("none", "cuberoot", "pcen") if kind == "gammatone" else (None,):
        options = {"compression": compression} if compression else {}
        stage = make_wav2spec(kind, rate_hz=RATE_HZ, bin_ms=BIN_MS, n_filters=3, **options)
        x = torch.zeros(1, 1, 3 * HOP, requires_grad=True)
        gradients = torch.autograd.grad(stage(x).sum(), [x, *stage.parameters()])
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_power_of_nothing_is_nothing_and_of_nan_is_nan() -> None:
    y = power_of(torch.tensor([0.0, 4.0, torch.nan]), 0.5)
    assert y[:2].tolist() == [0.0, 2.0]
    assert y[2].isnan()


@pytest.mark.parametrize("kind", KINDS)
def test_each_reports_its_bands_and_its_delay(kind: str) -> None:
    stage: Any = make_wav2spec(kind, rate_hz=16000, bin_ms=5.0, n_filters=7)
    hz = stage.band_frequencies_hz()
    assert hz.shape == (7,)
    assert (np.diff(hz) > 0).all()
    assert hz[-1] <= 8000
    (delay,) = stage.delays()
    assert delay.wait_ms == 0
    assert 2 < delay.group_delay_ms < 20


def test_a_hop_that_is_not_whole_is_refused_by_each() -> None:
    for kind in FRONT_ENDS:
        with pytest.raises(ConfigError, match=r"220\.5 samples"):
            make_wav2spec(kind, rate_hz=44100, bin_ms=5.0)
        assert make_wav2spec(kind, rate_hz=44100, bin_ms=5.0, hop_samples=220).samples_per_frame == 220


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("gammatone", {"rectify": "no"}, "rectify 'no'"),
        ("gammatone", {"compression": "zip"}, "compression 'zip'"),
        ("gammatone", {"order": 0}, "order 0"),
        ("gammatone", {"b_factor": 0.0}, "bandwidth 0"),
        ("gammatone", {"f_min_hz": 9000.0}, "from 9000 to 8000"),
        ("gammatone", {"kernel_ms": 0.0}, "kernel_ms of 0 ms is no sample"),
        ("gammatone", {"env_window_ms": 0.01}, "env_window_ms of 0.01 ms is no sample"),
        ("gammatone", {"n_filters": 0}, "0 filters"),
        ("gammatonegram", {"window_ms": 6.0}, "longer than the hop of 80"),
        ("gammatonegram", {"compression": "zip"}, "compression 'zip'"),
        ("gammatonegram", {"f_min_hz": 8000.0}, "from 8000 to 8000"),
        ("sincnet", {"activation": "tanh"}, "activation 'tanh'"),
        ("sincnet", {"init": "bark"}, "init 'bark'"),
        ("sincnet", {"kernel_size": 1}, "1 samples"),
        ("sincnet", {"f_min_hz": 9000.0}, "from 9000 to 8000"),
        ("leaf", {"f_min_hz": 0.0}, "from 0 to 8000"),
        ("leaf", {"kernel_ms": 0.0}, "kernel_ms of 0 ms"),
    ],
)
def test_options_that_mean_nothing_are_refused(kind: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_wav2spec(kind, rate_hz=16000, bin_ms=5.0, **options)
