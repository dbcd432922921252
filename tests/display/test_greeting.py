import json
import math

from hypothesis import given
from hypothesis import strategies as st

from rtstrf.display.greeting import read_greeting

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["model", "source", "device", "guarantees", "units", "bands_hz", "bin_s", "hop_samples", "sample_rate_hz"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_greeting_can_break_the_display(hello):
    greeting = read_greeting(json.loads(json.dumps(hello)))
    assert 0 < greeting.bin_s < 10
    assert all(isinstance(unit.id, str) for unit in greeting.units)


def test_the_bin_follows_from_hop_and_rate_where_it_is_not_told():
    assert read_greeting({"hop_samples": 240, "sample_rate_hz": 48000}).bin_s == 0.005


def test_source_and_guarantees_are_told_in_words():
    greeting = read_greeting(
        {"source": {"kind": "file", "name": "a.wav"}, "guarantees": {"G0": "bitwise", "G1": 4e-7, "G2": None}}
    )
    assert greeting.source == "file: a.wav"
    assert greeting.guarantees == ("G0 bitwise", "G1 4e-07")


def test_what_is_not_known_of_a_unit_is_nan():
    (unit,) = read_greeting({"units": [{"id": 3, "depth_um": "deep"}]}).units
    assert unit.id == "3"
    assert math.isnan(unit.depth_um)


def test_bands_that_do_not_rise_are_not_taken_for_frequencies():
    assert read_greeting({"bands_hz": [100, 300, 200]}).bands_hz.size == 0
    assert read_greeting({"bands_hz": [100, 200, 300]}).bands_hz.tolist() == [100, 200, 300]
