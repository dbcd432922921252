"""Folders of every model of the zoo, written and read again; what config.json must not hold is in the sidecar."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from rtstrf.checkpoints.load import load_model
from rtstrf.checkpoints.save import save_model
from rtstrf.checkpoints.sidecar import Sidecar, Slot
from rtstrf.errors import CheckpointError
from rtstrf.models.icnet import ICNet
from rtstrf.models.model import AuditoryModel
from rtstrf.models.statenet import CELLS, StateNet
from rtstrf.models.transformer import Transformer
from tests.support.models import BANDS, UNITS, tiny_sidecar

ICNET_SIZES: dict[str, Any] = {"n_filters": 3, "sincnet_kernel_size": 9, "encoder_channels": 4, "n_encoder_layers": 2}

MODELS: dict[str, Callable[[], AuditoryModel]] = {
    **{
        f"statenet-{cell}": lambda cell=cell: StateNet(
            BANDS, UNITS, rnn_type=cell, hidden_channels=2, kernel_size=4, stride=2
        )
        for cell in CELLS
    },
    "transformer": lambda: Transformer(BANDS, UNITS, embedding_dim=4, context_window=9),
    "transformer-bounded": lambda: Transformer(BANDS, UNITS, embedding_dim=4, max_frames=30, deepstrf_phase=True),
    "icnet": lambda: ICNet(16000, UNITS, **ICNET_SIZES),
    "icnet-rounded": lambda: ICNet(44100, UNITS, hop_samples=220, **ICNET_SIZES),
}
CORES: dict[str, dict[str, Any]] = {
    "transformer-bounded": {"max_frames": 30, "deepstrf_phase": True},
    "icnet-rounded": {"hop_samples": 220},
}


def sidecar_of(model: AuditoryModel, name: str) -> Sidecar:
    hop = model.samples_per_frame if isinstance(model, ICNet) else 80
    rate_hz = getattr(model.front_end, "rate_hz", 16000)
    return dataclasses.replace(
        tiny_sidecar(),
        wav2spec=None,
        prefiltering=None,
        sample_rate_hz=rate_hz,
        hop_samples=hop,
        bin_ms=1e3 * hop / rate_hz,
        core=CORES.get(name, {}),
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_is_written_is_read_as_it_was(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    save_model(tmp_path / "m", model, sidecar_of(model, name))
    again = load_model(tmp_path / "m").model
    x = torch.randn(model.input_shape(1, 40))
    with torch.inference_mode():
        assert torch.equal(again(x), model(x))
    assert again.options == model.options


def test_arguments_that_deepstrf_lacks_are_in_the_sidecar_and_not_in_its_config(tmp_path: Path) -> None:
    model = MODELS["transformer-bounded"]()
    save_model(tmp_path / "m", model, sidecar_of(model, "transformer-bounded"))
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert not {"max_frames", "deepstrf_phase"} & set(config)
    assert config["context_window"] is None
    assert json.loads((tmp_path / "m" / "stream.json").read_text())["core"] == {
        "max_frames": 30,
        "deepstrf_phase": True,
    }


def test_a_context_without_bound_is_refused_with_the_reason(tmp_path: Path) -> None:
    model = MODELS["transformer-bounded"]()
    save_model(tmp_path / "m", model, dataclasses.replace(sidecar_of(model, "transformer-bounded"), core={}))
    with pytest.raises(CheckpointError, match="memory and the time for a frame grow") as told:
        load_model(tmp_path / "m")
    assert "max_frames" in str(told.value)


def test_an_argument_of_the_core_that_is_unknown_is_refused(tmp_path: Path) -> None:
    model = MODELS["transformer"]()
    save_model(tmp_path / "m", model, dataclasses.replace(sidecar_of(model, ""), core={"colour": "red"}))
    with pytest.raises(CheckpointError, match="colour"):
        load_model(tmp_path / "m")


def test_a_folder_of_an_icnet_holds_the_decoder_twice_as_deepstrf_wants_it(tmp_path: Path) -> None:
    model = MODELS["icnet"]()
    save_model(tmp_path / "m", model, sidecar_of(model, "icnet"))
    tensors = safetensors.torch.load_file(tmp_path / "m" / "model.safetensors")
    assert torch.equal(tensors["readout.weight"], tensors["decoder.weight"])
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert not {"wav2spec", "prefiltering", "output_activation"} & set(config)  # its constructor has none of them


def test_two_decoders_that_contradict_one_another_are_refused(tmp_path: Path) -> None:
    model = MODELS["icnet"]()
    save_model(tmp_path / "m", model, sidecar_of(model, "icnet"))
    path = tmp_path / "m" / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    tensors["readout.bias"] = tensors["readout.bias"] + 1
    safetensors.torch.save_file(tensors, path)
    with pytest.raises(CheckpointError, match=r"unexpected readout\.bias"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("name", ["output_activation", "wav2spec", "prefiltering"])
def test_a_module_that_config_leaves_out_must_be_named_in_the_sidecar(name: str, tmp_path: Path) -> None:
    model = MODELS["transformer"]()
    save_model(tmp_path / "m", model, sidecar_of(model, "transformer"))
    path = tmp_path / "m" / "config.json"
    config = json.loads(path.read_text())
    assert config.pop(name, "absent") is None
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=f"leaves out {name}"):
        load_model(tmp_path / "m")
    named = dataclasses.replace(sidecar_of(model, "transformer"), output_activation=Slot("softplus"))
    (tmp_path / "m" / "stream.json").write_text(named.to_json())
    if name == "output_activation":
        assert isinstance(load_model(tmp_path / "m").model, Transformer)
