"""A small random model with all the parts of a real one: 16 kHz, mel of 8 bands, AdapTrans, 4 units."""

from __future__ import annotations

from pathlib import Path

import torch

from rtstrf.checkpoints.load import LoadedModel, load_model
from rtstrf.checkpoints.save import save_model
from rtstrf.checkpoints.sidecar import Sidecar, Slot, Unit
from rtstrf.models.statenet import StateNet
from rtstrf.prefilter.make import make_prefiltering
from rtstrf.spectrogram.make import make_wav2spec

RATE_HZ = 16000
HOP_SAMPLES = 80
BIN_MS = 5.0
BANDS = 8
UNITS = 4


def tiny_sidecar(units: int = UNITS) -> Sidecar:
    """Return the sidecar of the small model."""
    mel = {"rate_hz": RATE_HZ, "bin_ms": BIN_MS, "n_mels": BANDS, "f_max_hz": 8000.0, "log_offset": 0.01}
    return Sidecar(
        name="tiny",
        sample_rate_hz=RATE_HZ,
        hop_samples=HOP_SAMPLES,
        bin_ms=BIN_MS,
        hz_per_response=100.0,
        wav2spec=Slot("mel", mel),
        prefiltering=Slot("adaptrans", {"bands": BANDS, "dt_ms": BIN_MS, "max_freq_hz": 8000.0}),
        output_activation=None,
        units=tuple(Unit(f"unit-{n}", depth_um=100.0 * (units - n)) for n in range(units)),
        citation=("made for a test",),
        provenance={"seed": 0},
    )


def tiny_model(sidecar: Sidecar | None = None, *, units: int = UNITS, seed: int = 0) -> StateNet:
    """Return the small model with random weights."""
    facts = sidecar or tiny_sidecar(units)
    assert facts.wav2spec is not None
    assert facts.prefiltering is not None
    torch.manual_seed(seed)
    return StateNet(
        BANDS,
        units,
        hidden_channels=2,
        kernel_size=4,
        stride=2,
        wav2spec=make_wav2spec(facts.wav2spec.kind, **facts.wav2spec.options),
        prefiltering=make_prefiltering(facts.prefiltering.kind, **facts.prefiltering.options),
    )


def tiny_checkpoint(folder: Path, *, units: int = UNITS, seed: int = 0) -> Path:
    """Write the small model into a folder that does not exist yet, and return the folder."""
    save_model(folder, tiny_model(units=units, seed=seed), tiny_sidecar(units))
    return folder


def tiny_loaded(folder: Path, *, units: int = UNITS, seed: int = 0) -> LoadedModel:
    """Write the small model and load it."""
    return load_model(tiny_checkpoint(folder, units=units, seed=seed))
