import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.display.frequency_axis import band_position, frequency_at, frequency_ticks

MEL_BANDS_HZ = 700 * (10 ** (np.linspace(607.4, 3950.7, 36)[1:-1] / 2595) - 1)  # 34 bands, 500 to 22,627 Hz


@given(st.floats(300, 30000))
def test_place_and_frequency_undo_one_another(frequency_hz):
    back = frequency_at(band_position(frequency_hz, MEL_BANDS_HZ), MEL_BANDS_HZ)
    np.testing.assert_allclose(back, frequency_hz, rtol=1e-9)


def test_the_centre_of_a_band_is_in_the_middle_of_its_row():
    np.testing.assert_allclose(band_position(MEL_BANDS_HZ, MEL_BANDS_HZ), np.arange(34) + 0.5)


def test_ticks_are_octaves_at_their_true_places():
    ticks = frequency_ticks(MEL_BANDS_HZ, 34)
    assert [text for _, text in ticks] == ["1", "2", "4", "8", "16"]
    for at, text in ticks:
        mel = 2595 * np.log10(1 + float(text) * 1000 / 700)
        spacing = (3950.7 - 607.4) / 35
        np.testing.assert_allclose(at, (mel - 607.4) / spacing - 0.5, atol=0.02)


def test_without_frequencies_bands_are_numbered():
    assert frequency_ticks(np.zeros(0), 34)[:3] == [(0.5, "0"), (10.5, "10"), (20.5, "20")]
