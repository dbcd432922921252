import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.config.live import LiveConfig
from rtstrf.config.spikes import SpikesSection
from rtstrf.display.greeting import Greeting, read_greeting
from rtstrf.engine.batch import Batch
from rtstrf.engine.greeting import greeting as engine_greeting
from rtstrf.engine.spiking import Spiking
from rtstrf.pipeline import make_framer
from rtstrf.verify.report import verify
from rtstrf.verify.store import remember
from tests.support.models import HOP_SAMPLES, RATE_HZ, UNITS, tiny_loaded
from tests.support.sounds import ArraySource, bursts

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


def test_the_source_is_told_in_words():
    assert read_greeting({"source": {"kind": "file", "name": "a.wav"}}).source == "file: a.wav"


def test_what_was_verified_is_told_as_the_server_greets_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("RTSTRF_CACHE", str(tmp_path / "cache"))
    loaded = tiny_loaded(tmp_path / "tiny")
    batch = Batch(loaded)
    framer = make_framer(RATE_HZ, RATE_HZ, HOP_SAMPLES)
    spiking = Spiking(SpikesSection(), UNITS, HOP_SAMPLES, RATE_HZ)
    source = ArraySource(bursts(4000, RATE_HZ), RATE_HZ)

    def shown() -> Greeting:
        config = LiveConfig.model_validate({"source": {"kind": "silence"}})
        hello = engine_greeting(config, batch, framer, source.info, spiking)
        return read_greeting(json.loads(json.dumps(hello)))

    assert shown().guarantees == ""
    result = verify(loaded, source)
    remember(result)
    assert shown().guarantees == "G0 G1 G2 causal verified"
    worse = next(guarantee for guarantee in result["guarantees"] if guarantee["id"] == "G1")
    worse["passed"] = result["passed"] = False  # in one of the two precisions
    remember(result)
    assert shown().guarantees == "G1 failed"


@pytest.mark.parametrize("told", [None, {}, [], "G0", {"guarantees": []}, {"guarantees": "G0"}, {"passed": True}])
def test_where_nothing_was_verified_nothing_is_told(told):
    assert read_greeting({"guarantees": told}).guarantees == ""


def test_what_is_not_known_of_a_unit_is_nan():
    (unit,) = read_greeting({"units": [{"id": 3, "depth_um": "deep"}]}).units
    assert unit.id == "3"
    assert math.isnan(unit.depth_um)


def test_bands_that_do_not_rise_are_not_taken_for_frequencies():
    assert read_greeting({"bands_hz": [100, 300, 200]}).bands_hz.size == 0
    assert read_greeting({"bands_hz": [100, 200, 300]}).bands_hz.tolist() == [100, 200, 300]
