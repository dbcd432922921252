import numpy as np
import pytest

from rtstrf.display import colour_map, style


def contrast(colour: str, ground: str) -> float:
    luminance = []
    for told in (colour, ground):
        linear = colour_map.decode_srgb(np.array([int(told[at : at + 2], 16) for at in (1, 3, 5)]))
        luminance.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(luminance) + 0.05) / (min(luminance) + 0.05)


def test_text_can_be_read_on_its_ground():
    assert contrast(style.TEXT, style.BACKGROUND) > 7
    assert contrast(style.MUTED, style.BACKGROUND) > 4.5
    assert contrast(style.ALARM_TEXT, style.ALARM_BACKGROUND) > 4.5
    assert all(contrast(colour, style.PANEL) > 4.5 for colour in style.TRACE_COLOURS)


def test_values_run_through_the_map_and_are_clipped_at_its_ends():
    colours = style.rates_map()
    pixels = style.pixels(np.float32([-5, 0, 50, 100, 1e9]), colours, 0, 100)
    expected = colour_map.as_argb32(colours)[[0, 0, 127, 255, 255]]
    np.testing.assert_array_equal(pixels, expected)


def test_a_missing_value_has_the_colour_of_a_gap_and_no_value_has_it():
    gap = 0xFF000000 | int(style.GAP[1:], 16)
    assert style.pixels(np.float32([np.nan]), style.rates_map(), 0, 1)[0] == gap
    for colours in (style.rates_map(), style.spectrogram_map(), style.on_map(), style.off_map()):
        assert gap not in colour_map.as_argb32(colours)


def test_on_is_orange_off_is_blue_and_neither_is_dark():
    def rgb(on: float, off: float) -> tuple[int, int, int]:
        pixel = int(style.on_off_pixels(np.float32([on]), np.float32([off]), 1.0, 1.0)[0])
        return pixel >> 16 & 255, pixel >> 8 & 255, pixel & 255

    assert rgb(1, 0)[0] > rgb(1, 0)[1] > rgb(1, 0)[2]
    assert rgb(0, 1)[2] > rgb(0, 1)[1] > rgb(0, 1)[0]
    assert max(rgb(0, 0)) < 12
    assert min(rgb(1, 1)) > 200


@pytest.mark.parametrize("missing", ["on", "off"])
def test_a_bin_without_on_or_without_off_is_a_gap(missing):
    values = {"on": np.float32([0.5]), "off": np.float32([0.5]), missing: np.float32([np.nan])}
    assert style.on_off_pixels(values["on"], values["off"], 1, 1)[0] == 0xFF000000 | int(style.GAP[1:], 16)
