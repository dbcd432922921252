"""What networks learn from: recordings alone, or recordings and the mean prediction of teachers.

Variants of the sounds are made and put through the front-end once, before the first epoch: that costs as much as half a
step of training. An epoch draws from them, and cuts excerpts.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from rtstrf.models.model import AuditoryModel
from rtstrf.stream import StreamModule


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step learns from.

    Attributes
    ----------
    heard : Tensor, shape (B, 1, F, T), float32
        Sounds behind the front-end.
    target : Tensor, shape (B, N, T), float32
        Responses wanted.
    scored : Tensor, shape (B, 1, T), bool
        Bins that count.
    """

    heard: Tensor
    target: Tensor
    scored: Tensor


@dataclass(frozen=True, slots=True)
class Course:
    """What one network learns from.

    Attributes
    ----------
    training : TrainingConfig
    heard : list of Tensor, each of shape (V, 1, F, T)
        Variants of each sound or mixture.
    targets : list of Tensor, each of shape (V, N, T)
        The responses wanted for each.
    rows : ndarray of int
        Which of them an epoch presents.
    """

    training: TrainingConfig
    heard: list[Tensor]
    targets: list[Tensor]
    rows: np.ndarray

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return ceil(len(self.rows) / self.training.sounds_per_step)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield an epoch's batches, in random order, each presentation a variant drawn anew."""
        order = rng.permutation(self.rows)
        for begin in range(0, len(order), self.training.sounds_per_step):
            rows = order[begin : begin + self.training.sounds_per_step]
            picks = [int(rng.integers(len(self.heard[row]))) for row in rows]
            heard = torch.stack([self.heard[row][pick] for row, pick in zip(rows, picks, strict=True)])
            target = torch.stack([self.targets[row][pick] for row, pick in zip(rows, picks, strict=True)])
            yield excerpts(heard, target, self.training, rng)


def steps_per_epoch(training: TrainingConfig, sounds: int, mixtures: int = 0) -> int:
    """Return the steps that make every presentation of an epoch."""
    return ceil((sounds * training.presentations + mixtures) / training.sounds_per_step)


def recorded(config: FitConfig, data: SoundsAndResponses, front_end: StreamModule, rng: np.random.Generator) -> Course:
    """Every sound some times an epoch; the target is the mean response.

    Parameters
    ----------
    config : FitConfig
    data : SoundsAndResponses
    front_end : StreamModule
        That of the network; it must have nothing to fit.
    rng : numpy.random.Generator
        For the variants.
    """
    heard, targets = [], []
    for row in range(len(data.sound_pa)):
        variants = _vary(row, config, rng)
        heard.append(_hear(front_end, render(variants, data.sound_pa)))
        targets.append(data.mean_response[row].expand(len(variants), -1, -1))
    rows = np.repeat(np.arange(len(heard)), config.training.presentations)
    return Course(config.training, heard, targets, rows)


def distilled(
    config: FitConfig,
    distillation: DistillationConfig,
    data: SoundsAndResponses,
    front_end: StreamModule,
    teachers: list[AuditoryModel],
    rng: np.random.Generator,
) -> Course:
    """Every sound some times an epoch, and every mixture once.

    The target for a sound is its mean response mixed with the teachers' mean prediction; for a mixture, which nobody
    recorded, it is their prediction.

    Parameters
    ----------
    config : FitConfig
    distillation : DistillationConfig
        That of the recipe.
    data : SoundsAndResponses
    front_end : StreamModule
        That of the student; it must have nothing to fit.
    teachers : list of AuditoryModel
    rng : numpy.random.Generator
        For the variants.

    Raises
    ------
    ConfigError
        If there are to be mixtures of fewer than two sounds.
    """
    sounds = len(data.sound_pa)
    if distillation.mixtures and sounds < 2:
        raise ConfigError("mixtures of one sound", remedy="give two sounds to fit, or set distillation.mixtures to 0")
    heard, targets = [], []
    for row in range(sounds + distillation.mixtures):
        variants = _vary(row, config, rng) if row < sounds else _mix(sounds, config, distillation.mixture_db, rng)
        sound_pa = render(variants, data.sound_pa)
        heard.append(_hear(front_end, sound_pa))
        taught = torch.stack([predict(teacher, sound_pa) for teacher in teachers]).mean(0)  # (V, N, T)
        share = distillation.weight if row < sounds else 1.0
        targets.append(share * taught + (1 - share) * data.mean_response[row] if share < 1 else taught)
    rows = np.repeat(np.arange(sounds), distillation.student.presentations)
    rows = np.concatenate([rows, np.arange(sounds, len(heard))])
    return Course(distillation.student, heard, targets, rows)


def excerpts(heard: Tensor, target: Tensor, training: TrainingConfig, rng: np.random.Generator) -> Batch:
    """Cut a random excerpt out of each sound and its responses, or take the whole.

    A network begins an excerpt as if there had been nothing before, so its first bins are not scored; where the excerpt
    is the start of the sound, they are. That start is drawn as often as if sounds began `settling_bins` earlier.

    Parameters
    ----------
    heard : Tensor, shape (B, 1, F, T)
    target : Tensor, shape (B, N, T)
    training : TrainingConfig
    rng : numpy.random.Generator
    """
    streams, _, bins = target.shape
    length = min(training.excerpt_bins or bins, bins)
    starts = np.maximum(0, rng.integers(-training.settling_bins, bins - length, size=streams, endpoint=True))
    if length == bins:
        starts[:] = 0
    cut = torch.stack([heard[i, ..., s : s + length] for i, s in enumerate(starts)])
    wanted = torch.stack([target[i, :, s : s + length] for i, s in enumerate(starts)])
    settled = np.arange(length) >= np.where(starts > 0, training.settling_bins, 0)[:, None]  # (B, T)
    return Batch(cut, wanted, torch.from_numpy(settled).unsqueeze(1))


def _vary(row: int, config: FitConfig, rng: np.random.Generator) -> list[Variant]:
    augmentation = config.augmentation
    return [vary(row, augmentation, config.model.sample_rate_hz, rng) for _ in range(augmentation.variants)]


def _mix(sounds: int, config: FitConfig, softest_db: float, rng: np.random.Generator) -> list[Variant]:
    augmentation = config.augmentation
    return [
        mix(sounds, softest_db, augmentation, config.model.sample_rate_hz, rng) for _ in range(augmentation.variants)
    ]


@torch.no_grad()
def _hear(front_end: StreamModule, sound_pa: Tensor) -> Tensor:
    if any(True for _ in front_end.parameters()):
        raise ConfigError(
            f"the front-end {type(front_end).__name__} has weights, which this fit would leave as they are",
            remedy="choose one without, such as mel",
        )
    return front_end(sound_pa)
