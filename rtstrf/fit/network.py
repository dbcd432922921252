"""The network of a recipe, and its forward pass while it is being fitted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rtstrf.checkpoints.sidecar import Slot
from rtstrf.fit.config import ModelConfig, TrainingConfig
from rtstrf.models.activations import ParametricSoftplus
from rtstrf.models.statenet import StateNet
from rtstrf.prefilter.make import make_prefiltering
from rtstrf.spectrogram.make import make_wav2spec

SOUNDS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Slots:
    """What fills the slots of a model, with complete options, as a sidecar keeps it."""

    wav2spec: Slot
    prefiltering: Slot | None
    output_activation: Slot
    bands: int


def fill_slots(config: ModelConfig, bin_ms: float) -> Slots:
    """Complete the options of a recipe's stages with rate, bin and bands."""
    front = {"rate_hz": config.sample_rate_hz, "bin_ms": bin_ms, **config.wav2spec.options}
    bands = int(make_wav2spec(config.wav2spec.kind, **front).out_channels)  # type: ignore[arg-type]
    prefiltering = None
    if config.prefiltering is not None:
        options = {"bands": bands, "dt_ms": bin_ms, **config.prefiltering.options}
        prefiltering = Slot(config.prefiltering.kind, options)
    return Slots(Slot(config.wav2spec.kind, front), prefiltering, Slot("parametric_softplus"), bands)


def make_network(config: ModelConfig, bin_ms: float, units: int, seed: int) -> StateNet:
    """Build a StateNet with random weights that follow from the seed; the global generator is left as it was."""
    slots = fill_slots(config, bin_ms)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return StateNet(
            slots.bands,
            units,
            hidden_channels=config.hidden_channels,
            kernel_size=config.kernel_size,
            stride=config.stride,
            connectivity=config.connectivity,
            output_activation=ParametricSoftplus(units, beta=config.beta, baseline=config.baseline),
            prefiltering=make_prefiltering(slots.prefiltering.kind, **slots.prefiltering.options)
            if slots.prefiltering is not None
            else None,
            wav2spec=make_wav2spec(slots.wav2spec.kind, **slots.wav2spec.options),
        )


def noisy_forward(
    model: StateNet, heard: Tensor, training: TrainingConfig, spectrogram_noise: float, generator: torch.Generator
) -> Tensor:
    """Return the responses through the model's own stages after its front-end, with noise and dropout between them.

    Parameters
    ----------
    model : StateNet
    heard : Tensor, shape (B, 1, F, T), float32
        Spectrograms, as its front-end gives them.
    training : TrainingConfig
        Its two dropouts.
    spectrogram_noise : float
        Standard deviation of what is added to them.
    generator : torch.Generator

    Returns
    -------
    responses : Tensor, shape (B, N, T)
    """
    dropout = {"encoder_layers": training.encoder_dropout, "rnn": training.readout_dropout}
    x = heard + spectrogram_noise * torch.randn(heard.shape, generator=generator) if spectrogram_noise else heard
    for name, stage in model.stages():
        if name == "wav2spec":
            continue
        x = stage(x)
        if share := dropout.get(name, 0.0):
            x = x * (torch.rand(x.shape, generator=generator) >= share) / (1 - share)
    return x


@torch.no_grad()
def predict(model: StateNet, sound_pa: Tensor) -> Tensor:
    """Return the responses to whole sounds from their start, (S, 1, samples) -> (S, N, T)."""
    return torch.cat([model(part) for part in sound_pa.split(SOUNDS_AT_ONCE)])
