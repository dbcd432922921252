"""What a client is told once: everything that stays the same in a run."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from typing import Any

import torch

from rtstrf.config.live import LiveConfig
from rtstrf.engine.batch import Batch
from rtstrf.engine.realtime import granted
from rtstrf.engine.spiking import Spiking
from rtstrf.pipeline import HopMaker, delays_from_sound
from rtstrf.sound.source import SourceInfo
from rtstrf.verify.store import last_verified
from rtstrf.version import __version__


def greeting(
    config: LiveConfig, batch: Batch, framer: HopMaker, source: SourceInfo, spiking: Spiking
) -> dict[str, Any]:
    """Return the greeting's fields, JSON-serialisable; the wire adds the run, the endpoints and its clock."""
    sidecar = batch.loaded.sidecar
    module = batch.module
    bin_s = batch.hop_samples / batch.rate_hz
    bands = getattr(module.spectrogram, "band_frequencies_hz", None)
    return {
        "software": f"rtstrf {__version__}",
        "model": sidecar.name,
        "model_class": type(batch.loaded.model).__name__,
        "weights_sha256": batch.loaded.weights_sha256,
        "config_sha256": hashlib.sha256(config.model_dump_json().encode()).hexdigest(),
        "config": config.model_dump(mode="json"),
        "sample_rate_hz": batch.rate_hz,
        "hop_samples": batch.hop_samples,
        "bin_s": bin_s,
        "rate_unit": "Hz",
        "units": [{k: v for k, v in dataclasses.asdict(u).items() if v is not None} for u in sidecar.units],
        "bands_hz": bands().round(3).tolist() if bands is not None else [],
        "onoff": "model" if module.adapts else "display" if module.has_onoff else "none",
        "spikes": spiking.facts,
        "delays": [dataclasses.asdict(delay) for delay in delays_from_sound(module, framer, bin_s)],
        "guarantees": last_verified(batch.loaded.weights_sha256),
        "source": dataclasses.asdict(source),
        "device": {
            "kind": config.device,
            "name": torch.cuda.get_device_name(config.device)
            if config.device != "cpu"
            else platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "backend": batch.runner.backend,
            "thread": dataclasses.asdict(granted(config.engine.affinity, config.engine.priority)),
        },
        "citation": list(sidecar.citation),
    }
