"""Reading a model: deepSTRF's folder of `config.json` and `model.safetensors`, with our `stream.json` beside them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from rtstrf.checkpoints import hub
from rtstrf.checkpoints.build import build_model
from rtstrf.checkpoints.filters import contradiction, fixed_filters
from rtstrf.checkpoints.sidecar import FILE_NAME, Sidecar
from rtstrf.errors import CheckpointError
from rtstrf.models.model import AuditoryModel
from rtstrf.stream import StreamModule

BUNDLED = Path(__file__).parent / "bundled"
CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
PICKLE_SUFFIXES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model and what is known of it.

    Attributes
    ----------
    model : AuditoryModel
        In evaluation mode, float32.
    sidecar : Sidecar
    weights_sha256 : str
        Of the weights file, so that a run can be traced to them.
    """

    model: AuditoryModel
    sidecar: Sidecar
    weights_sha256: str


def bundled_models() -> list[str]:
    """Return the names of the fitted models that come with the package."""
    return sorted(folder.name for folder in BUNDLED.iterdir() if (folder / CONFIG_NAME).is_file())


def find_model(name_or_folder: str | Path) -> Path:
    """Return the folder of a bundled model, by name, of a checkpoint on disk, or of one on the Hugging Face Hub.

    Raises
    ------
    CheckpointError
        If there is none; the message lists the bundled ones.
    MissingExtraError
        If it may be on the hub and huggingface_hub is not installed.
    """
    if str(name_or_folder) in bundled_models():
        return BUNDLED / str(name_or_folder)
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir():
        return folder
    if not folder.exists() and hub.is_hub_name(name_or_folder):
        return fetch_streaming(str(name_or_folder))
    raise CheckpointError(
        f"no model {str(name_or_folder)!r}: neither bundled nor a folder",
        remedy=f"bundled models: {', '.join(bundled_models())}; or give the folder of a checkpoint",
    )


def fetch_streaming(name: str) -> Path:
    """Return the folder of a checkpoint of the hub that has a sidecar."""
    folder = hub.fetch(name, [CONFIG_NAME, WEIGHTS_NAME], [FILE_NAME]).folder
    if not (folder / FILE_NAME).is_file():
        raise CheckpointError(
            f"{name} on the Hugging Face Hub has no {FILE_NAME}: its files do not say all that a stream needs",
            remedy=f"run: rtstrf import {name} --out FOLDER (it asks for what is missing), and give FOLDER",
        )
    return folder


def load_model(name_or_folder: str | Path) -> LoadedModel:
    """Load a bundled model by name, or a checkpoint from a folder or from the Hugging Face Hub.

    Parameters
    ----------
    name_or_folder : str or Path
        Such as ``"statenet-gru-ns1"``, or a folder with ``config.json``, ``model.safetensors`` and ``stream.json``, or
        OWNER/NAME of a repository of the hub that has these three (OWNER/NAME@REVISION for one state of it).

    Returns
    -------
    loaded : LoadedModel

    Raises
    ------
    CheckpointError
        If it is missing, incomplete, damaged, or its parts contradict one another; nothing is guessed.
    MissingExtraError
        If there is no such folder, it may be on the hub, and huggingface_hub is not installed.

    Examples
    --------
    >>> loaded = load_model("statenet-gru-ns1")
    >>> loaded.sidecar.sample_rate_hz, loaded.model.out_neurons
    (48000, 119)
    """
    folder = find_model(name_or_folder)
    config = read_config(folder / CONFIG_NAME)
    sidecar = Sidecar.read(folder)
    weights, sha256 = read_weights(folder / WEIGHTS_NAME)
    return LoadedModel(assemble(config, weights, sidecar, folder), sidecar, sha256)


