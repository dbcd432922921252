"""The network of a recipe, and its forward pass while it is being fitted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rtstrf.checkpoints.build import MODEL_CLASSES
from rtstrf.checkpoints.sidecar import Slot
from rtstrf.fit.config import TrainingConfig
from rtstrf.fit.model_config import ModelConfig
from rtstrf.models.activations import ParametricSoftplus
from rtstrf.models.kernels import make_kernel
from rtstrf.models.model import AuditoryModel
from rtstrf.models.positions import SinusoidalPositions
from rtstrf.models.transformer import Transformer
from rtstrf.prefilter.make import make_prefiltering
from rtstrf.spectrogram.make import make_wav2spec
from rtstrf.stream import StreamModule

SOUNDS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Slots:
    """What fills the slots of a model, with complete options, as a sidecar keeps it."""

    wav2spec: Slot
    prefiltering: Slot | None
    output_activation: Slot
    kernel: Slot | None
    bands: int


def fill_slots(config: ModelConfig, bin_ms: float, units: int) -> Slots:
    """Complete the options of a recipe's stages with rate, bin, bands and what follows from them."""
    front = {"rate_hz": config.sample_rate_hz, "bin_ms": bin_ms, **config.wav2spec.options}
    bands = int(make_wav2spec(config.wav2spec.kind, **front).out_channels)  # type: ignore[arg-type]
    prefiltering, channels = None, 1
    if config.prefiltering is not None:
        options = {"bands": bands, "dt_ms": bin_ms, **config.prefiltering.options}
        prefiltering = Slot(config.prefiltering.kind, options)
        channels = int(getattr(make_prefiltering(prefiltering.kind, **options), "out_channels", 1))
    kernel = None
    if (given := getattr(config, "kernel", None)) is not None:
        sizes = {
            "bands": bands,
            "frames": config.options()["temporal_window_size"],
            "channels_in": channels,
            "channels_out": config.options().get("n_hidden", units),
        }
        kernel = Slot(given.kind, {**sizes, **given.options})
    return Slots(Slot(config.wav2spec.kind, front), prefiltering, Slot("parametric_softplus"), kernel, bands)


def make_network(config: ModelConfig, bin_ms: float, units: int, seed: int) -> AuditoryModel:
    """Build a model with random weights that follow from the seed; the global generator is left as it was."""
    slots = fill_slots(config, bin_ms, units)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts: dict[str, torch.nn.Module] = {"wav2spec": make_wav2spec(slots.wav2spec.kind, **slots.wav2spec.options)}
        if slots.prefiltering is not None:
            parts["prefiltering"] = make_prefiltering(slots.prefiltering.kind, **slots.prefiltering.options)
        if slots.kernel is not None:
            parts["kernel"] = make_kernel(slots.kernel.kind, **slots.kernel.options)
        model = MODEL_CLASSES[config.kind](
            n_frequency_bands=slots.bands,
            out_neurons=units,
            **config.options(),
            output_activation=ParametricSoftplus(units, beta=config.beta, baseline=config.baseline),
            **parts,
        )
    if isinstance(model, Transformer):
        with torch.no_grad():
            model.patchify.weight.mul_(config.token_gain)  # type: ignore[attr-defined, operator, union-attr]
    return model


def noisy_forward(
    model: AuditoryModel, heard: Tensor, training: TrainingConfig, spectrogram_noise: float, generator: torch.Generator
) -> Tensor:
    """Return the responses through the model's own stages after its front-end, with noise and dropout between them.

    Parameters
    ----------
    model : AuditoryModel
    heard : Tensor, shape (B, 1, F, T), float32
        Spectrograms, as its front-end gives them.
    training : TrainingConfig
        Its two dropouts and `latest_start_bins`.
    spectrogram_noise : float
        Standard deviation of what is added to them.
    generator : torch.Generator

    Returns
    -------
    responses : Tensor, shape (B, N, T)
    """
    dropout = stage_dropout(model, training)
    x = heard + spectrogram_noise * torch.randn(heard.shape, generator=generator) if spectrogram_noise else heard
    for name, stage in model.stages():
        if name == "wav2spec":
            continue
        if isinstance(stage, SinusoidalPositions) and training.latest_start_bins:
            begun = torch.randint(training.latest_start_bins + 1, (len(x),), generator=generator)
            x, _ = stage.step(x, {"t": begun})
        else:
            x = stage(x)
        if share := dropout.get(name, 0.0):
            x = x * (torch.rand(x.shape, generator=generator) >= share) / (1 - share)
    return x


def stage_dropout(model: AuditoryModel, training: TrainingConfig) -> dict[str, float]:
    """Return the share of each stage's outputs to drop.

    The stages between the prefilter and the readout are the encoder, which is the first of them, and what follows. A
    model whose readout sees the spectrogram itself has none, and nothing of it is dropped.
    """
    hidden = list(model.core_stages())[:-1]
    if not hidden:
        return {}
    return {hidden[0]: training.encoder_dropout} | {hidden[-1]: training.readout_dropout}


@torch.no_grad()
def predict(model: StreamModule, sound_pa: Tensor) -> Tensor:
    """Return the responses to whole sounds from their start, (S, 1, samples) -> (S, N, T)."""
    return torch.cat([model(part) for part in sound_pa.split(SOUNDS_AT_ONCE)])
