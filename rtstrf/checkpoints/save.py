"""Writing a model: a folder that deepSTRF's `from_pretrained` loads and that a stream can be started from."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import safetensors.torch

from rtstrf.checkpoints.load import CONFIG_NAME, WEIGHTS_NAME
from rtstrf.checkpoints.sidecar import FILE_NAME, Sidecar
from rtstrf.errors import CheckpointError
from rtstrf.models.model import AuditoryModel


def save_model(folder: str | Path, model: AuditoryModel, sidecar: Sidecar, *, overwrite: bool = False) -> None:
    """Write a model and its sidecar; the folder appears whole or not at all.

    Parameters
    ----------
    folder : str or Path
        Where to write.
    model : AuditoryModel
    sidecar : Sidecar
        It must describe this model; `rtstrf.load_model` will check. The taps of a prefilter, which the weights do not
        tell, are written down even where it leaves them to the default.
    overwrite : bool
        Replace a folder that exists.

    Raises
    ------
    CheckpointError
        If the folder exists and may not be replaced, or cannot be written.
    """
    target = Path(folder)
    if target.exists() and not overwrite:
        raise CheckpointError(f"{target} exists", remedy="choose another folder, or allow it to be overwritten")
    # An argument that a module fills is absent from config.json, as deepSTRF writes it; a default one is null.
    empty = {name: None for name in model.config_slots if getattr(sidecar, name) is None}
    config: dict[str, Any] = {**model.options, **empty}
    config["_model_class"] = type(model).__name__
    weights = model.weights_to_save()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            (fresh / CONFIG_NAME).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            (fresh / WEIGHTS_NAME).write_bytes(safetensors.torch.save(weights))
            (fresh / FILE_NAME).write_text(with_taps(sidecar, model).to_json(), encoding="utf-8")
            fresh.chmod(0o755)
            if target.exists():
                shutil.rmtree(target)
            os.replace(fresh, target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise CheckpointError(
            f"{target} cannot be written: {error}", remedy="choose a folder you may write to"
        ) from error


def with_taps(sidecar: Sidecar, model: AuditoryModel) -> Sidecar:
    """Return the sidecar with the taps of the model's prefilter in it."""
    slot, taps = sidecar.prefiltering, getattr(model.prefilter, "kernel_frames", None)
    if slot is None or taps is None or "kernel_frames" in slot.options:
        return sidecar
    complete = dataclasses.replace(slot, options={**slot.options, "kernel_frames": taps})
    return dataclasses.replace(sidecar, prefiltering=complete)
