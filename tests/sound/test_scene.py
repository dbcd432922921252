"""The built-in scene: what a demonstration needs of it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from rtstrf.sound.level import LevelMeter
from rtstrf.sound.scene import ACTS, DURATION_S, RATE_HZ, SceneSource, render
from tests.sound.reading import read_all, read_exactly


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return render()


def act(scene: np.ndarray, name: str) -> np.ndarray:
    names = [label for _, label in ACTS]
    start_s, end_s = (ACTS[names.index(name) + step][0] for step in (0, 1))
    return scene[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)]


def levels_db_spl(samples: np.ndarray) -> np.ndarray:
    return LevelMeter().push(samples[: len(samples) // 240 * 240].reshape(-1, 240))


def test_it_is_the_same_each_time(scene: np.ndarray) -> None:
    assert hashlib.sha256(render().tobytes()).digest() == hashlib.sha256(scene.tobytes()).digest()


def test_it_lasts_20_s_in_float32_and_is_finite(scene: np.ndarray) -> None:
    assert scene.shape == (round(DURATION_S * RATE_HZ),)
    assert scene.dtype == np.float32
    assert np.isfinite(scene).all()


def test_the_source_plays_it_in_any_blocks(scene: np.ndarray) -> None:
    assert read_all(SceneSource(), [1, 7, 240, 4096, 100000]).tobytes() == scene.tobytes()


def test_a_loop_goes_on_from_the_start(scene: np.ndarray) -> None:
    with SceneSource(loop=True) as source:
        assert source.info.total_samples is None
        assert read_exactly(source, len(scene) + 1000)[-1000:].tobytes() == scene[:1000].tobytes()


@pytest.mark.parametrize("name", [name for _, name in ACTS[:-1]])
def test_each_act_sounds_at_the_level_of_speech_in_a_room(scene: np.ndarray, name: str) -> None:
    level = levels_db_spl(act(scene, name))
    sounding = level[level > 40]
    assert 60 < 10 * np.log10(np.mean(10 ** (sounding / 10))) < 75
    assert np.abs(act(scene, name)).max() < 1.0  # plays at full scale 94 dB SPL without clipping


@pytest.mark.parametrize("name", [name for _, name in ACTS[:-1]])
def test_each_act_ends_in_silence_long_enough_for_an_off_response(scene: np.ndarray, name: str) -> None:
    assert not act(scene, name)[-round(0.2 * RATE_HZ) :].any()


def test_sounds_start_and_stop_at_once_somewhere(scene: np.ndarray) -> None:
    steps = np.diff(levels_db_spl(scene), prepend=0.0)
    assert np.count_nonzero(steps > 30) >= 10  # ON
    assert np.count_nonzero(steps < -30) >= 5  # OFF


def test_it_fills_the_range_of_hearing_of_the_models(scene: np.ndarray) -> None:
    power = np.abs(np.fft.rfft(scene.astype(np.float64))) ** 2
    frequency_hz = np.fft.rfftfreq(len(scene), 1 / RATE_HZ)
    edges_hz = 500 * 2.0 ** np.arange(6)  # five octaves, to 16 kHz
    share = [power[(frequency_hz >= low) & (frequency_hz < 2 * low)].sum() / power.sum() for low in edges_hz[:-1]]
    assert min(share) > 0.02
    assert power[frequency_hz > 16000].sum() / power.sum() > 0.002
    assert power[frequency_hz < 200].sum() / power.sum() < 0.1
