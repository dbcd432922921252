"""Whether a recording is what was recorded: hashes, lengths, continuity; and its torn end mended."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rtstrf.errors import RecordError
from rtstrf.record.appending import HEADER_BYTES, array_header, json_line
from rtstrf.record.layout import FILE, MANIFEST, SEALS, STREAM_FACTS
from rtstrf.record.locking import is_written, lock
from rtstrf.record.recording import Recording, array_facts, read_manifest, size_on_disk
from rtstrf.record.seals import Seal, lengths_at, read_seals

TORN_NS = 5 * 10**9  # how far back a crash of the machine, not of the process alone, may reach


@dataclass(frozen=True, slots=True)
class Damage:
    """A part of a file that is not what was sealed.

    Attributes
    ----------
    file : str
    first, end : int
        Rows, or bytes of a file that has no rows.
    t_s : float
        When it was sealed, in seconds of the run.
    why : str
    """

    file: str
    first: int
    end: int
    t_s: float
    why: str


@dataclass(slots=True)
class Checked:
    """What a check found.

    Attributes
    ----------
    seals : int
        Seals that hold.
    sha256 : str
        Of the last of them: it stands for everything before it.
    bytes : int
        Bytes that were hashed.
    damages : list of Damage
        What cannot be mended.
    torn_bytes : int
        Bytes after the last seal that holds: the end that a crash tore.
    end : str or None
        Why the recording ended; None where nobody said.
    holes : list of dict
        Where the recorder itself missed something.
    running : bool
        Whether it is still written; nothing is torn then.
    repaired : bool
        Whether the torn end was cut off now.
    """

    seals: int = 0
    sha256: str = ""
    bytes: int = 0
    damages: list[Damage] = field(default_factory=list)
    torn_bytes: int = 0
    end: str | None = None
    holes: list[dict[str, Any]] = field(default_factory=list)
    running: bool = False
    repaired: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged, and the end is not torn."""
        return not self.damages and (self.running or self.end is not None) and not self.torn_bytes


def check(folder: str | Path, *, repair: bool = False, on_progress: Callable[[float], None] | None = None) -> Checked:
    """Check a recording against its seals.

    Parameters
    ----------
    folder : str or Path
    repair : bool
        Cut off the torn end of a crash, if there is one. What is sealed is never touched.
    on_progress : callable, optional
        Called with the part done, from 0 to 1.

    Raises
    ------
    RecordError
        If it is no recording, or is to be repaired while it is written.
    """
    root = Path(folder)
    read_manifest(root)
    seals = read_seals(root / SEALS)
    running = not any(seal.end for seal in seals) and is_written(root / SEALS)
    lengths = lengths_at(seals)
    while lengths and not all(size_on_disk(root / name, length) for name, length in lengths[-1].items()):
        lengths.pop()
    found = Checked(running=running)
    declared_end = seals[-1].end if seals else None
    bad = _verify(root, seals[: len(lengths)], found, on_progress)
    first_bad = min(bad, default=len(lengths))
    ended = declared_end is not None
    if bad and not ended and seals[len(lengths) - 1].t_ns - seals[first_bad].t_ns <= TORN_NS:
        lengths = lengths[:first_bad]  # the power went: the disk had the seal, and not yet what it seals
    else:
        found.damages += [damage for damages in bad.values() for damage in damages]
        if ended and len(lengths) < len(seals):
            late = seals[len(lengths)]
            found.damages.append(Damage(SEALS, len(lengths), len(seals), late.t_ns / 1e9, "files are shorter"))
    found.seals = len(lengths)
    found.sha256 = seals[len(lengths) - 1].digest if lengths else ""
    found.end = declared_end if len(lengths) == len(seals) else None
    if not running:
        found.torn_bytes = _torn_bytes(root, lengths[-1] if lengths else {}, seals[: len(lengths)])
    if repair and not found.damages and not running and (found.torn_bytes or found.end is None):
        _repair(root, lengths[-1] if lengths else {}, seals[: len(lengths)])
        found.repaired, found.torn_bytes, found.end = True, 0, "repaired"
        found.sha256 = read_seals(root / SEALS)[-1].digest
        found.seals += 1
    try:
        events = Recording(root).events
    except RecordError as error:  # hashes hold, or this is told already
        if not found.damages:
            found.damages.append(Damage(MANIFEST, 0, 0, 0.0, error.what))
        return found
    found.holes = [
        {"name": event.name, "stream": event.stream, **event.details}
        for event in events
        if event.name in ("record.hole", "record.missed")
    ]
    return found


