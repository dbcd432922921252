"""Where the bands lie and how long they remember."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.errors import ConfigError
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.prefilter.time_constants import (
    cochlea_to_hz,
    decays_for_bands,
    hz_to_cochlea,
    spaced_frequencies_hz,
    time_constants_ms,
)

SCALES = ("mel", "greenwood")


def test_time_constants_are_willmores() -> None:
    assert time_constants_ms(np.array([500.0, 20000.0])) == pytest.approx([216.61, 48.39], abs=0.01)


@pytest.mark.parametrize(("hz", "mm"), [(20.0, 0.0), (1000.0, 14.1), (20677.0, 35.0)])
def test_places_are_greenwoods_along_35_mm(hz: float, mm: float) -> None:
    assert 35 * float(hz_to_cochlea(hz)) == pytest.approx(mm, abs=0.1)


@given(st.floats(20.0, 20000.0))
def test_place_and_frequency_invert_one_another(hz: float) -> None:
    assert float(cochlea_to_hz(hz_to_cochlea(hz))) == pytest.approx(hz, rel=1e-12)


@pytest.mark.parametrize("scale", SCALES)
def test_bands_run_from_the_lowest_to_the_highest(scale: str) -> None:
    hz = spaced_frequencies_hz(9, 300.0, 9000.0, scale)
    assert hz[[0, -1]] == pytest.approx([300.0, 9000.0])
    assert (np.diff(hz) > 0).all()
    assert spaced_frequencies_hz(1, 300.0, 9000.0, scale) == pytest.approx([300.0])


def test_greenwood_bands_are_equally_far_apart_on_the_cochlea_and_mel_bands_are_not() -> None:
    steps = {scale: np.diff(hz_to_cochlea(spaced_frequencies_hz(9, 300.0, 9000.0, scale))) for scale in SCALES}
    assert np.ptp(steps["greenwood"]) < 1e-12
    assert np.ptp(steps["mel"]) > 1e-3


def test_the_scale_reaches_the_prefilter() -> None:
    mel, greenwood = (AdapTrans.for_bands(9, dt_ms=5.0, scale=scale) for scale in SCALES)
    assert mel.kernel_frames == greenwood.kernel_frames
    assert (mel.d_on - greenwood.d_on).abs().max() > 0.005


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((5, 5.0, 500.0, 20000.0, "bark"), "scale 'bark'"),
        ((5, 5.0, 0.0, 20000.0, "mel"), "from 0 to"),
        ((5, 5.0, 900.0, 500.0, "mel"), "from 900 to 500"),
        ((0, 5.0, 500.0, 20000.0, "mel"), "0 bands"),
        ((5, 5.0, 500.0, 60000.0, "mel"), "no time constant"),
        ((5, 0.0, 500.0, 20000.0, "mel"), "a bin of 0 ms"),
    ],
)
def test_what_has_no_meaning_is_refused(arguments: tuple[int, float, float, float, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        decays_for_bands(*arguments)
