"""Golden vectors of deepSTRF 0.1.0: its checkpoints, rebuilt with our stages from its words for them.

They lie beside the repository, not in it; where they are absent the tests that need them are skipped by name. The
layout is described in their README. A case is taken as soon as our zoo has the parts that it names.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from rtstrf.checkpoints.build import MODEL_CLASSES
from rtstrf.checkpoints.load import load_model
from rtstrf.checkpoints.sidecar import FILE_NAME, Sidecar, Slot, Unit
from rtstrf.models.statenet import CELLS
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.prefilter.ic_adaptation import ICAdaptation
from rtstrf.prefilter.make import make_prefiltering
from rtstrf.prefilter.time_constants import time_constants_ms
from rtstrf.spectrogram.make import FRONT_ENDS, make_wav2spec
from rtstrf.spectrogram.mel import hz_to_mel, mel_to_hz
from rtstrf.stream import StreamModule

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "golden"

# deepSTRF's words for what we name otherwise.
FRONT_END_WORDS = {"audio_fs": "rate_hz", "dt_ms": "bin_ms", "f_min": "f_min_hz", "f_max": "f_max_hz"}
PREFILTER_WORDS = {
    "n_frequency_bands": "bands",
    "dt": "dt_ms",
    "min_freq": "min_freq_hz",
    "max_freq": "max_freq_hz",
    "init_w": "weight",
}
ACTIVATION_WORDS = {"num_features": "units", "non_negative_output": "non_negative"}
KERNEL_WORDS = {"F": "bands", "T": "frames", "C_in": "channels_in", "C_out": "channels_out"}
ACTIVATION_KINDS = {
    "ParametricSoftplus": "parametric_softplus",
    "ParametricSigmoid": "parametric_sigmoid",
    "ParametricDoubleExponential": "parametric_double_exponential",
    "nn.Softplus": "softplus",
    "nn.ReLU": "relu",
    "nn.Sigmoid": "sigmoid",
    "nn.Identity": "identity",
}
KERNEL_KINDS = {"ParametricSTRF": "dcls", "SeparableSTRF": "separable"}
# Its defects, which its weights were fitted with.
DEEPSTRF_DEFECTS: dict[str, dict[str, Any]] = {"mel": {"deepstrf_bins": True}, "gammatone": {"time_reversed": True}}


@dataclass(frozen=True, slots=True)
class Case:
    """One golden case."""

    name: str
    facts: dict[str, Any]

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    def input(self) -> torch.Tensor:
        """Return the input, (1, 1, samples) or (1, 1, F, T), float32."""
        with np.load(self.folder / "data.npz") as data:
            if "spec" in data:
                return torch.from_numpy(data["spec"])
            return torch.from_numpy(data["wave_i16"].astype(np.float32) / 32768).reshape(1, 1, -1)

    def output(self) -> np.ndarray:
        """Return deepSTRF's float64 output; of a model (1, N, T), without its axis of one band."""
        with np.load(self.folder / "data.npz") as data:
            output = data["output_f64"]
        return output[:, :, 0] if self.facts["kind"] == "model" else output

    @property
    def float32_error(self) -> float:
        """How far deepSTRF's own float32 output was from that."""
        return self.facts["f32_vs_f64"]["max_abs"]


def cases() -> list[Case]:
    """Return the cases whose parts our zoo has; none where the folder is absent."""
    found = [Case(path.parent.name, json.loads(path.read_text())) for path in sorted(FOLDER.glob("*/case.json"))]
    return [case for case in found if can_build(case.facts)]


def can_build(facts: dict[str, Any]) -> bool:
    """Tell whether every part that a case names has been written yet."""
    args = facts.get("init_kwargs") or {}
    if facts["kind"] == "model":
        if facts["model_class"] not in MODEL_CLASSES:
            return False
        if facts["model_class"] == "StateNet" and args.get("rnn_type", "GRU") not in CELLS:
            return False
    front_end = facts.get("wav2spec")
    return not front_end or front_end["args"]["kind"] in FRONT_ENDS


