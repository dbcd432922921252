"""Writing a model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from rtstrf.checkpoints.load import load_model
from rtstrf.checkpoints.save import save_model, with_taps
from rtstrf.errors import CheckpointError
from rtstrf.models.statenet import StateNet
from rtstrf.prefilter.make import make_prefiltering
from tests.support.models import UNITS, tiny_checkpoint, tiny_model, tiny_sidecar


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_model_is_written_and_read_back_bit_for_bit(tmp_path: Path) -> None:
    model = tiny_model(seed=3)
    save_model(tmp_path / "m", model, tiny_sidecar())
    read = load_model(tmp_path / "m")
    assert read.sidecar == with_taps(tiny_sidecar(), model)
    assert not read.model.training
    for key, value in model.state_dict().items():
        assert torch.equal(read.model.state_dict()[key], value), key
    x = torch.randn(1, 1, 1600, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(read.model(x), model.eval()(x))


def test_the_taps_of_a_prefilter_are_written_even_where_the_sidecar_leaves_them_out(tmp_path: Path) -> None:
    sidecar = tiny_sidecar()
    assert sidecar.prefiltering is not None
    model = tiny_model(sidecar)
    other = make_prefiltering("adaptrans", **sidecar.prefiltering.options, kernel_frames=17)
    other.load_state_dict(model.prefilter.state_dict())
    model.prefiltering = other
    save_model(tmp_path / "m", model, sidecar)
    read = load_model(tmp_path / "m")
    assert read.sidecar.prefiltering is not None
    assert read.sidecar.prefiltering.options["kernel_frames"] == 17
    assert read.model.prefilter.kernel_frames == 17


def test_the_folder_is_laid_out_as_deepstrf_reads_it(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "m")
    assert names(folder) == ["config.json", "model.safetensors", "stream.json"]
    config = json.loads((folder / "config.json").read_text())
    assert config["_model_class"] == "StateNet"
    assert config["out_neurons"] == UNITS
    assert config["output_activation"] is None  # a default is null
    assert "wav2spec" not in config  # what a module fills is absent
    assert "prefiltering" not in config
    keys = set(safetensors.torch.load_file(folder / "model.safetensors"))
    assert {"rnn.weight_ih_l0", "encoder_layers.0.weights", "readout.fc.weight", "prefiltering.d_on"} <= keys


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = tiny_checkpoint(tmp_path / "a"), tiny_checkpoint(tmp_path / "b")
    for name in names(one):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_parents_are_created(tmp_path: Path) -> None:
    assert names(tiny_checkpoint(tmp_path / "new" / "deep" / "m"))


def test_a_folder_that_exists_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "m", seed=1)
    before = load_model(folder).weights_sha256
    with pytest.raises(CheckpointError, match="m exists\n  -> "):
        tiny_checkpoint(tmp_path / "m", seed=2)
    assert load_model(folder).weights_sha256 == before
    (folder / "stray").write_text("")
    save_model(folder, tiny_model(seed=2), tiny_sidecar(), overwrite=True)
    assert load_model(folder).weights_sha256 != before
    assert names(folder) == ["config.json", "model.safetensors", "stream.json"]
    assert names(tmp_path) == ["m"]


def test_a_folder_that_cannot_be_written_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        tiny_checkpoint(tmp_path / "file" / "m")
    assert names(tmp_path) == ["file"]


def test_an_error_half_way_leaves_the_old_folder_and_nothing_else(tmp_path: Path, monkeypatch) -> None:
    folder = tiny_checkpoint(tmp_path / "m", seed=1)
    before = load_model(folder).weights_sha256

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("rtstrf.checkpoints.save.safetensors.torch.save", full)
    with pytest.raises(CheckpointError, match="No space left"):
        save_model(folder, tiny_model(seed=2), tiny_sidecar(), overwrite=True)
    monkeypatch.undo()
    assert load_model(folder).weights_sha256 == before
    assert names(tmp_path) == ["m"]


def test_a_model_without_front_end_and_prefilter_is_written_with_null(tmp_path: Path) -> None:
    bare = dataclasses.replace(tiny_sidecar(), wav2spec=None, prefiltering=None)
    save_model(tmp_path / "m", StateNet(8, UNITS, hidden_channels=2, kernel_size=4, stride=2), bare)
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert config["wav2spec"] is None
    assert config["prefiltering"] is None
    assert load_model(tmp_path / "m").model.front_end is None
