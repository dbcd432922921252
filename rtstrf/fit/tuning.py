"""Best frequencies, read from the fitted model while it hears natural sound.

Pure tones are far from anything that the model was fitted to. So each band of the spectrogram is raised by one standard
deviation for a single bin, every 200 ms of a natural sound, and the change of each unit's response over the next 50 ms
is averaged: a linearised receptive field around natural sound. Its peaks over lags make a tuning curve, which
is smoothed over neighbouring bands, as those overlap and a fit of little data chooses between them at random.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rtstrf.errors import ConfigError
from rtstrf.models.model import AuditoryModel
from rtstrf.stream import Chain

EVERY_BINS = 40
LAGS_BINS = 10
NEIGHBOURS = np.array([1.0, 2.0, 3.0, 2.0, 1.0])


@torch.no_grad()
def receptive_fields(model: AuditoryModel, sound_pa: Tensor) -> np.ndarray:
    """Return each unit's mean change of response after a band is raised for one bin.

    Parameters
    ----------
    model : AuditoryModel
        With a front-end.
    sound_pa : Tensor, shape (S, 1, samples), float32
        Natural sounds, each longer than `EVERY_BINS` and `LAGS_BINS` bins together.

    Returns
    -------
    fields : ndarray, shape (N, F, lags), float64
        In the response's unit, for one standard deviation of the spectrogram.

    Raises
    ------
    ConfigError
        If the model has no front-end, or the sounds are too short.
    """
    if model.front_end is None:
        raise ConfigError("receptive fields of a model without front-end", remedy="give a model that hears sound")
    stages = {name: stage for name, stage in model.stages() if name != "wav2spec"}
    after = Chain(stages)
    spectrogram = model.front_end(sound_pa)  # (S, 1, F, T)
    raised_at = torch.arange(EVERY_BINS, spectrogram.shape[-1] - LAGS_BINS, EVERY_BINS)
    if not len(raised_at):
        raise ConfigError(
            f"receptive fields from sounds of {spectrogram.shape[-1]} bins",
            remedy=f"give sounds of more than {EVERY_BINS + LAGS_BINS} bins",
        )
    watched = raised_at[:, None] + torch.arange(LAGS_BINS)  # (times, lags)
    before = after(spectrogram)  # (S, N, T)
    fields = []
    for band in range(spectrogram.shape[2]):
        raised = spectrogram.clone()
        raised[:, :, band, raised_at] += spectrogram.std()
        change = (after(raised) - before)[..., watched]  # -> (S, N, times, lags)
        fields.append(change.double().mean(dim=(0, 2)))  # -> (N, lags)
    return torch.stack(fields, dim=1).numpy()  # -> (N, F, lags)


def best_frequencies_hz(model: AuditoryModel, sound_pa: Tensor) -> list[float | None]:
    """Return the best frequency of each unit in hertz; None for one that nothing excites.

    Parameters
    ----------
    model : AuditoryModel
        Its front-end must name the frequencies of its bands (`band_frequencies_hz`).
    sound_pa : Tensor, shape (S, 1, samples), float32
        Natural sounds.
    """
    curves = tuning_curves(receptive_fields(model, sound_pa))
    bands_hz = model.front_end.band_frequencies_hz()  # type: ignore[union-attr, operator]
    return [round(float(bands_hz[int(curve.argmax())]), 1) if curve.max() > 0 else None for curve in curves]


def tuning_curves(fields: np.ndarray) -> np.ndarray:
    """Return how strongly each band excites each unit at its best lag, smoothed over bands: (N, F, lags) -> (N, F)."""
    peaks = np.maximum(fields.max(axis=-1), 0.0)
    weight = np.apply_along_axis(np.convolve, -1, np.ones_like(peaks), NEIGHBOURS, "same")
    return np.apply_along_axis(np.convolve, -1, peaks, NEIGHBOURS, "same") / weight
