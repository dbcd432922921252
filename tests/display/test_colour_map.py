import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.display import colour_map, style

MAPS = {
    "spectrogram": style.spectrogram_map,
    "rates": style.rates_map,
    "on": style.on_map,
    "off": style.off_map,
}

# Machado, Oliveira & Fernandes 2009, doi 10.1109/TVCG.2009.113: severity 1.0, on linear light.
COLOUR_BLIND = {
    "deuteranope": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanope": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}


def lightness(rgb8: np.ndarray) -> np.ndarray:
    return colour_map.linear_rgb_to_oklab(colour_map.decode_srgb(rgb8))[..., 0]


def seen_by(who: str, rgb8: np.ndarray) -> np.ndarray:
    linear = np.clip(colour_map.decode_srgb(rgb8) @ np.array(COLOUR_BLIND[who]).T, 0, 1)
    return colour_map.linear_rgb_to_oklab(linear)


@pytest.mark.parametrize("name", MAPS)
def test_the_lightness_of_every_map_rises_evenly_from_near_black(name):
    steps = lightness(MAPS[name]())
    straight = np.linspace(steps[0], steps[-1], len(steps))
    assert steps[0] < 0.15
    assert np.abs(steps - straight).max() < 0.012  # 8-bit rounding of dark colours
    assert np.all(np.diff(steps[::4]) > 0)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("who", COLOUR_BLIND)
def test_every_map_keeps_rising_for_colour_blind_people(name, who):
    assert np.all(np.diff(seen_by(who, MAPS[name]())[::8, 0]) > 0)


@pytest.mark.parametrize("who", COLOUR_BLIND)
def test_on_and_off_stay_apart_for_colour_blind_people(who):
    on, off = seen_by(who, style.on_map())[96:], seen_by(who, style.off_map())[96:]
    assert np.linalg.norm(on - off, axis=-1).min() > 0.12  # just noticeable is about 0.02


@given(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3))
def test_oklab_is_undone_by_its_inverse(rgb):
    back = colour_map.oklab_to_linear_rgb(colour_map.linear_rgb_to_oklab(np.array(rgb)))
    np.testing.assert_allclose(back, rgb, atol=1e-6)


def test_white_is_white_and_grey_has_no_hue():
    np.testing.assert_allclose(colour_map.linear_rgb_to_oklab(np.ones(3)), [1, 0, 0], atol=1e-6)
