"""Pascals and dB SPL."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.errors import ConfigError
from rtstrf.sound.level import LevelMeter, db_spl_to_pa, pa_to_db_spl
from rtstrf.sound.make import open_source


def test_94_db_spl_is_one_pascal_exactly() -> None:
    assert db_spl_to_pa(94.0) == 1.0
    assert pa_to_db_spl(1.0) == 94.0


def test_0_db_spl_is_20_micropascals_but_for_the_rounding_of_the_convention() -> None:
    assert db_spl_to_pa(0.0) == pytest.approx(20e-6, rel=0.003)


@pytest.mark.parametrize("level", [-100.1, 300.1, 1e5, math.inf, -math.inf, math.nan])
def test_what_is_no_level_of_a_sound_is_named(level: float) -> None:
    with pytest.raises(
        ConfigError, match=rf"level_db_spl is {level:g}\n  -> give dB SPL from -100 to 300".replace("+", r"\+")
    ):
        db_spl_to_pa(level)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("tone", "level_db_spl"),
        ("sweep", "level_db_spl"),
        ("noise", "level_db_spl"),
        ("clicks", "peak_db_spl"),
        ("stdin", "full_scale_db_spl"),
        ("file", "full_scale_db_spl"),
    ],
)
def test_every_source_names_its_level_that_is_none(kind: str, name: str) -> None:
    options = {"path": "any.wav"} if kind == "file" else {}
    with pytest.raises(ConfigError, match=f"{name} is 7000\n  -> "):
        open_source(kind, **options, **{name: 7000.0})


@given(st.floats(-100, 300))
def test_levels_come_back_from_pascals(level_db_spl: float) -> None:
    assert pa_to_db_spl(db_spl_to_pa(level_db_spl)) == pytest.approx(level_db_spl, abs=1e-9)


def test_silence_is_the_floor_and_nothing_is_below_it() -> None:
    assert pa_to_db_spl(0.0) == -math.inf
    assert pa_to_db_spl(0.0, floor_db_spl=10.0) == 10.0
    assert pa_to_db_spl(1e-9, floor_db_spl=10.0) == 10.0


@pytest.mark.parametrize("hop_samples", [48, 240])
def test_a_meter_gives_each_hop_its_own_rms(hop_samples: int) -> None:
    hops = np.zeros((3, hop_samples), dtype=np.float32)
    hops[1] = np.sqrt(2) * np.sin(2 * np.pi * np.arange(hop_samples) / 48)
    assert LevelMeter(floor_db_spl=5.0).push(hops) == pytest.approx([5.0, 94.0, 5.0], abs=1e-5)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_a_meter_does_not_depend_on_how_many_hops_come_at_once(counts: list[int]) -> None:
    hops = np.random.default_rng(1).standard_normal((sum(counts), 24)).astype(np.float32)
    one = LevelMeter(time_constant_hops=25).push(hops)
    meter = LevelMeter(time_constant_hops=25)
    parts = [meter.push(part) for part in np.split(hops, np.cumsum(counts)[:-1])]
    assert np.concatenate(parts).tolist() == one.tolist()


def test_a_time_constant_lets_the_level_fall_by_its_own_rate() -> None:
    hops = np.zeros((11, 4), dtype=np.float32)
    hops[0] = 1.0
    levels = LevelMeter(floor_db_spl=-200.0, time_constant_hops=10.0).push(hops)
    assert levels[10] - levels[0] == pytest.approx(10 * math.log10(math.exp(-1)), abs=1e-6)
