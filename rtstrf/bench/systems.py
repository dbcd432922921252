"""What is measured of the zoo: every front-end, prefilter and model, at the sizes of the tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtstrf.checkpoints.build import MODEL_CLASSES
from rtstrf.checkpoints.load import bundled_models, load_model
from rtstrf.models.statenet import CELLS
from rtstrf.pipeline import SoundToRates
from rtstrf.prefilter.make import PREFILTERS, make_prefiltering
from rtstrf.sound.scene import ACTS, SceneSource
from rtstrf.spectrogram.make import FRONT_ENDS, make_wav2spec
from rtstrf.stream import StreamModule

RATE_HZ, BIN_MS, BANDS, UNITS = 48000, 5.0, 34, 119
HOP_SAMPLES = round(RATE_HZ * BIN_MS / 1000)
WINDOW_FRAMES = 100  # of the Transformer, which has no default that can stream

# Options that make a row of their own, by what is added to the name.
Variants = dict[str, dict[str, dict[str, Any]]]


def first_names(table: Mapping[str, Any]) -> list[str]:
    """Return the names of a table without those that are second names of something.

    Examples
    --------
    >>> first_names({"adaptrans": 1, "icadaptation": 2, "willmore": 2})
    ['adaptrans', 'icadaptation']
    """
    names, values = list(table), list(table.values())
    return [name for index, name in enumerate(names) if values.index(values[index]) == index]


EAR_VARIANTS: Variants = {
    "gammatone": {" with PCEN": {"compression": "pcen"}},
    "sincnet": {" with envelope": {"envelope": True}},
}
CORE_VARIANTS: Variants = {
    "StateNet": {f", {cell}": {"rnn_type": cell} for cell in first_names(CELLS)},
    "Transformer": {f", window of {WINDOW_FRAMES} frames": {"context_window": WINDOW_FRAMES}},
}


@dataclass(frozen=True, slots=True)
class System:
    """Something that streams.

    Attributes
    ----------
    name : str
    kind : str
        What it stands for in a model, as the table says it.
    make : callable
        Builds it.
    """

    name: str
    kind: str
    make: Callable[[], StreamModule]


def systems() -> list[System]:
    """Return everything that the package can stream, at the sizes of the table."""
    found = []
    for kind in first_names(FRONT_ENDS):
        for suffix, options in {"": {}, **EAR_VARIANTS.get(kind, {})}.items():
            found.append(System(kind + suffix, "front-end", partial(ear, kind, **options)))
    found += [
        System(kind, "prefilter", partial(make_prefiltering, kind, bands=BANDS, dt_ms=BIN_MS))
        for kind in first_names(PREFILTERS)
    ]
    for name in MODEL_CLASSES:
        if name == "ICNet":
            make = partial(MODEL_CLASSES[name], RATE_HZ, UNITS, dt_ms=BIN_MS)
            found.append(System(name, "model with front-end", make))
            continue
        for suffix, options in CORE_VARIANTS.get(name, {"": {}}).items():
            found.append(System(name + suffix, "model", partial(MODEL_CLASSES[name], BANDS, UNITS, **options)))
    shipped = [System(f"`{name}`", "fitted, sound to rates", partial(fitted, name)) for name in bundled_models()]
    return found + shipped


def ear(kind: str, **options: Any) -> StreamModule:
    """Return a front-end of the table's bands."""
    count = {"n_mels" if kind == "mel" else "n_filters": BANDS}
    return make_wav2spec(kind, rate_hz=RATE_HZ, bin_ms=BIN_MS, **count, **options)


def fitted(name: str) -> StreamModule:
    """Return a bundled model's whole way from sound to rates."""
    loaded = load_model(name)
    return SoundToRates(loaded.model, loaded.sidecar.hz_per_response)


def scene_pa(seconds: float) -> Tensor:
    """Return the voice of the built-in scene and the silence before it, (1, 1, samples), pascals, whole hops."""
    with SceneSource() as scene:
        begin = round((next(start_s for start_s, act in ACTS if act == "voice") - 0.2) * RATE_HZ)
        samples = scene.pressure_pa(begin + np.arange(round(seconds * RATE_HZ) // HOP_SAMPLES * HOP_SAMPLES))
    return torch.as_tensor(samples, dtype=torch.float32).reshape(1, 1, -1)
