"""What may change while a stream runs."""

from __future__ import annotations

import pytest

from rtstrf.config.live import LiveConfig
from rtstrf.config.load import check
from rtstrf.engine.parameters import Parameters
from rtstrf.errors import ConfigError


def test_a_change_is_checked_before_it_is_made() -> None:
    parameters = Parameters(LiveConfig())
    change = parameters.checked("wire.topics", ["level"])
    assert parameters.topics == ("spectrogram", "onoff", "level")
    parameters.apply(change)
    assert parameters.topics == ("level",)
    assert parameters.get("wire.topics") == {"name": "wire.topics", "value": ["level"], "live": True}


def test_all_values_are_returned_without_a_name() -> None:
    told = Parameters(LiveConfig()).get(None)
    assert told["values"]["model"] == "statenet-gru-ns1"
    assert told["live"] == ["engine.gain_db", "wire.topics"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("engine.gain_db", "loud", "engine.gain_db cannot be 'loud'"),
        ("engine.gain_db", 1000, "engine.gain_db cannot be 1000"),
        ("wire.topics", ["smell"], "wire.topics cannot be"),
        ("wire.topics", ["level", "level"], "each topic once"),
        ("engine.gain_db", "6", "engine.gain_db cannot be '6'"),
        ("engine.gain_db", True, "engine.gain_db cannot be True"),
        ("model", "other", "cannot change while the stream runs"),
        ("engine.nothing", 1, "no parameter 'engine.nothing'"),
    ],
)
def test_what_cannot_be_set_says_why(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Parameters(LiveConfig()).checked(name, value)


def with_trigger() -> Parameters:
    return Parameters(check(LiveConfig, {"triggers": [{"name": "loud", "threshold_hz": 30.0}]}, "test"))


def test_a_trigger_can_be_disarmed_and_its_threshold_moved() -> None:
    parameters = with_trigger()
    assert parameters.get(None)["live"][1:3] == ["triggers.loud.armed", "triggers.loud.threshold_hz"]
    for name, value in (("triggers.loud.armed", False), ("triggers.loud.threshold_hz", 12)):
        parameters.apply(parameters.checked(name, value))
        assert parameters.get(name) == {"name": name, "value": value, "live": True}
    assert (parameters.triggers["loud"].armed, parameters.triggers["loud"].threshold_hz) == (False, 12.0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("triggers.loud.threshold_hz", -1, "cannot be -1"),
        ("triggers.loud.armed", "no", "cannot be 'no'"),
        ("triggers.loud.direction", "down", "cannot change while the stream runs"),
        ("triggers.quiet.armed", True, "no parameter"),
    ],
)
def test_what_cannot_be_changed_of_a_trigger_changes_nothing(name: str, value: object, message: str) -> None:
    parameters = with_trigger()
    before = parameters.triggers["loud"]
    with pytest.raises(ConfigError, match=message):
        parameters.checked(name, value)
    assert parameters.triggers["loud"] is before
