"""Files for their owner's eyes only: written whole or not at all, and not read where others can read them."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rtstrf.errors import WireError

FILE_LIMIT_BYTES = 1024 * 1024


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Any]:
    """Write a file for its owner's eyes only, whole or not at all."""
    try:
        handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 600
    except OSError as error:
        raise _not_written(path, error) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(made, path)
    except OSError as error:
        _remove(made)
        raise _not_written(path, error) from None
    except BaseException:
        _remove(made)
        raise


def write_new(path: Path, fields: dict[str, Any]) -> None:
    """Write a file of JSON that must not be there yet."""
    if path.exists():
        raise WireError(f"{path} is there already", remedy="keep it, or move it away first: it cannot be made again")
    with replacing(path) as file:
        json.dump(fields, file, indent=2)
        file.write("\n")


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _not_written(path: Path, error: OSError) -> WireError:
    return WireError(f"{path} cannot be written: {error.strerror}", remedy="choose a folder that you may write to")


def read(path: Path, format_: str, *, secret: bool = False) -> dict[str, Any]:
    """Return the JSON object of a file.

    Raises
    ------
    WireError
        If it cannot be read, is not of the format named, or is a secret that others can read.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise WireError(
            f"{path} cannot be read: {error.strerror}", remedy="give the file that rtstrf keys has written"
        ) from None
    if secret and os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise WireError(f"{path} is a secret that others can read", remedy=f"run: chmod 600 {path}")
    try:
        fields = json.loads(data) if len(data) <= FILE_LIMIT_BYTES else None
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or fields.get("format") != format_:
        raise WireError(f"{path} is not a file of the form {format_}", remedy="make it with: rtstrf keys")
    return fields
