"""The NS1 recordings: ferret primary auditory cortex hearing natural sounds, in the layout of their release.

    ROOT/MetadataSHEnCneurons.mat           struct array `neuron`: path, depth, NoiseRatio, singleT, ElectrodeNumber...
    ROOT/spikesandwav/<path>                one file a unit: data.set(j).repeats(k).t, spike times in ms
    ROOT/spikesandwav/SH.En.C/source...     the sounds: float WAV in pascals, without a suffix

Source: Harper et al. 2016, doi 10.1371/journal.pcbi.1005113; data: OSF project ayw2p, https://osf.io/ayw2p/. Sounds 1
to 12 are `source.1...frozen.1` to `12`, sounds 13 to 20 are `source.2...frozen.1` to `8`; of each clip of 5 s the first
4,995 ms are used. The release's ReadMe has the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtstrf.errors import DataError
from rtstrf.extras import require
from rtstrf.fit.recordings import RecordedUnit, Recordings

METADATA_NAME = "MetadataSHEnCneurons.mat"
SPIKES_NAME = "spikesandwav"
SOUNDS = range(1, 21)
BINS = 999
BIN_MS = 5
CITATION = (
    "Recordings: Harper, Schoppe, Willmore, Cui, Schnupp, King 2016, Network receptive field modeling reveals "
    "extensive integration and multi-feature selectivity in auditory cortical neurons, PLoS Comput Biol 12(11): "
    "e1005113, doi 10.1371/journal.pcbi.1005113; data doi 10.17605/OSF.IO/AYW2P",
)
GET_IT = "give the folder that holds the release (https://osf.io/ayw2p/), or add --download to fetch it there"
SHOWN = 8


def sound_path(root: Path, sound: int) -> Path:
    """Return the file of a sound, by its number from 1.

    Examples
    --------
    >>> sound_path(Path("ns1"), 13).name
    'source.2.sound.0.snr.0.token.0.fw.1.frozen.1'
    """
    source, fw, frozen = (1, 2, sound) if sound <= 12 else (2, 1, sound - 12)
    return root / SPIKES_NAME / "SH.En.C" / f"source.{source}.sound.0.snr.0.token.0.fw.{fw}.frozen.{frozen}"


def load_ns1(root: str | Path, sounds: Sequence[int] = SOUNDS) -> Recordings:
    """Load the spikes of every unit to some of the sounds.

    Parameters
    ----------
    root : path-like
        The folder that holds `MetadataSHEnCneurons.mat`.
    sounds : sequence of int
        Numbers from 1 to 20; others need not be there.

    Returns
    -------
    recordings : Recordings
        119 units in the release's order; counts (N, S, R, 999) at a bin of 5 ms.

    Raises
    ------
    DataError
        If it is another folder, or files, or spikes for some of these sounds, are missing or damaged; every one that
        is gets listed.
    MissingExtraError
        If scipy is not installed.
    """
    root = Path(root)
    unknown = [sound for sound in sounds if sound not in SOUNDS]
    if unknown:
        raise DataError(f"NS1 has no sound {', '.join(map(str, unknown))}", remedy="choose from 1 to 20")
    if not (root / METADATA_NAME).is_file() or not (root / SPIKES_NAME).is_dir():
        what = "does not exist" if not root.exists() else f"holds no {METADATA_NAME} beside a folder {SPIKES_NAME}"
        raise DataError(f"the data directory {root} {what}", remedy=GET_IT)

    missing = [f"{sound_path(root, s)} (sound {s})" for s in sounds if not sound_path(root, s).is_file()]
    units: list[RecordedUnit] = []
    counts: list[np.ndarray] = []
    repeats = 0
    for row in _unit_rows(root / METADATA_NAME):
        unit, path = _read_unit(row, root)
        units.append(unit)
        if path is None:
            missing.append(f"{root / SPIKES_NAME / str(row['path'].item())} (spikes of unit {unit.id})")
            continue
        trials = _spike_times(path)
        found = {s: len(trials[s - 1]) if s <= len(trials) else 0 for s in sounds}
        repeats = repeats or max(found.values(), default=0)
        lacking = [f"{s} ({number} repeats)" for s, number in found.items() if number != repeats or not number]
        if lacking:
            missing.append(f"spikes of unit {unit.id} for sound {', '.join(lacking)}; there should be {repeats or 20}")
            continue
        counts.append(np.stack([np.stack([count_spikes(t) for t in trials[s - 1]]) for s in sounds]))  # (S, R, T)
    if missing:
        shown = "".join(f"\n  {entry}" for entry in missing[:SHOWN])
        more = f"\n  and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise DataError(
            f"the recordings in {root} are incomplete; missing:{shown}{more}",
            remedy="copy what is missing, add --download to fetch the release, or leave those sounds out of the split",
        )
    return Recordings(
        sounds=tuple(sound_path(root, s) for s in sounds),
        sound_ids=tuple(sounds),
        counts=np.stack(counts),  # (N, S, R, T)
        units=tuple(units),
        bin_ms=float(BIN_MS),
        citation=CITATION,
    )


def count_spikes(times_ms: np.ndarray) -> np.ndarray:
    """Return the spikes in each bin of 5 ms, times rounded to the millisecond first as the field does it.

    Parameters
    ----------
    times_ms : ndarray, shape (spikes,)
        From the start of the sound; those before it or after the last bin do not count.

    Returns
    -------
    counts : ndarray, shape (999,), uint8

    Examples
    --------
    >>> count_spikes(np.array([-1.0, 0.2, 4.4, 4.6, 4995.0]))[:3]
    array([2, 1, 0], dtype=uint8)
    """
    bins = np.round(times_ms).astype(np.int64) // BIN_MS
    return np.bincount(bins[(bins >= 0) & (bins < BINS)], minlength=BINS).astype(np.uint8)


def _unit_rows(path: Path) -> np.ndarray:
    try:
        rows = _load_mat(path)["neuron"].ravel()
        missing = {"path", "depth", "NoiseRatio", "singleT", "ElectrodeNumber"} - set(rows.dtype.names or ())
    except (KeyError, AttributeError) as error:
        raise DataError(f"{path} holds no struct array 'neuron'", remedy=GET_IT) from error
    if missing or not len(rows):
        raise DataError(f"the units in {path} lack {', '.join(sorted(missing)) or 'every field'}", remedy=GET_IT)
    return rows


def _read_unit(row: Any, root: Path) -> tuple[RecordedUnit, Path | None]:
    """Return a unit and the file of its spikes, None where there is none."""
    relative = str(row["path"].item())
    path = root / SPIKES_NAME / relative
    # A few files of the release bear a suffix that the table lacks.
    candidates = (path, path.with_name(path.name.removesuffix(".mat") + "_1.mat"))
    depth_um = float(row["depth"].item())
    unit = RecordedUnit(
        id=relative.removesuffix(".mat").removesuffix(".data"),
        depth_um=depth_um if np.isfinite(depth_um) else None,
        noise_ratio=float(row["NoiseRatio"].item()),
        single_unit=str(row["singleT"].item()),
        electrode=int(row["ElectrodeNumber"].item()),
    )
    return unit, next((candidate for candidate in candidates if candidate.is_file()), None)


def _spike_times(path: Path) -> list[list[np.ndarray]]:
    """Return the spike times in ms of each sound and repeat; a sound without recordings has no repeats."""
    try:
        return [_trials(repeats) for repeats in _load_mat(path)["data"]["set"].item()["repeats"].ravel()]
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise DataError(
            f"{path} holds no spike times where NS1 has them (data.set(j).repeats(k).t): {error}", remedy=GET_IT
        ) from error


def _trials(repeats: np.ndarray) -> list[np.ndarray]:
    """Return the spike times of each repeat of one sound; an empty array stands for none."""
    return [np.asarray(times_ms, dtype=np.float64).ravel() for times_ms in repeats["t"].ravel()] if repeats.size else []


def _load_mat(path: Path) -> dict[str, Any]:
    """Read a MATLAB file, or say which one is damaged."""
    loadmat = require("scipy.io", "fit").loadmat
    try:
        return loadmat(path)
    except Exception as error:  # scipy raises what its decoder stumbles over: zlib.error, OSError, MatReadError...
        raise DataError(
            f"{path} is damaged or no MATLAB file: {type(error).__name__}: {error}", remedy="copy or download it again"
        ) from error
