"""The systems that are measured."""

from __future__ import annotations

from rtstrf.bench.systems import first_names, scene_pa


def test_a_second_name_of_something_makes_no_row() -> None:
    assert first_names({"a": 1, "b": 2, "c": 2, "d": 1, "e": 3}) == ["a", "b", "e"]


def test_the_scene_is_whole_hops_that_begin_in_silence_and_end_in_voice() -> None:
    sound = scene_pa(0.5013)
    assert sound.shape == (1, 1, 24000)
    assert sound[..., :4800].abs().max() < 1e-3
    assert sound[..., 14400:].abs().max() > 0.01
