"""Keeping the sound as it was heard, so that a session can be replayed to the bit."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from rtstrf.errors import SoundError
from rtstrf.extras import require
from rtstrf.sound.source import Block


class SoundKeeper:
    """Write blocks to a float WAV in pascals, lost samples as zeros.

    Parameters
    ----------
    path : str
        The file, which appears under this name when it is complete; until then it ends in ``.part``.
    rate_hz : int

    Raises
    ------
    SoundError
        If it cannot be written.
    """

    def __init__(self, path: str, rate_hz: int) -> None:
        soundfile = require("soundfile", "sound")
        self._path = Path(path)
        if self._path.exists():
            raise SoundError(
                f"{path} exists and would be replaced by the sound of this session", remedy="choose another name"
            )
        self._part = self._path.with_name(self._path.name + ".part")
        try:
            # RF64 is WAV that may exceed 4 GB.
            self._file: Any = soundfile.SoundFile(
                self._part, "w", samplerate=rate_hz, channels=1, format="RF64", subtype="FLOAT"
            )
        except (soundfile.LibsndfileError, OSError) as error:
            raise SoundError(
                f"the sound cannot be kept in {path}: {error}",
                remedy="choose a folder that exists and may be written to",
            ) from error

    def write(self, block: Block) -> None:
        """Append a block."""
        if block.lost_samples:
            self._file.write(np.zeros(block.lost_samples, dtype=np.float32))
        self._file.write(block.samples)

    def close(self) -> None:
        """Complete the file; may be called twice. A session without any sound leaves none."""
        if self._file.closed:
            return
        if not self._file.frames:
            self.abandon()
            return
        self._file.close()
        os.replace(self._part, self._path)

    def abandon(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError, RuntimeError):  # a full disk may refuse the header that closing writes
            self._file.close()
        self._part.unlink(missing_ok=True)
