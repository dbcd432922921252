"""The seals of a recording, read: how long every file was, four times a second."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from rtstrf.errors import RecordError
from rtstrf.record.layout import FILE

NO_RECORD = "give the folder of a recording, or one that holds recordings"


@dataclass(frozen=True, slots=True)
class Seal:
    """One line of `seals.jsonl`.

    Attributes
    ----------
    t_ns : int
        Since the run started.
    files : dict of str to (int, str)
        Files that had grown: their length in rows or bytes, and the SHA-256 of what was added.
    before : str
        SHA-256 of the line before, so that the last line stands for all of them.
    end : str or None
        Why nothing follows: ``closed``, ``repaired``, or what the disk said.
    ends_at : int
        Byte of the file at which the line ends.
    digest : str
        SHA-256 of the line.
    """

    t_ns: int
    files: dict[str, tuple[int, str]]
    before: str
    end: str | None
    ends_at: int
    digest: str


def read_seals(path: Path) -> list[Seal]:
    """Return the whole seals of a recording; what follows the first that is not whole is left out.

    Raises
    ------
    RecordError
        If there is no such file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}", remedy=NO_RECORD) from error
    seals: list[Seal] = []
    at = 0
    for line in data.splitlines(keepends=True):
        at += len(line)
        seal = _seal(line, at)
        if seal is None or (seal.before != (seals[-1].digest if seals else "")):
            break
        seals.append(seal)
    return seals


def lengths_at(seals: list[Seal]) -> list[dict[str, int]]:
    """Return, for each seal, how long every file was."""
    lengths: dict[str, int] = {}
    found = []
    for seal in seals:
        lengths = {**lengths, **{name: length for name, (length, _) in seal.files.items()}}
        found.append(lengths)
    return found


def _seal(line: bytes, ends_at: int) -> Seal | None:
    if not line.endswith(b"\n"):
        return None
    try:
        told = json.loads(line)
        files = {name: (length, digest) for name, (length, digest) in told["files"].items()}
        t_ns, before, end = told["t_ns"], told["before"], told.get("end")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    sound = isinstance(t_ns, int) and isinstance(before, str) and (end is None or isinstance(end, str))
    for name, (length, digest) in files.items():
        sound &= FILE.fullmatch(name) is not None and type(length) is int and length >= 0 and isinstance(digest, str)
    return Seal(t_ns, files, before, end, ends_at, hashlib.sha256(line).hexdigest()) if sound else None