def _verify(
    root: Path, seals: list[Seal], found: Checked, on_progress: Callable[[float], None] | None
) -> dict[int, list[Damage]]:
    """Hash everything that is sealed, and return what is damaged by the number of its seal."""
    bad: dict[int, list[Damage]] = {}
    before: dict[str, int] = {}
    for number, seal in enumerate(seals):
        for name, (length, digest) in seal.files.items():
            first = before.get(name, 0)
            data = _read(root / name, first, length)
            found.bytes += len(data)
            if hashlib.sha256(data).hexdigest() != digest:
                damage = Damage(name, first, length, seal.t_ns / 1e9, "other bytes than were sealed")
                bad.setdefault(number, []).append(damage)
            before[name] = length
        if on_progress is not None:
            on_progress((number + 1) / len(seals))
    return bad


def _read(path: Path, first: int, end: int) -> bytes:
    """Return a part of a file, by rows or bytes."""
    try:
        with path.open("rb") as file:
            if path.suffix != ".npy":
                file.seek(first)
                return file.read(max(0, end - first))
            _, row_bytes = array_facts(file.read(HEADER_BYTES))
            file.seek(HEADER_BYTES + first * row_bytes)
            return file.read(max(0, end - first) * row_bytes)
    except (OSError, ValueError):
        return b""


def _torn_bytes(root: Path, lengths: dict[str, int], seals: list[Seal]) -> int:
    """Return how many bytes lie after the last seal, in files and in files that no seal names."""
    torn = 0
    for path in _own_files(root):
        name = path.relative_to(root).as_posix()
        torn += path.stat().st_size - min(path.stat().st_size, _sealed_bytes(path, name, lengths, seals))
    return torn


def _sealed_bytes(path: Path, name: str, lengths: dict[str, int], seals: list[Seal]) -> int:
    if name == SEALS:
        return seals[-1].ends_at if seals else 0
    if name not in lengths:
        return HEADER_BYTES if path.suffix == ".npy" else 0  # an array without rows yet
    if path.suffix != ".npy":
        return lengths[name]
    with path.open("rb") as file:
        _, row_bytes = array_facts(file.read(HEADER_BYTES))
    return HEADER_BYTES + lengths[name] * row_bytes


def _own_files(root: Path) -> list[Path]:
    """Return the files that a recorder makes, and nothing that somebody has put beside them."""
    own = []
    for path in sorted([*root.glob("*"), *root.glob("*/*")]):
        name = path.relative_to(root).as_posix()
        temporary = path.name.startswith((f".{MANIFEST}-", f".{STREAM_FACTS}-", ".state-"))
        if path.is_file() and not path.is_symlink() and (name == SEALS or FILE.fullmatch(name) or temporary):
            own.append(path)
    return own


def _repair(root: Path, lengths: dict[str, int], seals: list[Seal]) -> None:
    try:
        with (root / SEALS).open("r+b", buffering=0) as held:
            lock(held.fileno(), root)
            for path in _own_files(root):
                name = path.relative_to(root).as_posix()
                if name in (SEALS, MANIFEST):
                    continue
                if name not in lengths:
                    path.unlink()
                else:
                    _cut(path, _sealed_bytes(path, name, lengths, seals), lengths[name])
            held.truncate(seals[-1].ends_at if seals else 0)
            held.seek(0, io.SEEK_END)
            told = {"t_ns": seals[-1].t_ns if seals else 0, "files": {}, "before": seals[-1].digest if seals else ""}
            if MANIFEST not in lengths:
                manifest = (root / MANIFEST).read_bytes()
                told["files"] = {MANIFEST: [len(manifest), hashlib.sha256(manifest).hexdigest()]}
            held.write(json_line({**told, "end": "repaired"}))
            os.fsync(held.fileno())
    except OSError as error:
        raise RecordError(
            f"{root} cannot be repaired: {error.strerror or error}", remedy="copy it to where you may write"
        ) from error


def _cut(path: Path, size: int, rows: int) -> None:
    with path.open("r+b") as file:
        if path.suffix == ".npy":
            (dtype, row_shape), _ = array_facts(file.read(HEADER_BYTES))
            file.seek(0)
            file.write(array_header(rows, np.dtype(dtype), row_shape))
        file.truncate(size)
        file.flush()
        os.fsync(file.fileno())
