"""The whole ways from sound to rates that are measured: the reference systems, and fitted models by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import torch

from rtstrf.bench.systems import BANDS, BIN_MS, HOP_SAMPLES, RATE_HZ, UNITS, ear
from rtstrf.checkpoints.load import LoadedModel, bundled_models, load_model
from rtstrf.checkpoints.sidecar import Sidecar, Slot, Unit
from rtstrf.errors import ConfigError
from rtstrf.models.dnet import DNet
from rtstrf.models.model import AuditoryModel
from rtstrf.models.statenet import StateNet
from rtstrf.models.transformer import Transformer
from rtstrf.pipeline import make_framer
from rtstrf.prefilter.make import make_prefiltering
from rtstrf.rates import hz_per_response
from rtstrf.sound.scene import ACTS, SceneSource
from rtstrf.stream import StreamModule

TAPS = 651  # of AdapTrans: deepSTRF's, with an exact delay line
CONTEXT_BINS = 200  # of the Transformer
SEED = 0


def statenet_gru(wav2spec: StreamModule, prefiltering: StreamModule) -> AuditoryModel:
    return StateNet(BANDS, UNITS, wav2spec=wav2spec, prefiltering=prefiltering)


def dnet(wav2spec: StreamModule, prefiltering: StreamModule) -> AuditoryModel:
    return DNet(BANDS, UNITS, wav2spec=wav2spec, prefiltering=prefiltering)


def transformer(wav2spec: StreamModule, prefiltering: StreamModule) -> AuditoryModel:
    return Transformer(BANDS, UNITS, context_window=CONTEXT_BINS, wav2spec=wav2spec, prefiltering=prefiltering)


# Cores behind a mel spectrogram (34 bands, 48 kHz, 5 ms) and AdapTrans (651 taps), random weights of a fixed seed.
REFERENCES: dict[str, Callable[[StreamModule, StreamModule], AuditoryModel]] = {
    "mel-adaptrans-statenet-gru": statenet_gru,
    "mel-adaptrans-dnet": dnet,
    "mel-adaptrans-transformer": transformer,
}


def default_names(*, quick: bool = False) -> list[str]:
    """Return what is measured unless told otherwise: the reference systems, then, unless in haste, bundled models."""
    return [*REFERENCES] if quick else [*REFERENCES, *bundled_models()]


def measured_model(name: str) -> LoadedModel:
    """Return a model to measure.

    Parameters
    ----------
    name : str
        A reference system, or whatever `rtstrf.load_model` takes.

    Returns
    -------
    loaded : LoadedModel

    Raises
    ------
    ConfigError
        If a model's stages hear no sound.
    CheckpointError
        As of `rtstrf.load_model`.

    Examples
    --------
    >>> loaded = measured_model("mel-adaptrans-dnet")
    >>> loaded.model.out_neurons, loaded.sidecar.hop_samples
    (119, 240)
    """
    if name in REFERENCES:
        return reference(name)
    loaded = load_model(name)
    if loaded.model.front_end is None:
        raise ConfigError(f"{name} takes spectrograms, and a hop of sound is measured", remedy="name one that hears")
    return loaded


def reference(name: str) -> LoadedModel:
    """Return a reference system: the same weights every time."""
    adaptation = {"bands": BANDS, "dt_ms": BIN_MS, "kernel_frames": TAPS}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = REFERENCES[name](ear("mel"), make_prefiltering("adaptrans", **adaptation)).eval()
    digest = hashlib.sha256()
    for key, weight in model.state_dict().items():
        digest.update(key.encode() + weight.contiguous().numpy().tobytes())
    sidecar = Sidecar(
        name=name,
        sample_rate_hz=RATE_HZ,
        hop_samples=HOP_SAMPLES,
        bin_ms=BIN_MS,
        hz_per_response=hz_per_response(BIN_MS),
        wav2spec=Slot("mel", {"rate_hz": RATE_HZ, "bin_ms": BIN_MS, "n_mels": BANDS}),
        prefiltering=Slot("adaptrans", adaptation),
        output_activation=None,
        units=tuple(Unit(f"unit-{number}") for number in range(UNITS)),
        provenance={"random weights, seed": SEED},
    )
    return LoadedModel(model.requires_grad_(False), sidecar, digest.hexdigest())


def scene_hops(loaded: LoadedModel, hops: int) -> np.ndarray:
    """Return the built-in scene, again from its start where it ends, as hops of a model's clock.

    It begins with the first sound of the scene, rain.

    Returns
    -------
    sound_pa : ndarray, shape (hops, hop_samples), float32, pascals
    """
    rate_hz, hop = loaded.sidecar.sample_rate_hz, loaded.sidecar.hop_samples
    with SceneSource(loop=True) as scene:
        framer = make_framer(scene.info.rate_hz, rate_hz, hop)
        begin = round(ACTS[0][0] * scene.info.rate_hz)  # a fitted model's rates rest in the silence before
        count = -(-hops * hop * scene.info.rate_hz // rate_hz) + scene.info.rate_hz  # with the resampler's look-ahead
        heard = framer.push(scene.pressure_pa(begin + np.arange(count)))
    return np.ascontiguousarray(heard[:hops], dtype=np.float32)