def assemble(config: dict[str, Any], weights: dict[str, torch.Tensor], sidecar: Sidecar, where: Path) -> AuditoryModel:
    """Build the model that a checkpoint's parts describe, with its weights, in evaluation mode.

    Parameters
    ----------
    config : dict
        As of `read_config`.
    weights : dict of Tensor
    sidecar : Sidecar
    where : Path
        The folder they are from, for errors.

    Raises
    ------
    CheckpointError
        If they are incomplete or contradict one another.
    """
    model_class = config["_model_class"]
    model = build_model(model_class, {name: value for name, value in config.items() if name != "_model_class"}, sidecar)
    told = fixed_filters(getattr(model, "wav2spec", None))
    fill(model, weights, where)
    key = contradiction(told, model.state_dict())
    if key is not None:
        raise CheckpointError(
            f"{where}: the options of the front-end in {FILE_NAME} contradict {key} in the weights",
            remedy="correct its band edges, scale and window, so that they are those the model was fitted with",
        )
    unsaid = [name for name in model.config_slots if name not in config and getattr(sidecar, name) is None]
    if unsaid:
        raise CheckpointError(
            f"{where}: config.json leaves out {', '.join(unsaid)}, as deepSTRF does where a module was given, and the "
            "sidecar does not say which",
            remedy=f"name it in {FILE_NAME}, or import the folder again with the option that names it",
        )
    if len(sidecar.units) != model.out_neurons:
        raise CheckpointError(
            f"{where}: the sidecar lists {len(sidecar.units)} units, the model has {model.out_neurons}",
            remedy="list each unit once, in the order of the model's outputs",
        )
    if model.front_end is not None:
        check_clock(model.front_end, sidecar, where)
    return model.eval()


def check_clock(front_end: StreamModule, sidecar: Sidecar, folder: Path) -> None:
    """Raise CheckpointError if front-end and sidecar contradict one another on hop or sample rate."""
    clocks = {
        "hop_samples": (front_end.samples_per_frame, sidecar.hop_samples),
        "sample_rate_hz": (getattr(front_end, "rate_hz", sidecar.sample_rate_hz), sidecar.sample_rate_hz),
    }
    for name, (built, told) in clocks.items():
        if built != told:
            raise CheckpointError(
                f"{folder}: the front-end's {name} is {built}, the sidecar says {told}",
                remedy=f"correct {name}, or the front-end's options",
            )


def read_config(path: Path) -> dict[str, Any]:
    """Read a checkpoint's config.json, `_model_class` included."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} has no {path.name}", remedy="give the folder that save_pretrained or rtstrf wrote"
        ) from error
    except (OSError, ValueError, RecursionError) as error:  # the last of these: nested too deeply
        raise CheckpointError(f"{path} cannot be read: {error}", remedy="restore the file") from error
    if not isinstance(config, dict) or not isinstance(config.get("_model_class"), str):
        raise CheckpointError(f"{path} names no _model_class", remedy='add a line such as "_model_class": "StateNet"')
    return config


def read_weights(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """Read a safetensors file; return its tensors and its SHA-256. Pickles are refused unread."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        pickles = sorted(file.name for file in path.parent.glob("*") if file.suffix in PICKLE_SUFFIXES)
        if not pickles:
            raise CheckpointError(
                f"{path.parent} has no {path.name}", remedy="give the folder with its weights"
            ) from error
        raise CheckpointError(
            f"{path.parent} has no {path.name}, but {', '.join(pickles)}: a pickle, which can run code when opened",
            remedy=f"save the weights as safetensors, in {path.name}",
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}", remedy="give the folder with its weights") from error
    # The length of a safetensors header may begin like a pickle, but a brace follows it at byte 8.
    if data[8:9] != b"{" and data[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise CheckpointError(
            f"{path} is a pickle, which can run code when opened", remedy="save the weights as safetensors instead"
        )
    try:
        return safetensors.torch.load(data), hashlib.sha256(data).hexdigest()
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} is truncated or no safetensors file ({len(data)} bytes): {error}", remedy="copy it again"
        ) from error


def fill(model: AuditoryModel, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Put weights into a model, or list every key that is missing, superfluous or of another shape."""
    wanted, weights = model.state_dict(), model.weights_from(weights)
    problems = [f"missing {key} {tuple(wanted[key].shape)}" for key in wanted if key not in weights]
    problems += [f"unexpected {key} {tuple(weights[key].shape)}" for key in weights if key not in wanted]
    problems += [
        f"{key} is {tuple(weights[key].shape)}, should be {tuple(wanted[key].shape)}"
        for key in wanted
        if key in weights and weights[key].shape != wanted[key].shape
    ]
    problems += [f"{key} holds NaN or infinity" for key in wanted if key in weights and not _finite(weights[key])]
    if problems:
        shown = "; ".join(problems[:6]) + (f"; and {len(problems) - 6} more" if len(problems) > 6 else "")
        raise CheckpointError(
            f"the weights in {folder} do not fit the model that config.json and stream.json describe: {shown}",
            remedy="correct the options, front-end or prefilter named there, or give the weights that belong to them",
        )
    model.load_state_dict(weights)


def _finite(tensor: torch.Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.isfinite().all())
