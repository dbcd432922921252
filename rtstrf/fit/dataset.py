"""Recordings as tensors: what goes into a network, and what should come out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rtstrf.fit.config import FitConfig
from rtstrf.fit.metrics import correlation, normalised_correlation
from rtstrf.fit.ns1 import load_ns1
from rtstrf.fit.own import load_folder
from rtstrf.fit.recordings import Recordings, hear_file
from rtstrf.fit.response import hanning_window, smooth
from rtstrf.units import hop_samples as whole_hop


@dataclass(frozen=True, slots=True)
class SoundsAndResponses:
    """Some sounds and the responses to them.

    Attributes
    ----------
    sound_pa : Tensor, shape (S, 1, samples), float32
    mean_response : Tensor, shape (S, N, T), float32
        Mean over repeats of the smoothed counts.
    responses : ndarray, shape (S, N, R, T), float32
        Each repeat.
    """

    sound_pa: Tensor
    mean_response: Tensor
    responses: np.ndarray

    def scores(self, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return cc and cc_norm of each unit, sounds concatenated.

        Parameters
        ----------
        prediction : ndarray, shape (S, N, T)

        Returns
        -------
        cc, cc_norm : ndarray, shape (N,)
        """
        predicted = np.concatenate(list(prediction), axis=-1)  # (S, N, T) -> (N, S T)
        measured = np.concatenate(list(self.responses), axis=-1)  # (S, N, R, T) -> (N, R, S T)
        return correlation(predicted, measured.mean(axis=-2)), normalised_correlation(predicted, measured)


@dataclass(frozen=True, slots=True)
class FitData:
    """The two sides of the split.

    Attributes
    ----------
    train, validation : SoundsAndResponses
    recordings : Recordings
    hop_samples : int
    window : ndarray
        The smoothing of the responses.
    """

    train: SoundsAndResponses
    validation: SoundsAndResponses
    recordings: Recordings
    hop_samples: int
    window: np.ndarray

    @property
    def units(self) -> int:
        """Number of neurons N."""
        return len(self.recordings.units)

    def sha256(self) -> str:
        """Return a fingerprint of every sample and count that the fit uses."""
        digest = hashlib.sha256()
        for part in (self.train, self.validation):
            digest.update(part.sound_pa.numpy().tobytes())
            digest.update(part.responses.tobytes())
        return digest.hexdigest()


def load_fit_data(config: FitConfig, data_dir: str | Path) -> FitData:
    """Load what a recipe names and bring it to the model's clock.

    Raises
    ------
    DataError
        If recordings are missing, damaged, or have another bin width than the sample rate allows.
    """
    wanted = [*config.data.train, *config.data.validation]
    recordings = load_ns1(data_dir, wanted) if config.data.layout == "ns1" else load_folder(data_dir, wanted)
    hop = whole_hop(config.model.sample_rate_hz, recordings.bin_ms)
    window = hanning_window(config.data.smoothing_ms, recordings.bin_ms)
    bins = recordings.counts.shape[-1]

    def side(sounds: list[int]) -> SoundsAndResponses:
        rows = recordings.rows(sounds)
        heard = [hear_file(recordings.sounds[row], config.model.sample_rate_hz, hop, bins) for row in rows]
        responses = smooth(recordings.counts[:, rows].swapaxes(0, 1), window)  # (N, S, R, T) -> (S, N, R, T)
        return SoundsAndResponses(
            sound_pa=torch.from_numpy(np.stack(heard)).unsqueeze(1),  # -> (S, 1, samples)
            mean_response=torch.from_numpy(responses.mean(axis=2)).float(),
            responses=responses.astype(np.float32),
        )

    return FitData(side(config.data.train), side(config.data.validation), recordings, hop, window)
