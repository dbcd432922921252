"""The file beside the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.checkpoints.sidecar import FILE_NAME, FORMAT, Sidecar, Slot, Unit
from rtstrf.errors import CheckpointError
from tests.support.models import tiny_sidecar

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SLOT = st.builds(Slot, st.text(), st.dictionaries(st.text(), NUMBERS | st.text() | st.booleans()))


@st.composite
def sidecars(draw: st.DrawFn) -> Sidecar:
    """Draw facts that agree on the clock."""
    rate_hz, hop = draw(st.integers(100, 10**6)), draw(st.integers(1, 10**4))
    return Sidecar(
        name=draw(st.text()),
        sample_rate_hz=rate_hz,
        hop_samples=hop,
        bin_ms=1000 * hop / rate_hz,
        hz_per_response=draw(st.floats(1e-6, 1e6)),
        wav2spec=draw(st.none() | SLOT),
        prefiltering=draw(st.none() | SLOT),
        output_activation=draw(st.none() | SLOT),
        units=tuple(draw(st.lists(st.builds(Unit, st.text(), st.none() | NUMBERS, st.none() | NUMBERS)))),
        citation=tuple(draw(st.lists(st.text()))),
        provenance=draw(st.dictionaries(st.text(), NUMBERS | st.lists(st.integers()))),
    )


@given(sidecars())
def test_what_is_written_is_read_back(sidecar: Sidecar) -> None:
    assert Sidecar.from_json(sidecar.to_json(), "here") == sidecar


def changed(**facts: Any) -> str:
    """Return the small model's sidecar with facts replaced, or removed where None is not a value of theirs."""
    return json.dumps({**json.loads(tiny_sidecar().to_json()), **facts})


@pytest.mark.parametrize("text", ["", "{", "not json", "\x00"])
def test_text_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match="here is not JSON"):
        Sidecar.from_json(text, "here")


@pytest.mark.parametrize("text", ["[]", "3", "{}", changed(format="rtstrf-stream/2")])
def test_another_format_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match=f"no sidecar of format {FORMAT}"):
        Sidecar.from_json(text, "here")


@pytest.mark.parametrize("name", ["name", "sample_rate_hz", "hop_samples", "hz_per_response", "wav2spec", "units"])
def test_a_missing_fact_is_named(name: str) -> None:
    facts = json.loads(tiny_sidecar().to_json())
    del facts[name]
    with pytest.raises(CheckpointError, match=f"here lacks {name}\n  -> its keys: format, name"):
        Sidecar.from_json(json.dumps(facts), "here")


def test_what_may_be_left_out_is_empty() -> None:
    facts = json.loads(tiny_sidecar().to_json())
    del facts["citation"], facts["provenance"]
    read = Sidecar.from_json(json.dumps(facts), "here")
    assert (read.citation, read.provenance) == ((), {})


def test_an_unknown_fact_is_named() -> None:
    with pytest.raises(CheckpointError, match="here has unknown sample_rate\n"):
        Sidecar.from_json(changed(sample_rate=48000), "here")


@pytest.mark.parametrize(
    "facts",
    [
        {"sample_rate_hz": "fast"},
        {"sample_rate_hz": 16000.5},
        {"sample_rate_hz": True},
        {"hop_samples": None},
        {"bin_ms": "5 ms"},
        {"hz_per_response": []},
        {"wav2spec": "mel"},
        {"wav2spec": {"kind": "mel", "colour": "red"}},
        {"prefiltering": []},
        {"units": 4},
        {"units": [{"depth_um": 100.0}]},
        {"units": [{"id": "a", "mood": "good"}]},
        {"citation": 3},
        {"citation": "one line"},
        {"citation": [None]},
        {"name": None},
        {"name": 7},
        {"provenance": None},
        {"provenance": "a thesis"},
        {"core": [["max_frames", 3]]},
        {"bin_ms": True},
        {"bin_ms": "5"},
        {"hz_per_response": 10**400},
        {"sample_rate_hz": 10**400},
        {"kernel": {"options": {}}},
        {"kernel": {"kind": 3}},
        {"output_activation": {"kind": "relu", "options": [1]}},
        {"units": {"id": "a"}},
        {"units": ["a"]},
        {"units": [{"id": 5}]},
        {"units": [{"id": "a", "depth_um": "deep"}]},
        {"units": [{"id": "a", "best_frequency_hz": [1]}]},
        {"units": [{"id": "a", "cc_norm": True}]},
        {"units": [{"id": "a", "depth_um": float("nan")}]},
    ],
    ids=lambda facts: json.dumps(facts)[:60],
)
def test_a_fact_of_the_wrong_type_is_named(facts: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=f"here holds a fact of the wrong type: {next(iter(facts))}"):
        Sidecar.from_json(changed(**facts), "here")


def test_a_unit_and_its_fact_are_named() -> None:
    units = [{"id": "a"}, {"id": "b", "depth_um": "deep"}]
    with pytest.raises(CheckpointError, match=r"units\[1\]\.depth_um is 'deep', not a number\n  -> restore the file"):
        Sidecar.from_json(changed(units=units), "here")


def test_one_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(CheckpointError, match="here is not JSON"):
        Sidecar.from_json("[" * 200_000, "here")


@pytest.mark.parametrize("name", ["sample_rate_hz", "hop_samples", "bin_ms", "hz_per_response"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_clock_that_does_not_run_is_refused(name: str, value: int) -> None:
    with pytest.raises(CheckpointError, match=rf"{name} is {value}(\.0)?\n  -> it must be positive"):
        Sidecar.from_json(changed(**{name: value}), "here")


@pytest.mark.parametrize("name", ["sample_rate_hz", "hop_samples", "bin_ms", "hz_per_response"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_clock_that_is_no_number_is_refused(name: str, value: float) -> None:
    with pytest.raises(CheckpointError, match="here"):
        Sidecar.from_json(changed(**{name: value}), "here")


@pytest.mark.parametrize("facts", [{"bin_ms": 10.0}, {"sample_rate_hz": 48000}, {"hop_samples": 240}])
def test_bin_rate_and_hop_must_agree(facts: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"here: a bin of .* but hop_samples is"):
        Sidecar.from_json(changed(**facts), "here")


def test_a_bin_that_deepstrf_rounded_is_taken() -> None:
    rounded = {"sample_rate_hz": 44100, "hop_samples": 220, "bin_ms": 5.0}
    assert Sidecar.from_json(changed(**rounded), "here").hop_samples == 220


def test_a_folder_without_one_says_what_it_is_needed_for(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError,
        match=rf"has no {FILE_NAME}: the weights do not say .*\n  -> run: rtstrf import .*, or write {FILE_NAME}",
    ):
        Sidecar.read(tmp_path)


def test_one_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CheckpointError, match="cannot be read"):
        Sidecar.read(tmp_path)
