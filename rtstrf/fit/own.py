"""One's own recordings: a folder of sound files and one table of counts, `recordings.npz`.

    counts    (units, sounds, repeats, bins)   spikes in each bin from the start of the sound, whole numbers
    sounds    (sounds,)                        names of the sound files, relative to the folder
    bin_ms    ()                               bin width
    unit_id   (units,)                         optional; otherwise unit-1, unit-2...
    depth_um  (units,)                         optional; NaN where it is not known
    citation  ()                               optional

Sounds are numbered from 1 in the order of the table. Every unit must have heard every sound equally often.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rtstrf.errors import DataError
from rtstrf.fit.recordings import RecordedUnit, Recordings

TABLE_NAME = "recordings.npz"
FORMAT_HELP = "docs/fitting.md shows how to write one"


def load_folder(root: str | Path, sounds: Sequence[int] | None = None) -> Recordings:
    """Load recordings from a folder with a table `recordings.npz`.

    Parameters
    ----------
    root : path-like
    sounds : sequence of int, optional
        Numbers from 1 in the order of the table; all of them by default. Files of others need not be there.

    Raises
    ------
    DataError
        If the table is missing, damaged or inconsistent, or sounds of the split are not there.

    Examples
    --------
    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> (root / "a.wav").touch()
    >>> np.savez(root / "recordings.npz", counts=np.zeros((2, 1, 4, 50), dtype=int), sounds=["a.wav"], bin_ms=5.0)
    >>> load_folder(root).counts.shape
    (2, 1, 4, 50)
    """
    path = Path(root) / TABLE_NAME
    if not path.is_file():
        raise DataError(f"the data directory {root} holds no {TABLE_NAME}", remedy=FORMAT_HELP)
    try:
        with np.load(path, allow_pickle=False) as table:
            facts = {name: table[name] for name in table.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path} is damaged or no table of numbers: {error}", remedy=FORMAT_HELP) from error
    absent = {"counts", "sounds", "bin_ms"} - set(facts)
    if absent:
        raise DataError(f"{path} lacks {', '.join(sorted(absent))}", remedy=FORMAT_HELP)
    counts, names = facts["counts"], [str(name) for name in np.atleast_1d(facts["sounds"])]
    units = counts.shape[0] if counts.ndim == 4 else 0
    unit_id = [str(u) for u in facts.get("unit_id", [f"unit-{n + 1}" for n in range(units)])]
    depth_um = np.asarray(facts.get("depth_um", np.full(units, np.nan)), dtype=np.float64)
    if counts.ndim != 4 or counts.shape[1] != len(names) or len(unit_id) != units or depth_um.shape != (units,):
        raise DataError(
            f"{path}: counts of shape {counts.shape} with {len(names)} sounds, {len(unit_id)} unit_id and "
            f"{depth_um.size} depth_um",
            remedy="counts are (units, sounds, repeats, bins), and the other tables have one entry a unit or sound",
        )
    if not np.issubdtype(counts.dtype, np.number) or not np.array_equal(counts, np.floor(counts)) or counts.min() < 0:
        raise DataError(
            f"{path}: counts hold values that are no counts", remedy="give whole numbers of spikes, 0 or more"
        )
    chosen = list(sounds) if sounds is not None else list(range(1, len(names) + 1))
    unknown = [s for s in chosen if not 1 <= s <= len(names)]
    if unknown:
        raise DataError(
            f"{path} has {len(names)} sounds, none is number {', '.join(map(str, unknown))}",
            remedy=f"number them from 1 to {len(names)} in the split",
        )
    files = [Path(root) / names[s - 1] for s in chosen]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise DataError(f"no sound file {', '.join(missing)}", remedy=f"put it there, or correct sounds in {path}")
    return Recordings(
        sounds=tuple(files),
        sound_ids=tuple(chosen),
        counts=counts[:, [s - 1 for s in chosen]],
        units=tuple(
            RecordedUnit(id=name, depth_um=float(depth) if np.isfinite(depth) else None)
            for name, depth in zip(unit_id, depth_um, strict=True)
        ),
        bin_ms=float(facts["bin_ms"]),
        citation=(str(facts["citation"]),) if "citation" in facts else (),
    )
