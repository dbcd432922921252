"""The mel spectrogram against the Fourier transform by its definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.errors import ConfigError
from rtstrf.spectrogram.make import make_wav2spec
from rtstrf.spectrogram.mel import MelSpectrogram, hz_to_mel, mel_filterbank, mel_to_hz
from tests.support import loops
from tests.support.sounds import bursts

CASES: dict[str, dict[str, Any]] = {
    "log with a floor": {"rate_hz": 8000, "bin_ms": 5.0},
    "log with an offset": {"rate_hz": 8000, "bin_ms": 5.0, "log_offset": 0.01, "magnitude": "power"},
    "cube root, slaney": {"rate_hz": 8000, "bin_ms": 5.0, "compression": "cubic", "mel_scale": "slaney"},
    "log1p, odd window": {"rate_hz": 11025, "bin_ms": 5.0, "hop_samples": 55, "win_ms": 9.16, "compression": "log1p"},
    "odd window labelled as deepSTRF does": {
        "rate_hz": 11025, "bin_ms": 5.0, "hop_samples": 55, "win_ms": 9.16, "compression": "log1p",
        "deepstrf_bins": True,
    },
    "no compression, window of one hop": {"rate_hz": 8000, "bin_ms": 10.0, "compression": "none"},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_windowed_fourier_transform_through_triangles(case: str) -> None:
    options = {"n_mels": 5, "f_min_hz": 300.0, **CASES[case]}
    stage = MelSpectrogram(**options).double()
    rate_hz, hop, win = options["rate_hz"], stage.hop, round(options["rate_hz"] * options.get("win_ms", 10.0) / 1000)
    assert ("odd" in case) == bool(win % 2)
    samples = bursts(11 * hop, rate_hz, seed=1).astype(np.float64)
    samples[:hop] = 0.0  # digital silence, where log shows its floor

    top_hz = rate_hz // 2 if options.get("deepstrf_bins") else (win // 2) * rate_hz / win
    labels = [top_hz * k / (win // 2) for k in range(win // 2 + 1)]
    bank = loops.triangles(labels, 5, 300.0, rate_hz / 2, options.get("mel_scale", "htk"))
    compress = {
        "log": lambda e: math.log(e + 0.01) if "log_offset" in options else math.log(max(e, 1e-4)),
        "cubic": lambda e: e ** (1 / 3),
        "log1p": math.log1p,
        "none": float,
    }[options.get("compression", "log")]
    # Window and bank are float32 in checkpoints: rounded here too, so that only the arithmetic is compared.
    window = loops.hann(win).astype(np.float32)
    assert np.allclose(stage._window.numpy(), window, atol=1e-7)
    assert np.allclose(stage._mel_fb.numpy(), bank, atol=1e-6)
    expected = loops.mel(
        samples,
        hop,
        stage._window.numpy(),
        stage._mel_fb.numpy(),
        magnitude=options.get("magnitude", "amplitude"),
        compress=compress,
    )
    y = stage(torch.from_numpy(samples).reshape(1, 1, -1))
    assert y.shape == (1, 1, 5, 11)
    assert np.abs(y[0, 0].numpy() - expected).max() <= 1e-10


@given(st.floats(0, 24000), st.sampled_from(["htk", "slaney"]))
def test_mel_and_hertz_invert_one_another(hz: float, scale: str) -> None:
    assert float(hz_to_mel(hz, scale)) == pytest.approx(loops.mel_of_hz(hz, scale), rel=1e-12, abs=1e-9)
    assert float(mel_to_hz(hz_to_mel(hz, scale), scale)) == pytest.approx(hz, rel=1e-9, abs=1e-6)


def test_a_tone_is_loudest_in_its_own_band() -> None:
    stage = MelSpectrogram(48000, 5.0, win_ms=20.0)
    centres = stage.band_frequencies_hz()
    for band in (3, 15, 30):
        t = torch.arange(4800) / 48000
        y = stage(torch.sin(2 * math.pi * float(centres[band]) * t).reshape(1, 1, -1))
        assert int(y[0, 0, :, 10].argmax()) == band


def test_triangles_overlap_to_one_between_the_outer_centres() -> None:
    stage = MelSpectrogram(48000, 5.0, n_mels=10)
    hz = np.linspace(*stage.band_frequencies_hz()[[0, -1]], 500)
    assert np.allclose(mel_filterbank(hz, 10, 500.0, 22627.0).sum(axis=1), 1.0)


def test_the_upper_edge_is_brought_down_to_nyquist() -> None:
    assert MelSpectrogram(16000, 5.0, n_mels=8).f_max_hz == 8000.0


def test_it_declares_the_middle_of_its_window() -> None:
    (delay,) = MelSpectrogram(48000, 5.0, win_ms=10.0).delays()
    assert (delay.wait_ms, delay.group_delay_ms) == (0.0, pytest.approx(1e3 * 239.5 / 48000))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"win_ms": 4.0}, "shorter than the hop"),
        ({"magnitude": "loudness"}, "magnitude 'loudness'"),
        ({"compression": "zip"}, "compression 'zip'"),
        ({"mel_scale": "bark"}, "mel_scale 'bark'"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        MelSpectrogram(16000, 5.0, **options)


def test_a_hop_that_is_not_whole_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"220\.5 samples"):
        MelSpectrogram(44100, 5.0)


def test_a_front_end_is_made_by_name_or_refused() -> None:
    assert make_wav2spec("mel", rate_hz=16000, bin_ms=5.0, n_mels=9).out_channels == 9
    with pytest.raises(ConfigError, match="unknown front-end 'ear'"):
        make_wav2spec("ear")
    with pytest.raises(ConfigError, match="does not know mels and needs rate_hz, bin_ms"):
        make_wav2spec("mel", mels=3)
