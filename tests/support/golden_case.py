"""A golden case of our own making, in the layout of deepSTRF's: a small StateNet from 48 kHz sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rtstrf.checkpoints import deepstrf
from rtstrf.checkpoints.build import make_slots
from rtstrf.checkpoints.save import save_model
from rtstrf.models.statenet import StateNet

FRONT_END: dict[str, Any] = {"kind": "mel", "audio_fs": 44100, "dt_ms": 5.0, "n_mels": 8, "log_offset": 1.0}
PREFILTER: dict[str, Any] = {"kind": "adaptrans", "n_frequency_bands": 8, "dt": 5.0}
OPTIONS: dict[str, Any] = {"n_frequency_bands": 8, "hidden_channels": 2, "kernel_size": 4, "stride": 2}
UNITS, FRAMES, HOP = 3, 30, 220


def write_case(folder: Path, *, units: int = UNITS, **facts: Any) -> Path:
    """Write a case whose output is our own float64 offline output; `facts` replace those of case.json."""
    torch.manual_seed(0)
    slots = {"wav2spec": deepstrf.front_end_slot(FRONT_END), "prefiltering": deepstrf.prefilter_slot(PREFILTER)}
    config = {**OPTIONS, "out_neurons": units, "_model_class": "StateNet"}
    sidecar = deepstrf.make_sidecar("case", config, units, **slots)  # type: ignore[arg-type]
    model = StateNet(**{**OPTIONS, "out_neurons": units}, **make_slots(sidecar, units)).eval()  # type: ignore[arg-type]
    folder.mkdir(parents=True)
    save_model(folder / "ckpt", model, sidecar)
    (folder / "ckpt" / "stream.json").unlink()  # deepSTRF writes none
    wave = np.random.default_rng(0).integers(-8000, 8000, FRAMES * HOP).astype(np.int16)
    x = torch.from_numpy(wave.astype(np.float32) / 32768).reshape(1, 1, -1)
    with torch.inference_mode():
        single, double = model(x).unsqueeze(2).numpy(), model.double()(x.double()).unsqueeze(2).numpy()
    told = {
        "name": "case",
        "kind": "model",
        "model_class": "StateNet",
        "init_kwargs": {**OPTIONS, "out_neurons": units},
        "wav2spec": {"factory": "make_wav2spec", "args": FRONT_END},
        "prefiltering": {"factory": "make_prefiltering", "args": PREFILTER},
        "output_shape": list(double.shape),
        "f32_vs_f64": {"max_abs": float(np.abs(single - double).max())},
    }
    (folder / "case.json").write_text(json.dumps({**told, **facts}))
    np.savez(folder / "data.npz", wave_i16=wave, output_f64=double)
    return folder


def edit_data(folder: Path, **arrays: np.ndarray | None) -> None:
    """Replace arrays of a case's data; None takes one away."""
    with np.load(folder / "data.npz") as data:
        merged = {**data, **arrays}
    np.savez(folder / "data.npz", **{name: array for name, array in merged.items() if array is not None})
