"""Sound files of any rate and channel count, read as they are played."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np

from rtstrf.errors import SoundError, StreamError
from rtstrf.extras import require
from rtstrf.sound.level import db_spl_to_pa
from rtstrf.sound.mix import check_channel, require_finite, to_mono_pa
from rtstrf.sound.source import Block, Source, SourceInfo

# The file is read in pages of one length, however it is asked for: MP3 decoders round otherwise for other lengths.
PAGE_FRAMES = 4096

# libsndfile corrects the size of a data chunk that reaches past the end of the file and says so only in its log.
_CUT_SHORT = re.compile(r"(?:data|SSND|Data Size|riff)\s*:\s*(\d+) \(should be (\d+)\)")
_SIZE_UNKNOWN_BYTES = 0x7FFF0000  # writers to a pipe, who cannot go back and fill in the size, put such a value
_LARGEST_OGG_PAGE_BYTES = 65307


class FileSource(Source):
    """A sound file: WAV, FLAC, OGG, MP3 and whatever else libsndfile reads, recognised by content, not by suffix.

    Parameters
    ----------
    path : path-like
        The file.
    channel : int, optional
        Channel to hear, from 0; the mean of all where it is not given.
    loop : bool
        Begin again at the end, without a gap, for ever.
    full_scale_db_spl : float
        Level of a sample of 1.0. The default, 94, is 1 Pa, so that float files in pascals are taken as they are,
        above 1.0 too.

    Raises
    ------
    ConfigError
        If `full_scale_db_spl` is no level of a sound.
    SoundError
        If the file is missing, a directory, empty, cut short or no sound, or has no such channel; when it is read,
        if a sample is NaN or infinite (the message says which).

    Examples
    --------
    >>> import tempfile, soundfile
    >>> path = tempfile.mkdtemp() + "/two.wav"
    >>> soundfile.write(path, np.full((100, 2), 0.5), 8000)
    >>> with FileSource(path) as source:
    ...     print(source.info.rate_hz, source.info.channels, [len(source.read(64).samples) for _ in range(2)])
    8000 2 [64, 36]
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        channel: int | None = None,
        loop: bool = False,
        full_scale_db_spl: float = 94.0,
    ) -> None:
        self.path = Path(path).expanduser()
        self.channel = channel
        self.loop = loop
        self._pa_per_unit = db_spl_to_pa(full_scale_db_spl, "full_scale_db_spl")
        self._soundfile = require("soundfile", "sound", system_hint="install libsndfile: sudo apt install libsndfile1")
        self._file: Any = None
        self._position = 0  # of the next page
        self._page = np.empty(0, dtype=np.float32)  # what is left of this one
        with self._open_checked() as file:
            check_channel(channel, file.channels, str(self.path))
            self._frames = int(file.frames)
            self.info = SourceInfo(
                kind="file",
                name=self.path.name,
                rate_hz=int(file.samplerate),
                channels=int(file.channels),
                full_scale_db_spl=full_scale_db_spl,
                total_samples=None if loop else self._frames,
                details={"path": str(self.path), "format": file.format, "subtype": file.subtype, "loop": loop},
            )

    def open(self) -> None:
        self.close()
        self._file = self._open_checked()
        self._position = 0
        self._page = np.empty(0, dtype=np.float32)

    def read(self, max_samples: int, timeout_s: float = 0.1) -> Block | None:
        if self._file is None:
            raise StreamError(f"{self.path} is read before it is opened", remedy="use it in a with statement")
        parts = [self._page[:max_samples]]
        self._page = self._page[max_samples:]
        missing = max_samples - len(parts[0])
        while missing > 0 and (page := self._next_page()) is not None:
            parts.append(page[:missing])
            self._page = page[missing:]
            missing -= len(parts[-1])
        samples = np.concatenate(parts)
        if len(samples) == 0 < max_samples:
            return None
        return Block(samples, time.monotonic_ns())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _next_page(self) -> np.ndarray | None:
        """Return the samples, shape (n,), of the next page of the file; None at its end."""
        if self._position == self._frames:
            if not self.loop:
                return None
            self._file.seek(0)
            self._position = 0
        count = min(PAGE_FRAMES, self._frames - self._position)
        try:
            frames = self._file.read(count, dtype="float32", always_2d=True)
        except (self._soundfile.LibsndfileError, ValueError) as error:  # a damaged MP3 is read past its end
            raise self._cut_short(self._position) from error
        if len(frames) < count:
            raise self._cut_short(self._position + len(frames))
        samples = to_mono_pa(frames, self.channel, self._pa_per_unit)  # (n, channels) -> (n,)
        require_finite(samples, self._position, self.info.rate_hz, str(self.path))
        self._position += count
        return samples

    def _open_checked(self) -> Any:
        """Open the file, and make sure that it can be read to its end."""
        path = self.path
        if not path.exists():
            raise SoundError(f"no sound file {path}", remedy=_nearby(path))
        if path.is_dir():
            raise SoundError(f"{path} is a directory, not a sound file", remedy="give one file of it")
        if not path.is_file():  # opening a pipe would wait for its writer
            raise SoundError(
                f"{path} is a pipe or device, not a file",
                remedy="give a file, or send raw samples to standard input with the source 'stdin'",
            )
        if path.stat().st_size == 0:
            raise SoundError(f"the sound file {path} is empty (0 bytes)", remedy="copy or record it again")
        try:
            file = self._soundfile.SoundFile(os.fspath(path))
        except self._soundfile.LibsndfileError as error:
            raise SoundError(
                f"{path} cannot be read as sound: {error.error_string}",
                remedy="give a WAV, FLAC, OGG or MP3 file, or convert it, for example: ffmpeg -i INPUT output.wav",
            ) from error
        try:
            self._check_to_the_end(file)
        except BaseException:
            file.close()
            raise
        return file

    def _check_to_the_end(self, file: Any) -> None:
        if file.frames == 0:
            raise SoundError(f"the sound file {self.path} holds no samples", remedy="record or export it again")
        for declared, found in _CUT_SHORT.findall(file.extra_info):
            if int(found) + 8 < int(declared) < _SIZE_UNKNOWN_BYTES:  # 8: header bytes that some writers count twice
                raise self._cut_short(file.frames, f"its header declares {declared} bytes, {found} are there")
        if file.format == "OGG" and not _has_last_ogg_page(self.path):
            raise self._cut_short(file.frames, "its last page is missing")
        try:  # FLAC and MP3 keep their length in the header: only the last sample shows that it is there
            file.seek(file.frames - 1)
            complete = len(file.read(1)) == 1
            file.seek(0)
        except (self._soundfile.LibsndfileError, ValueError) as error:
            raise self._cut_short(None) from error
        if not complete:
            raise self._cut_short(None)

    def _cut_short(self, sample: int | None, why: str = "its header declares more than is there") -> SoundError:
        where = "" if sample is None else f" after sample {sample}"
        return SoundError(
            f"the sound file {self.path} is cut short{where}: {why}",
            remedy="copy it again, or keep what is there with: ffmpeg -i INPUT output.wav",
        )


def _has_last_ogg_page(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2 * _LARGEST_OGG_PAGE_BYTES))
        tail = file.read()
    page = tail.rfind(b"OggS")
    return page >= 0 and page + 5 < len(tail) and bool(tail[page + 5] & 4)  # bit 2 of the flags: end of stream


def _nearby(path: Path) -> str:
    """Return the remedy for a missing file: what is there instead."""
    if not path.parent.is_dir():
        return f"there is no directory {path.parent} either; check the path"
    return f"check the name, or list what is there with: ls {path.parent}"
