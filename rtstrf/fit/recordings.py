"""What a fit needs of an experiment: sounds, spikes counted in bins for every repeat, and a table of the units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtstrf.errors import DataError
from rtstrf.sound.file import FileSource
from rtstrf.sound.resample import Hops

READ_SAMPLES = 65536


@dataclass(frozen=True, slots=True)
class RecordedUnit:
    """One neuron of an experiment.

    Attributes
    ----------
    id : str
    depth_um : float or None
        Recording depth below the surface of the cortex.
    noise_ratio : float or None
        Noise power over signal power, as its authors computed it; lower is cleaner.
    single_unit : str or None
        The authors' judgement: ``Yes``, ``Maybe`` or ``No``.
    electrode : int or None
        Channel of the probe, from 1.
    """

    id: str
    depth_um: float | None = None
    noise_ratio: float | None = None
    single_unit: str | None = None
    electrode: int | None = None


@dataclass(frozen=True, slots=True)
class Recordings:
    """Sounds and the spikes that they evoked.

    Attributes
    ----------
    sounds : tuple of Path
        One file for each sound, S of them.
    sound_ids : tuple of int
        Their numbers in the experiment, as a split names them.
    counts : ndarray, shape (N, S, R, T), uint8 or wider
        Spikes of each unit, sound, repeat and bin, from the start of the sound.
    units : tuple of RecordedUnit
        N of them.
    bin_ms : float
    citation : tuple of str
    """

    sounds: tuple[Path, ...]
    sound_ids: tuple[int, ...]
    counts: np.ndarray
    units: tuple[RecordedUnit, ...]
    bin_ms: float
    citation: tuple[str, ...] = ()

    def rows(self, sound_ids: Sequence[int]) -> list[int]:
        """Return the positions of sounds given by number.

        Raises
        ------
        DataError
            If some are not among the recordings.
        """
        missing = [i for i in sound_ids if i not in self.sound_ids]
        if missing:
            raise DataError(
                f"no recordings of sound {', '.join(map(str, missing))}",
                remedy=f"there are {', '.join(map(str, self.sound_ids))}: change the split",
            )
        return [self.sound_ids.index(i) for i in sound_ids]


def hear_file(path: Path, rate_hz: int, hop_samples: int, bins: int) -> np.ndarray:
    """Return the start of a sound file as the model hears it: read, resampled and framed as a replay does it.

    Parameters
    ----------
    path : Path
    rate_hz, hop_samples : int
        The model's clock.
    bins : int
        Bins wanted.

    Returns
    -------
    sound_pa : ndarray, shape (bins * hop_samples,), float32

    Raises
    ------
    SoundError
        If it is no sound.
    DataError
        If it is shorter than that.
    """
    with FileSource(path) as source:
        hops = Hops(source.info.rate_hz, rate_hz, hop_samples)
        parts = []
        while (block := source.read(READ_SAMPLES)) is not None:
            parts.append(hops.push(block.samples))
        parts.append(hops.flush())
    heard = np.concatenate(parts)  # (bins there are, hop_samples)
    if len(heard) < bins:
        raise DataError(
            f"{path} lasts {len(heard)} bins, the responses to it {bins}",
            remedy="give the whole sound that was played, or cut the responses to its length",
        )
    return heard[:bins].reshape(-1)
