"""Files that only grow: an array on disk, a log of lines. What was written once stays where it is.

Both keep what they are given until `write`, say how much they hold, and can be cut back to a length they had.
"""

from __future__ import annotations

import hashlib
import io
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

HEADER_BYTES = 128  # of an array: NumPy leaves room in it for the shape to grow


class Appending(ABC):
    """A file that grows.

    Parameters
    ----------
    path : Path
        It must not exist.

    Attributes
    ----------
    length : int
        Rows, or bytes, that are written.

    Raises
    ------
    OSError
        From every method, where the system refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = 0
        self._file = io.FileIO(path, "x+")  # unbuffered: what is written outlives this process

    @abstractmethod
    def take(self) -> tuple[int, bytes]:
        """Return what is to be written, as its length and its bytes, and forget it."""

    @abstractmethod
    def offset_of(self, length: int) -> int:
        """Return where in the file that length ends."""

    def write(self) -> str | None:
        """Append what was given since the last time, and return the SHA-256 of it; None where nothing was."""
        length, data = self.take()
        if not length:
            return None
        write_all(self._file, data)
        self.length += length
        return hashlib.sha256(data).hexdigest()

    @abstractmethod
    def settle(self) -> None:
        """Let the file say how long it is."""

    def cut_back(self, length: int) -> None:
        """Take back what was written after a length it had."""
        self.take()
        self._file.truncate(self.offset_of(length))
        self.length = length
        self._file.seek(0, io.SEEK_END)
        self.settle()

    def fileno(self) -> int:
        """Return the descriptor, to be synchronised or locked."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file; what was given and not written is lost."""
        self._file.close()


class GrowingArray(Appending):
    """A `.npy` file, format 1.0, that grows along its first axis, and can be read whenever it is.

    Parameters
    ----------
    path : Path
    dtype : str
        ``<f4`` or ``<i8``.
    row_shape : tuple of int
        Shape of a row; () where a row is one number.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     array = GrowingArray(Path(folder, "rates.npy"), "<f4", (3,))
    ...     array.append(np.ones((2, 3), dtype=np.float32))
    ...     digest = array.write()
    ...     array.settle()
    ...     shape = np.load(array.path).shape
    ...     array.close()
    >>> shape
    (2, 3)
    """

    def __init__(self, path: Path, dtype: str, row_shape: tuple[int, ...] = ()) -> None:
        super().__init__(path)
        self.dtype = np.dtype(dtype)
        self.row_shape = row_shape
        self._row_bytes = self.dtype.itemsize * int(np.prod(row_shape, dtype=np.int64))
        self._parts: list[np.ndarray] = []
        self._settled = -1
        self.settle()

    def append(self, rows: np.ndarray) -> None:
        """Give rows, (n, *row_shape); they are not copied before they are written."""
        if rows.shape[1:] != self.row_shape:
            raise ValueError(f"rows of shape {rows.shape[1:]} in {self.path.name}, which has {self.row_shape}")
        if len(rows):
            self._parts.append(rows)

    def take(self) -> tuple[int, bytes]:
        parts, self._parts = self._parts, []
        if not parts:
            return 0, b""
        rows = np.concatenate(parts, dtype=self.dtype, casting="same_kind")
        return len(rows), rows.tobytes()

    def offset_of(self, length: int) -> int:
        return HEADER_BYTES + length * self._row_bytes

    def settle(self) -> None:
        if self.length == self._settled:
            return
        header = array_header(self.length, self.dtype, self.row_shape)
        self._file.seek(0)
        write_all(self._file, header)
        self._file.seek(0, io.SEEK_END)
        self._settled = self.length


class GrowingLines(Appending):
    """A file of JSON lines; its length is in bytes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lines: list[bytes] = []

    def append(self, line: dict[str, Any]) -> None:
        """Give a line."""
        self._lines.append(json_line(line))

    def take(self) -> tuple[int, bytes]:
        data = b"".join(self._lines)
        self._lines = []
        return len(data), data

    def offset_of(self, length: int) -> int:
        return length

    def settle(self) -> None:
        pass  # a file of lines is as long as it is


def array_header(rows: int, dtype: np.dtype, row_shape: tuple[int, ...]) -> bytes:
    """Return the header of a `.npy` file, `HEADER_BYTES` long however many rows it has."""
    out = io.BytesIO()
    told = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (rows, *row_shape)}
    np.lib.format.write_array_header_1_0(out, told)
    header = out.getvalue()
    if len(header) != HEADER_BYTES:
        raise ValueError(f"a header of {len(header)} bytes for rows of shape {row_shape}")
    return header


def json_line(line: dict[str, Any]) -> bytes:
    """Return an object as one line of UTF-8; what is neither a number nor text is written as text."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=_plain).encode() + b"\n"


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def write_all(file: io.FileIO, data: bytes) -> None:
    """Write all of it: the system may take less at a time, as where the disk fills up."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
