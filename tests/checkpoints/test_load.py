"""Reading a model, and every way in which one cannot be read."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rtstrf
from rtstrf.checkpoints.load import bundled_models, load_model
from rtstrf.checkpoints.save import save_model
from rtstrf.errors import CheckpointError
from rtstrf.models.statenet import StateNet
from tests.support.models import tiny_checkpoint, tiny_model, tiny_sidecar

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_checkpoint(tmp_path / "model")


def edit_json(folder: Path, name: str, **facts: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    change(tensors)
    safetensors.torch.save_file(tensors, folder / WEIGHTS)


def refused(folder: Path | str, *words: str) -> None:
    """Check that the folder is refused with these words and a remedy."""
    with pytest.raises(CheckpointError) as told:
        load_model(folder)
    for word in words:
        assert word in str(told.value)
    assert told.value.remedy


def test_the_sha256_is_that_of_the_weights_file(folder: Path) -> None:
    assert load_model(folder).weights_sha256 == hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


@pytest.mark.parametrize("name", bundled_models())
def test_every_bundled_model_loads_by_name_and_hears(name: str) -> None:
    loaded = load_model(name)
    assert loaded.sidecar.name == name
    bins = rtstrf.Pipeline(loaded).push(torch.zeros(2 * loaded.sidecar.hop_samples).numpy())
    assert [len(b.rates_hz) for b in bins] == [len(loaded.sidecar.units)] * 2


def test_there_is_a_bundled_model() -> None:
    assert "statenet-gru-ns1" in bundled_models()


def test_a_name_that_is_neither_bundled_nor_a_folder_lists_those_there_are() -> None:
    refused("no-such-model", "no model 'no-such-model'", "statenet-gru-ns1")


def test_a_folder_without_config_is_refused(folder: Path) -> None:
    (folder / "config.json").unlink()
    refused(folder, "has no config.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"_model_class": 3}', "null"])
def test_a_config_that_names_no_class_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    refused(folder, "config.json")


def test_a_class_that_cannot_be_streamed_is_refused_with_those_that_can(folder: Path) -> None:
    edit_json(folder, "config.json", _model_class="Oracle")
    refused(folder, "'Oracle'", "StateNet")


@pytest.mark.parametrize(
    "facts",
    [
        {"rnn_type": "Clockwork"},
        {"connectivity": "XX"},
        {"kernel_size": 99},
        {"stride": 0},
        {"n_frequency_bands": 9},
        {"colour": "red"},
        {"hidden_channels": "many"},
        {"hidden_channels": -1},
        {"out_neurons": -1},
        {"out_neurons": "x"},
        {"out_neurons": []},
        {"kernel_size": -4},
        {"n_frequency_bands": 0},
    ],
    ids=lambda facts: json.dumps(facts),
)
def test_options_that_do_not_fit_are_refused(folder: Path, facts: dict[str, Any]) -> None:
    edit_json(folder, "config.json", **facts)
    refused(folder, "options of StateNet do not fit")


@pytest.mark.parametrize("facts", [{"hidden_channels": -1}, {"out_neurons": "x"}], ids=lambda facts: json.dumps(facts))
def test_the_options_that_torch_refuses_are_named_with_their_values(folder: Path, facts: dict[str, Any]) -> None:
    edit_json(folder, "config.json", **facts)
    refused(folder, *(f"{name}={value!r}" for name, value in facts.items()))


def test_the_options_of_a_front_end_that_python_refuses_are_named_with_their_values(folder: Path) -> None:
    slot = json.loads((folder / "stream.json").read_text())["wav2spec"]
    edit_json(folder, "stream.json", wav2spec={**slot, "options": {**slot["options"], "n_mels": "many"}})
    refused(folder, "wav2spec.n_mels='many'")


@pytest.mark.parametrize("facts", [{"hidden_channels": 0}, {"out_neurons": 0}], ids=lambda facts: json.dumps(facts))
def test_a_model_without_channels_or_units_is_refused(folder: Path, facts: dict[str, Any]) -> None:
    edit_json(folder, "config.json", **facts)
    refused(folder, "do not fit")


def test_a_config_that_is_nested_too_deeply_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 200_000)
    refused(folder, "config.json cannot be read")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"f_min_hz": 300.0}, "_mel_fb"),
        ({"f_max_hz": 7000.0}, "_mel_fb"),
        ({"mel_scale": "slaney"}, "_mel_fb"),
    ],
)
def test_options_of_a_front_end_that_contradict_its_weights_are_refused(
    folder: Path, change: dict[str, Any], key: str
) -> None:
    slot = json.loads((folder / "stream.json").read_text())["wav2spec"]
    edit_json(folder, "stream.json", wav2spec={**slot, "options": {**slot["options"], **change}})
    refused(folder, f"the options of the front-end in stream.json contradict wav2spec.{key} in the weights")


def test_an_edge_above_nyquist_is_brought_down_to_it(folder: Path) -> None:
    slot = json.loads((folder / "stream.json").read_text())["wav2spec"]
    assert slot["options"]["f_max_hz"] == 8000.0  # Nyquist
    edit_json(folder, "stream.json", wav2spec={**slot, "options": {**slot["options"], "f_max_hz": 1e9}})
    load_model(folder)


def test_a_filter_that_was_computed_in_float32_is_taken(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors["wav2spec._mel_fb"].mul_(1 + 1e-5))
    load_model(folder)


@pytest.mark.parametrize(
    ("slot", "words"),
    [
        ({"wav2spec": {"kind": "ear", "options": {}}}, "unknown front-end 'ear'"),
        ({"wav2spec": {"kind": "mel", "options": {"rate_hz": 16000}}}, "needs bin_ms"),
        ({"wav2spec": {"kind": "mel", "options": {"rate_hz": 16000, "bin_ms": 5.0, "mels": 8}}}, "does not know mels"),
        ({"prefiltering": {"kind": "sieve", "options": {}}}, "unknown prefilter 'sieve'"),
        ({"output_activation": {"kind": "exp", "options": {}}}, "unknown activation 'exp'"),
    ],
)
def test_a_slot_that_cannot_be_filled_is_refused(folder: Path, slot: dict[str, Any], words: str) -> None:
    edit_json(folder, "stream.json", **slot)
    refused(folder, words)


def test_without_its_sidecar_it_is_refused(folder: Path) -> None:
    (folder / "stream.json").unlink()
    refused(folder, "has no stream.json", "sample rate")


def test_without_its_weights_it_is_refused(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    refused(folder, f"has no {WEIGHTS}", "give the folder with its weights")
    (folder / WEIGHTS).mkdir()
    refused(folder, WEIGHTS, "cannot be read")


def test_a_pickle_beside_is_named_where_the_weights_are_missing(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")
    refused(folder, f"has no {WEIGHTS}, but pytorch_model.bin: a pickle", "save the weights as safetensors")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(kept=st.floats(0, 1, exclude_max=True))
def test_weights_cut_short_anywhere_are_refused(folder: Path, kept: float) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    try:
        (folder / WEIGHTS).write_bytes(whole[: int(kept * len(whole))])
        refused(folder, "truncated or no safetensors file")
    finally:
        (folder / WEIGHTS).write_bytes(whole)


def test_a_pickle_is_refused_unread(folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("the pickle was opened",))

    (folder / WEIGHTS).write_bytes(pickle.dumps(Trap()))
    refused(folder, "is a pickle, which can run code")
    torch.save({"a": torch.zeros(1)}, folder / WEIGHTS)
    refused(folder, "is a pickle")


def test_a_header_whose_length_looks_like_a_pickle_is_none(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(data[:8], "little")
    wanted = length - length % 65536 + int.from_bytes(b"\x80\x04", "little")
    wanted += 65536 if wanted < length else 0
    padded = wanted.to_bytes(8, "little") + data[8 : 8 + length].ljust(wanted) + data[8 + length :]
    assert padded[:2] == b"\x80\x04"
    (folder / WEIGHTS).write_bytes(padded)
    load_model(folder)


def test_every_key_that_does_not_fit_is_listed(folder: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["readout.fc.weight"] = torch.zeros(5, 6)
        tensors["extra.key"] = torch.zeros(2)
        del tensors["rnn.bias_hh_l0"]

    edit_weights(folder, change)
    refused(
        folder,
        "missing rnn.bias_hh_l0 (18,)",
        "unexpected extra.key (2,)",
        "readout.fc.weight is (5, 6), should be (4, 6)",
    )


def test_a_long_list_is_cut_with_the_number_left_out(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.update({f"extra.{n}": torch.zeros(1) for n in range(20)}))
    refused(folder, "and 14 more")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder: Path, value: float) -> None:
    edit_weights(folder, lambda tensors: tensors["readout.fc.bias"].fill_(value))
    refused(folder, "readout.fc.bias holds NaN or infinity")


def test_a_prefilter_that_the_weights_lack_is_found(folder: Path) -> None:
    edit_json(folder, "stream.json", prefiltering=None)
    refused(folder, "unexpected prefiltering.d_on")


@pytest.mark.parametrize("units", [3, 5])
def test_a_unit_table_of_another_length_is_refused(folder: Path, units: int) -> None:
    edit_json(folder, "stream.json", units=[{"id": f"u{n}"} for n in range(units)])
    refused(folder, f"lists {units} units, the model has 4")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"hop_samples": 160, "bin_ms": 10.0}, "the front-end's hop_samples is 80, the sidecar says 160"),
        ({"sample_rate_hz": 48000, "hop_samples": 240}, "the front-end's hop_samples is 80, the sidecar says 240"),
        ({"sample_rate_hz": 8000, "bin_ms": 10.0}, "the front-end's sample_rate_hz is 16000, the sidecar says 8000"),
    ],
)
def test_a_clock_that_contradicts_the_front_end_is_refused(folder: Path, facts: dict[str, Any], words: str) -> None:
    edit_json(folder, "stream.json", **facts)
    refused(folder, words)


def test_a_file_in_place_of_a_folder_is_refused(folder: Path) -> None:
    refused(folder / "config.json", "neither bundled nor a folder")


def test_a_home_directory_is_understood(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert load_model("~/model").sidecar.name == "tiny"


def test_nothing_of_a_refused_model_is_left_or_changed(folder: Path) -> None:
    edit_json(folder, "stream.json", hop_samples=160, bin_ms=10.0)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    refused(folder, "front-end's hop_samples")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_model_that_takes_spectrograms_loads_but_cannot_hear(tmp_path: Path) -> None:
    bare = dataclasses.replace(tiny_sidecar(), wav2spec=None, prefiltering=None)
    save_model(tmp_path / "m", StateNet(8, 4, hidden_channels=2, kernel_size=4, stride=2), bare)
    loaded = load_model(tmp_path / "m")
    with pytest.raises(CheckpointError, match=r"takes spectrograms, not sound"):
        rtstrf.Pipeline(loaded)


def test_other_weights_have_another_sha256(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    assert load_model(other).weights_sha256 == load_model(folder).weights_sha256
    save_model(other, tiny_model(seed=9), tiny_sidecar(), overwrite=True)
    assert load_model(other).weights_sha256 != load_model(folder).weights_sha256
