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
from rtstrf.prefilter.adaptrans import AdapTrans, time_constants_ms
from rtstrf.prefilter.make import make_prefiltering
from rtstrf.spectrogram.make import make_wav2spec
from rtstrf.spectrogram.mel import hz_to_mel, mel_to_hz
from rtstrf.stream import StreamModule

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "golden"

MEL_WORDS = {"audio_fs": "rate_hz", "dt_ms": "bin_ms", "f_min": "f_min_hz", "f_max": "f_max_hz"}
ADAPTRANS_WORDS = {
    "n_frequency_bands": "bands",
    "dt": "dt_ms",
    "min_freq": "min_freq_hz",
    "max_freq": "max_freq_hz",
    "init_w": "weight",
}


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
    if facts.get("kernel") or facts.get("output_activation"):
        return False
    if facts["kind"] == "model":
        if facts["model_class"] not in MODEL_CLASSES:
            return False
        if facts["model_class"] == "StateNet" and args.get("rnn_type", "GRU") not in CELLS:
            return False
    front_end, prefilter = facts.get("wav2spec"), facts.get("prefiltering")
    if front_end and front_end["args"]["kind"] != "mel":
        return False
    return not prefilter or prefilter["factory"] == "AdapTrans" or prefilter["args"]["kind"] == "adaptrans"


def build_case(case: Case, scratch: Path) -> StreamModule:
    """Return the stage or model of a case with its weights, float32, in evaluation mode."""
    front_end, prefilter = case.facts.get("wav2spec"), case.facts.get("prefiltering")
    if case.facts["kind"] == "model":
        return _load_with_sidecar(case, front_end, prefilter, scratch)
    if case.facts["kind"] == "wav2spec":
        stage = make_wav2spec("mel", **mel_options(front_end["args"]))
    elif prefilter["factory"] == "AdapTrans":
        args = prefilter["args"]
        stage = AdapTrans(args["init_a_vals"], kernel_frames=args.get("kernel_size", 2))
    else:
        stage = make_prefiltering("adaptrans", **adaptrans_options(prefilter["args"]))
    stage.load_state_dict(safetensors.torch.load_file(case.folder / "ckpt" / "model.safetensors"))
    return stage.eval()


def mel_options(args: dict[str, Any]) -> dict[str, Any]:
    """Return our options for deepSTRF's arguments of a mel spectrogram, its roundings included."""
    options = {MEL_WORDS.get(name, name): value for name, value in args.items() if name != "kind"}
    if options.get("f_max_hz", 0.0) is None:
        options["f_max_hz"] = args["audio_fs"] / 2
    return {**options, "deepstrf_bins": True, "hop_samples": round(args["audio_fs"] * args["dt_ms"] / 1000)}


def adaptrans_options(args: dict[str, Any]) -> dict[str, Any]:
    """Return our options for deepSTRF's arguments of AdapTrans: it counts three time constants in ms as frames."""
    options = {ADAPTRANS_WORDS.get(name, name): value for name, value in args.items() if name != "kind"}
    edges_hz = np.array([args.get("min_freq", 500.0), args.get("max_freq", 20000.0)])
    lowest_hz = mel_to_hz(np.linspace(*hz_to_mel(edges_hz), args["n_frequency_bands"])[0])
    taps = round(3 * float(time_constants_ms(lowest_hz))) + 1
    return {**options, "kernel_frames": taps}


def _load_with_sidecar(
    case: Case, front_end: dict[str, Any] | None, prefilter: dict[str, Any] | None, scratch: Path
) -> StreamModule:
    """Load deepSTRF's own folder through our loader, with the sidecar that it lacks beside it."""
    folder = scratch / case.name
    shutil.copytree(case.folder / "ckpt", folder)
    mel = front_end and mel_options(front_end["args"])
    rate_hz, hop = (mel["rate_hz"], mel["hop_samples"]) if mel else (48000, 240)
    sidecar = Sidecar(
        name=case.name,
        sample_rate_hz=rate_hz,
        hop_samples=hop,
        bin_ms=1000 * hop / rate_hz,
        hz_per_response=1.0,
        wav2spec=Slot("mel", mel) if mel else None,
        prefiltering=Slot("adaptrans", adaptrans_options(prefilter["args"])) if prefilter else None,
        output_activation=None,
        units=tuple(Unit(str(n)) for n in range(case.facts["output_shape"][1])),
    )
    (folder / FILE_NAME).write_text(sidecar.to_json(), encoding="utf-8")
    return load_model(folder).model
