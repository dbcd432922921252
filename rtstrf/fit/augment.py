"""Variations of recorded sounds: other levels, small shifts in time, and mixtures of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rtstrf.fit.config import AugmentationConfig


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to present a sound.

    Attributes
    ----------
    sound : int
        Its row among the recorded ones.
    gain : float
    shift_samples : int
        How much later it comes; earlier if negative.
    second_sound : int or None
        Row of a sound that is mixed in.
    second_gain : float
    """

    sound: int
    gain: float = 1.0
    shift_samples: int = 0
    second_sound: int | None = None
    second_gain: float = 0.0

    def render(self, sounds_pa: Tensor) -> Tensor:
        """Return the sound, shape (1, samples), from all of them, shape (S, 1, samples)."""
        sound_pa = sounds_pa[self.sound]
        if self.second_sound is not None:
            # At the power of the first sound alone.
            sound_pa = (sound_pa + self.second_gain * sounds_pa[self.second_sound]) / (1 + self.second_gain**2) ** 0.5
        return shift(self.gain * sound_pa, self.shift_samples)


def render(variants: list[Variant], sounds_pa: Tensor) -> Tensor:
    """Return several sounds, shape (B, 1, samples)."""
    return torch.stack([variant.render(sounds_pa) for variant in variants])


def vary(sound: int, config: AugmentationConfig, rate_hz: int, rng: np.random.Generator) -> Variant:
    """Draw a level and a shift for a recorded sound; the responses to it stay as they are, or nearly."""
    most = round(config.shift_ms * rate_hz / 1000)
    gain = 10 ** (rng.uniform(-config.level_db, config.level_db) / 20)
    return Variant(sound, float(gain), int(rng.integers(-most, most + 1)))


def mix(sounds: int, softest_db: float, config: AugmentationConfig, rate_hz: int, rng: np.random.Generator) -> Variant:
    """Draw a mixture of two of several sounds, the second softer by up to `softest_db`; no responses belong to it."""
    first, second = rng.choice(sounds, size=2, replace=False)
    one = vary(int(first), config, rate_hz, rng)
    return Variant(one.sound, one.gain, one.shift_samples, int(second), float(10 ** (-rng.uniform(0, softest_db) / 20)))


def shift(sound_pa: Tensor, samples: int) -> Tensor:
    """Return a sound that comes later by so many samples (earlier if negative), with silence at the open end.

    Examples
    --------
    >>> shift(torch.tensor([1.0, 2.0, 3.0]), 1)
    tensor([0., 1., 2.])
    >>> shift(torch.tensor([1.0, 2.0, 3.0]), -1)
    tensor([2., 3., 0.])
    """
    if samples == 0:
        return sound_pa
    moved = torch.zeros_like(sound_pa)
    if samples > 0:
        moved[..., samples:] = sound_pa[..., :-samples]
    else:
        moved[..., :samples] = sound_pa[..., -samples:]
    return moved
