"""The files of one stream in a recording, as they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rtstrf.record.appending import Appending, GrowingArray
from rtstrf.record.layout import BLOCK_COLUMNS, MESSAGE_COLUMNS, messages_of
from rtstrf.sound.source import Block


class StreamFiles:
    """Sound, rates and topics of a stream.

    Parameters
    ----------
    folder : Path
        It is created.
    run_start_ns : int
        Start of the run on the monotonic clock.

    Attributes
    ----------
    files : dict of str to Appending
        By name; arrays come into being with their first row.
    sound_end : int or None
        Position on the source's clock up to which sound is recorded; None before there is any.
    rates_end : int or None
        Bin up to which rates are recorded; None before there are any.
    messages : int
        Messages of rates so far.
    """

    def __init__(self, folder: Path, run_start_ns: int) -> None:
        folder.mkdir()
        self.folder = folder
        self.files: dict[str, Appending] = {}
        self.sound_end: int | None = None
        self.rates_end: int | None = None
        self.messages = 0
        self._run_start_ns = run_start_ns

    def sound(self, block: Block, at_sample: int) -> bool:
        """Add a block, and tell whether it follows on the one before."""
        begins, count = at_sample - block.lost_samples, len(block.samples)
        if not count and not block.lost_samples:
            return True
        follows = self.sound_end is None or begins == self.sound_end
        self.sound_end = at_sample + count
        self._array("sound.npy", "<f4", ()).append(block.samples)
        row = (at_sample, count, block.lost_samples, block.t_ns - self._run_start_ns)
        self._array("blocks.npy", "<i8", (len(BLOCK_COLUMNS),)).append(np.array([row], dtype=np.int64))
        return follows

    def rows(self, kind: str, header: dict[str, Any], rows: np.ndarray) -> bool:
        """Add the rows of a message, and tell whether it follows on the one before."""
        told = {**header, "n": len(rows)}
        self._array(f"{kind}.npy", "<f4", rows.shape[1:]).append(rows)
        table = self._array(messages_of(kind), "<i8", (len(MESSAGE_COLUMNS),))
        table.append(np.array([[int(told.get(column, 0)) for column in MESSAGE_COLUMNS]], dtype=np.int64))
        if kind != "rates":
            return True
        self.messages += 1
        follows = self.rates_end is None or told["i0"] - told.get("gap", 0) == self.rates_end
        self.rates_end = told["i0"] + told["n"]
        return follows

    def _array(self, name: str, dtype: str, row_shape: tuple[int, ...]) -> GrowingArray:
        if name not in self.files:
            self.files[name] = GrowingArray(self.folder / name, dtype, row_shape)
        array = self.files[name]
        assert isinstance(array, GrowingArray)
        return array
