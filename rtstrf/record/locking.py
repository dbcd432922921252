"""Whether a recording is being written: a lock that ends with the process that holds it, however it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rtstrf.errors import RecordError

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows has no such lock: a recording is not to be repaired there while it is written
    fcntl = None


def lock(descriptor: int, folder: Path) -> None:
    """Take the lock of a recording through its open `seals.jsonl`.

    Raises
    ------
    RecordError
        If another process has it.
    """
    if not try_lock(descriptor):
        raise RecordError(f"{folder} is being written by another process", remedy="wait until that recording has ended")


def try_lock(descriptor: int) -> bool:
    """Take the lock, and tell whether nobody else had it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def is_written(seals: Path) -> bool:
    """Tell whether a process is writing the recording whose seals these are."""
    with seals.open("rb") as file:
        return not try_lock(file.fileno())