def build_case(case: Case, scratch: Path) -> StreamModule:
    """Return the stage or model of a case with its weights, float32, in evaluation mode."""
    front_end, prefilter = case.facts.get("wav2spec"), case.facts.get("prefiltering")
    if case.facts["kind"] == "model":
        return _load_with_sidecar(case, front_end, prefilter, scratch)
    if case.facts["kind"] == "wav2spec":
        slot = front_end_slot(front_end["args"])
        stage = make_wav2spec(slot.kind, **slot.options)
    elif prefilter["factory"] == "AdapTrans":
        args = prefilter["args"]
        stage = AdapTrans(args["init_a_vals"], kernel_frames=args.get("kernel_size", 2))
    elif prefilter["factory"] == "ICAdaptation":
        args = prefilter["args"]
        stage = ICAdaptation(args["init_a_vals"], kernel_frames=args.get("kernel_size", 2))
    else:
        slot = prefilter_slot(prefilter["args"])
        stage = make_prefiltering(slot.kind, **slot.options)
    stage.load_state_dict(safetensors.torch.load_file(case.folder / "ckpt" / "model.safetensors"))
    return stage.eval()


def in_our_words(args: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
    """Return arguments under our names for them."""
    return {words.get(name, name): value for name, value in args.items() if name != "kind"}


def front_end_slot(args: dict[str, Any]) -> Slot:
    """Return what stands in a sidecar for deepSTRF's arguments of a front-end, its roundings included."""
    options = in_our_words(args, FRONT_END_WORDS)
    options["hop_samples"] = max(1, round(args["audio_fs"] * args["dt_ms"] / 1000))
    return Slot(args["kind"], {**options, **DEEPSTRF_DEFECTS.get(args["kind"], {})})


def prefilter_slot(args: dict[str, Any]) -> Slot:
    """Return what stands in a sidecar for deepSTRF's arguments: it counts three time constants in ms as frames."""
    options = in_our_words(args, PREFILTER_WORDS)
    frozen = args["kind"] != "adaptrans"
    dropped = {"learnable", "weight"} if frozen else set()
    edges_hz = np.array([args.get("min_freq", 500.0), args.get("max_freq", 20000.0)])
    lowest_hz = mel_to_hz(np.linspace(*hz_to_mel(edges_hz), args["n_frequency_bands"])[0])
    options["kernel_frames"] = round(3 * float(time_constants_ms(lowest_hz))) + 1
    return Slot(args["kind"], {name: value for name, value in options.items() if name not in dropped})


def activation_slot(activation: dict[str, Any]) -> Slot:
    """Return what stands in a sidecar for an activation; the number of units comes from the model."""
    options = in_our_words(activation["args"], ACTIVATION_WORDS)
    options.pop("units", None)
    return Slot(ACTIVATION_KINDS[activation["class"]], options)


def kernel_slot(kernel: dict[str, Any]) -> Slot:
    """Return what stands in a sidecar for a kernel."""
    return Slot(KERNEL_KINDS[kernel["class"]], in_our_words(kernel["args"], KERNEL_WORDS))


def _load_with_sidecar(
    case: Case, front_end: dict[str, Any] | None, prefilter: dict[str, Any] | None, scratch: Path
) -> StreamModule:
    """Load deepSTRF's own folder through our loader, with the sidecar that it lacks beside it."""
    folder = scratch / case.name
    shutil.copytree(case.folder / "ckpt", folder)
    ear = front_end_slot(front_end["args"]) if front_end else None
    rate_hz, hop = (ear.options["rate_hz"], ear.options["hop_samples"]) if ear else (48000, 240)
    activation, kernel = case.facts.get("output_activation"), case.facts.get("kernel")
    sidecar = Sidecar(
        name=case.name,
        sample_rate_hz=rate_hz,
        hop_samples=hop,
        bin_ms=1000 * hop / rate_hz,
        hz_per_response=1.0,
        wav2spec=ear,
        prefiltering=prefilter_slot(prefilter["args"]) if prefilter else None,
        output_activation=activation_slot(activation) if activation else None,
        units=tuple(Unit(str(n)) for n in range(case.facts["output_shape"][1])),
        kernel=kernel_slot(kernel) if kernel else None,
    )
    (folder / FILE_NAME).write_text(sidecar.to_json(), encoding="utf-8")
    return load_model(folder).model
