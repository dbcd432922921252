"""deepSTRF 0.1.0 itself, with the weights of ours: what a streaming model is compared with.

It is imported where it is installed; none of its code is here.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import types
from typing import Any

import torch

from rtstrf.bench.systems import BANDS, BIN_MS, RATE_HZ, UNITS
from rtstrf.checkpoints.load import LoadedModel
from rtstrf.errors import ConfigError, MissingExtraError

VERSION = "0.1.0"
INSTALL = (
    "run: pip install --no-deps deepSTRF==0.1.0 mambapy==1.2.0 torchaudio; pip install scipy matplotlib huggingface_hub"
)


def deepstrf_version() -> str | None:
    """Return the version of deepSTRF that is installed here, or None."""
    try:
        return importlib.metadata.version("deepSTRF")
    except importlib.metadata.PackageNotFoundError:
        return None


def require_deepstrf(part: str) -> types.ModuleType:
    """Import a part of deepSTRF.

    Of torchaudio, which it imports, the Python part is all that it needs: where the native library beside it does not
    load (one built for another torch), it is imported without.

    Raises
    ------
    MissingExtraError
        If deepSTRF is not installed or does not load.
    ConfigError
        If it is another version, whose models may be others.
    """
    found = deepstrf_version()
    if found is None:
        raise MissingExtraError(
            "this compares with deepSTRF, which is not installed", remedy=f"{INSTALL}, in an environment of its own"
        )
    if found != VERSION:
        raise ConfigError(f"deepSTRF {found} is installed; the comparison is with {VERSION}", remedy=INSTALL)
    try:
        without_native_torchaudio()
        return importlib.import_module(f"deepSTRF.{part}")
    except (ImportError, OSError) as error:
        raise MissingExtraError(f"deepSTRF {found} is installed but does not load: {error}", remedy=INSTALL) from error


def without_native_torchaudio() -> None:
    """Import torchaudio; where its native library does not load, say to it that there is none."""
    try:
        importlib.import_module("torchaudio")
        return
    except ModuleNotFoundError:
        return  # deepSTRF will say what it misses
    except (ImportError, OSError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]
    absent: Any = types.ModuleType("torchaudio._extension")
    absent._IS_TORCHAUDIO_EXT_AVAILABLE = False
    absent._check_cuda_version = lambda: None
    absent.fail_if_no_align = lambda function: function
    sys.modules["torchaudio._extension"] = absent
    importlib.import_module("torchaudio")


def twin(name: str, loaded: LoadedModel, *, double: bool = False) -> torch.nn.Module:
    """Return deepSTRF's module of a reference system, with our weights.

    Parameters
    ----------
    name : str
        Of `rtstrf.bench.models.REFERENCES`.
    loaded : LoadedModel
    double : bool
        In float64, from the same float32 weights.

    Returns
    -------
    module : nn.Module
        Takes (B, 1, samples); returns (B, units, 1, bins), in the model's own units.
    """
    audio = require_deepstrf("models.audio")
    ear = require_deepstrf("models.wav2spec").make_wav2spec(kind="mel", audio_fs=RATE_HZ, dt_ms=BIN_MS)
    prefilter = require_deepstrf("models.prefiltering").make_prefiltering("adaptrans", BANDS, BIN_MS)
    sizes = {"n_frequency_bands": BANDS, "out_neurons": UNITS, "prefiltering": prefilter}
    if name == "mel-adaptrans-statenet-gru":
        module = audio.StateNet(**sizes, wav2spec=ear)
    elif name == "mel-adaptrans-transformer":
        module = audio.Transformer(**sizes, wav2spec=ear, context_window=loaded.model.options["context_window"])
    else:
        module = audio.DNet(**sizes)
        module.wav2spec = ear  # its constructor has no such argument
    module.load_state_dict(loaded.model.state_dict())
    return (module.double() if double else module).eval().requires_grad_(False)
