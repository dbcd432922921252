"""What networks learn from: recordings alone, or recordings and the mean prediction of teachers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch import Tensor

from rtstrf.errors import ConfigError
from rtstrf.fit.augment import Variant, mix, render, vary
from rtstrf.fit.config import DistillationConfig, FitConfig, TrainingConfig
from rtstrf.fit.dataset import SoundsAndResponses
from rtstrf.fit.network import predict
from rtstrf.models.statenet import StateNet


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step learns from.

    Attributes
    ----------
    sound_pa : Tensor, shape (B, 1, samples), float32
    target : Tensor, shape (B, N, T), float32
        Responses wanted.
    scored : Tensor, shape (B, 1, T), bool
        Bins that count.
    """

    sound_pa: Tensor
    target: Tensor
    scored: Tensor


@dataclass(frozen=True, slots=True)
class Course:
    """What one network learns from.

    Attributes
    ----------
    steps : int
        Steps in an epoch.
    batches : callable
        (rng) -> an epoch's batches.
    """

    steps: int
    batches: Callable[[np.random.Generator], Iterator[Batch]]


def steps_per_epoch(training: TrainingConfig, sounds: int, mixtures: int = 0) -> int:
    """Return the steps that make every presentation of an epoch."""
    return ceil((sounds * training.presentations + mixtures) / training.sounds_per_step)


def recorded(config: FitConfig, data: SoundsAndResponses) -> Course:
    """Every sound some times an epoch, in random order, varied anew each time; the target is the mean response."""
    sounds = len(data.sound_pa)

    def batches(rng: np.random.Generator) -> Iterator[Batch]:
        order = rng.permutation(np.repeat(np.arange(sounds), config.training.presentations))
        for rows in _split(order, config.training.sounds_per_step):
            variants = [vary(int(row), config.augmentation, config.model.sample_rate_hz, rng) for row in rows]
            yield excerpts(render(variants, data.sound_pa), data.mean_response[rows], config.training, rng)

    return Course(steps_per_epoch(config.training, sounds), batches)


def distilled(
    config: FitConfig,
    distillation: DistillationConfig,
    data: SoundsAndResponses,
    teachers: list[StateNet],
    rng: np.random.Generator,
) -> Course:
    """Every sound some times an epoch, and mixtures, from a pool of variants that the teachers label once.

    The target for a sound is its mean response mixed with the teachers' mean prediction; for a mixture, which nobody
    recorded, it is their prediction.

    Parameters
    ----------
    config : FitConfig
    distillation : DistillationConfig
        That of the recipe.
    data : SoundsAndResponses
    teachers : list of StateNet
    rng : numpy.random.Generator
        For the pool.

    Raises
    ------
    ConfigError
        If there are to be mixtures of fewer than two sounds.
    """
    sounds = len(data.sound_pa)
    if distillation.mixtures and sounds < 2:
        raise ConfigError("mixtures of one sound", remedy="give two sounds to fit, or set distillation.mixtures to 0")
    rate_hz, training = config.model.sample_rate_hz, distillation.student
    plans: list[list[Variant]] = []  # for each sound, then each mixture, the variants to choose from
    for row in range(sounds + distillation.mixtures):
        plans.append([])
        for _ in range(distillation.variants):
            if row < sounds:
                plans[-1].append(vary(row, config.augmentation, rate_hz, rng))
            else:
                plans[-1].append(mix(sounds, distillation.mixture_db, config.augmentation, rate_hz, rng))
    targets = [_target(row, plan, distillation, data, teachers) for row, plan in enumerate(plans)]

    def batches(rng: np.random.Generator) -> Iterator[Batch]:
        real = np.repeat(np.arange(sounds), training.presentations)
        order = rng.permutation(np.concatenate([real, np.arange(sounds, len(plans))]))
        for rows in _split(order, training.sounds_per_step):
            picks = rng.integers(distillation.variants, size=len(rows))
            variants = [plans[row][pick] for row, pick in zip(rows, picks, strict=True)]
            wanted = torch.stack([targets[row][pick] for row, pick in zip(rows, picks, strict=True)])
            yield excerpts(render(variants, data.sound_pa), wanted, training, rng)

    return Course(steps_per_epoch(training, sounds, distillation.mixtures), batches)


def excerpts(sound_pa: Tensor, target: Tensor, training: TrainingConfig, rng: np.random.Generator) -> Batch:
    """Cut a random excerpt out of each sound and its responses, or take the whole.

    A network begins an excerpt as if there had been silence, so its first bins are not scored; where the excerpt is
    the start of the sound, they are. That start is drawn as often as if sounds began `settling_bins` earlier.

    Parameters
    ----------
    sound_pa : Tensor, shape (B, 1, samples)
    target : Tensor, shape (B, N, T)
    training : TrainingConfig
    rng : numpy.random.Generator
    """
    streams, _, bins = target.shape
    length = min(training.excerpt_bins or bins, bins)
    starts = np.maximum(0, rng.integers(-training.settling_bins, bins - length, size=streams, endpoint=True))
    if length == bins:
        starts[:] = 0
    hop = sound_pa.shape[-1] // bins
    cut = [sound_pa[i, :, hop * s : hop * (s + length)] for i, s in enumerate(starts)]
    wanted = [target[i, :, s : s + length] for i, s in enumerate(starts)]
    settled = np.arange(length) >= np.where(starts > 0, training.settling_bins, 0)[:, None]  # (B, T)
    return Batch(torch.stack(cut), torch.stack(wanted), torch.from_numpy(settled).unsqueeze(1))


def _target(
    row: int,
    variants: list[Variant],
    distillation: DistillationConfig,
    data: SoundsAndResponses,
    teachers: list[StateNet],
) -> Tensor:
    """Return what the student is to answer to the variants of a sound or mixture, (variants, N, T)."""
    sound_pa = render(variants, data.sound_pa)
    taught = torch.stack([predict(teacher, sound_pa) for teacher in teachers]).mean(0)
    if row >= len(data.sound_pa):
        return taught
    return distillation.weight * taught + (1 - distillation.weight) * data.mean_response[row]


def _split(order: np.ndarray, at_once: int) -> list[np.ndarray]:
    return [order[begin : begin + at_once] for begin in range(0, len(order), at_once)]
