"""Kernel, activation, prefilter and front-end of a model survive its folder, and deepSTRF could read the words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rtstrf.checkpoints.build import build_model
from rtstrf.checkpoints.load import load_model
from rtstrf.checkpoints.save import save_model, with_taps
from rtstrf.checkpoints.sidecar import Sidecar, Slot, Unit
from rtstrf.errors import CheckpointError

BANDS, UNITS = 8, 3
ARGUMENTS = {  # those of deepSTRF 0.1.0's constructors
    "Linear": {"n_frequency_bands", "temporal_window_size", "out_neurons", "output_activation", "prefiltering",
               "kernel", "wav2spec"},
    "LinearNonlinear": {"n_frequency_bands", "temporal_window_size", "out_neurons", "output_activation", "prefiltering",
                        "kernel"},
    "NetworkReceptiveField": {"n_frequency_bands", "temporal_window_size", "n_hidden", "out_neurons",
                              "output_activation", "prefiltering", "kernel"},
    "DNet": {"n_frequency_bands", "temporal_window_size", "n_hidden", "out_neurons", "init_tau", "decay_input",
             "output_activation", "prefiltering", "kernel"},
    "ConvNet2D": {"n_frequency_bands", "kernel_size", "c_hidden", "n_hidden", "out_neurons", "output_activation",
                  "prefiltering"},
}  # fmt: skip
FRONT_ENDS = {
    "Linear": "gammatone",
    "LinearNonlinear": "gammatonegram",
    "NetworkReceptiveField": "sincnet",
    "DNet": "leaf",
    "ConvNet2D": "mel",
}


def sidecar(model: str, *, filled: bool) -> Sidecar:
    """Return a sidecar with every slot filled, or with a front-end only."""
    bands = "n_mels" if FRONT_ENDS[model] == "mel" else "n_filters"
    outputs = UNITS if model.startswith("Linear") else 20
    kernel = {"bands": BANDS, "frames": 9, "channels_in": 2, "channels_out": outputs, "num_gaussians": 2}
    return Sidecar(
        name=model,
        sample_rate_hz=16000,
        hop_samples=80,
        bin_ms=5.0,
        hz_per_response=1.0,
        wav2spec=Slot(FRONT_ENDS[model], {"rate_hz": 16000, "bin_ms": 5.0, bands: BANDS}),
        prefiltering=Slot("adaptrans", {"bands": BANDS, "dt_ms": 5.0, "scale": "greenwood"}) if filled else None,
        output_activation=Slot("parametric_double_exponential", {"bias": False}) if filled else None,
        units=tuple(Unit(str(n)) for n in range(UNITS)),
        kernel=Slot("dcls", kernel) if filled and model != "ConvNet2D" else None,
    )


@pytest.mark.parametrize("model", ARGUMENTS)
@pytest.mark.parametrize("filled", [True, False])
def test_a_model_comes_back_from_its_folder_with_all_that_fills_it(model: str, filled: bool, tmp_path: Path) -> None:
    facts = sidecar(model, filled=filled)
    torch.manual_seed(0)
    saved = build_model(model, {"n_frequency_bands": BANDS, "out_neurons": UNITS, **small(model)}, facts).eval()
    save_model(tmp_path / "m", saved, facts)
    loaded = load_model(tmp_path / "m")
    assert loaded.sidecar == with_taps(facts, saved)
    sound = torch.randn(1, 1, 80 * 6)
    assert torch.equal(loaded.model(sound), saved(sound))

    words = json.loads((tmp_path / "m" / "config.json").read_text())
    words.pop("_model_class")
    assert set(words) <= ARGUMENTS[model]
    slots = {"output_activation", "prefiltering", "kernel"} & ARGUMENTS[model]
    assert {name for name in slots if name in words} == (set() if filled else slots)
    assert all(words[name] is None for name in slots & set(words))


def small(model: str) -> dict[str, Any]:
    """Return options that let a model of few bands be built."""
    return {"kernel_size": [2, 3], "c_hidden": 2, "n_hidden": 4} if model == "ConvNet2D" else {}


def test_a_kernel_for_a_model_without_receptive_fields_is_refused() -> None:
    facts = sidecar("Linear", filled=True)
    with pytest.raises(CheckpointError, match=r"options of ConvNet2D do not fit.*kernel"):
        build_model("ConvNet2D", {"n_frequency_bands": BANDS, "out_neurons": UNITS, **small("ConvNet2D")}, facts)


def test_a_kernel_that_contradicts_the_model_is_refused() -> None:
    options = {"n_frequency_bands": BANDS, "out_neurons": UNITS, "temporal_window_size": 5}
    with pytest.raises(CheckpointError, match=r"\(3, 2, 8, 9\), the model's \(3, 2, 8, 5\)"):
        build_model("Linear", options, sidecar("Linear", filled=True))
