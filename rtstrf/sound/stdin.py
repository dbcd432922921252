"""Raw PCM from standard input, for whatever can write samples to a pipe."""

from __future__ import annotations

import math
import os
import select
import sys
import time
from typing import BinaryIO

import numpy as np

from rtstrf.errors import ConfigError, SoundError, StreamError
from rtstrf.sound.level import db_spl_to_pa
from rtstrf.sound.mix import check_channel, require_finite, to_mono_pa
from rtstrf.sound.source import Block, Source, SourceInfo

_BYTES_PER_SAMPLE = {"s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4}


class StdinSource(Source):
    """Samples without a header from standard input; the writer's clock is the clock.

    Parameters
    ----------
    rate_hz : int
        What the writer sends; raw samples do not tell.
    channels : int
        Interleaved.
    dtype : {"s16le", "s24le", "s32le", "f32le"}
        Little-endian; the names are those of ffmpeg's and sox's raw formats.
    channel : int, optional
        Channel to hear, from 0; the mean of all where it is not given.
    full_scale_db_spl : float
        Level of a sample of 1.0.
    stream : binary file, optional
        Read instead of standard input.

    Notes
    -----
    A block is what the pipe held, up to the length asked for, with the time at which it was read. A pipe waits for
    its reader, so nothing is lost.

    Raises
    ------
    SoundError
        If standard input is closed, if it ends within a frame, which a wrong `dtype` or `channels` does too, or if a
        float sample is NaN or infinite.
    ConfigError
        If an option cannot be used.

    Examples
    --------
    >>> import io
    >>> with StdinSource(rate_hz=8000, stream=io.BytesIO(bytes([0, 64]))) as source:
    ...     source.read(10).samples.tolist(), source.read(10)
    ([0.5], None)
    """

    live = True

    def __init__(
        self,
        *,
        rate_hz: int = 48000,
        channels: int = 1,
        dtype: str = "s16le",
        channel: int | None = None,
        full_scale_db_spl: float = 94.0,
        stream: BinaryIO | None = None,
    ) -> None:
        if dtype not in _BYTES_PER_SAMPLE:
            raise ConfigError(f"dtype of stdin is {dtype!r}", remedy=f"one of {', '.join(_BYTES_PER_SAMPLE)}")
        for name, value in (("rate_hz", rate_hz), ("channels", channels)):
            if value != int(value) or value < 1:
                raise ConfigError(f"{name} of stdin is {value}", remedy="give a positive whole number")
        check_channel(channel, channels, "standard input")
        self.dtype = dtype
        self.channel = channel
        self._frame_bytes = _BYTES_PER_SAMPLE[dtype] * channels
        self._pa_per_unit = db_spl_to_pa(full_scale_db_spl, "full_scale_db_spl")
        self._given = stream
        self._stream: BinaryIO | None = None
        self._rest = b""
        self._position = 0
        self.info = SourceInfo(
            kind="stdin",
            name="standard input",
            rate_hz=int(rate_hz),
            channels=int(channels),
            full_scale_db_spl=full_scale_db_spl,
            details={"dtype": dtype},
        )

    def open(self) -> None:
        self._stream = _standard_input() if self._given is None else self._given
        self._rest = b""
        self._position = 0

    def read(self, max_samples: int, timeout_s: float = 0.1) -> Block | None:
        if self._stream is None:
            raise StreamError("stdin is read before it is opened", remedy="use it in a with statement")
        wanted = max_samples * self._frame_bytes
        deadline = time.monotonic() + timeout_s
        while len(self._rest) < min(wanted, self._frame_bytes):
            data = _read_some(self._stream, wanted - len(self._rest), deadline - time.monotonic())
            if data is None:
                return Block(np.empty(0, dtype=np.float32), time.monotonic_ns())
            if not data:
                self._require_whole_frames()
                return None
            self._rest += data
        whole = min(len(self._rest), wanted) // self._frame_bytes * self._frame_bytes
        data, self._rest = self._rest[:whole], self._rest[whole:]
        frames = decode_pcm(data, self.dtype).reshape(-1, self.info.channels)  # -> (n, channels)
        samples = to_mono_pa(frames, self.channel, self._pa_per_unit)  # -> (n,)
        require_finite(samples, self._position, self.info.rate_hz, self.info.name)
        self._position += len(samples)
        return Block(samples, time.monotonic_ns())

    def close(self) -> None:
        self._stream = None  # it is not ours to close

    def _require_whole_frames(self) -> None:
        if self._rest:
            raise SoundError(
                f"standard input ended within a frame: {len(self._rest)} of {self._frame_bytes} bytes after "
                f"{self._position} frames of {self.info.channels} x {self.dtype}",
                remedy="make dtype and channels what the writer sends, or have it write whole frames",
            )


def _standard_input() -> BinaryIO:
    stream = getattr(sys.stdin, "buffer", None)  # None where it is closed, and a notebook's has no bytes
    if stream is None or stream.closed:
        raise SoundError("standard input is closed", remedy="pipe samples into it: ffmpeg ... | rtstrf live ...")
    return stream


def decode_pcm(data: bytes, dtype: str) -> np.ndarray:
    """Return samples with full scale at 1.0, shape (n,), float32, of little-endian PCM.

    Examples
    --------
    >>> decode_pcm(bytes([0, 0, 64, 0, 0, 192]), "s24le").tolist()
    [0.5, -0.5]
    """
    if dtype == "f32le":
        return np.frombuffer(data, dtype="<f4").astype(np.float32)
    if dtype == "s24le":
        padded = np.zeros((len(data) // 3, 4), dtype=np.uint8)  # the low byte of 32 bits stays 0
        padded[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
        return padded.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    integers = np.frombuffer(data, dtype="<i2" if dtype == "s16le" else "<i4")
    return integers.astype(np.float32) / np.float32(2**15 if dtype == "s16le" else 2**31)


def _read_some(stream: BinaryIO, max_bytes: int, timeout_s: float) -> bytes | None:
    """Return what is there, at least a byte; b"" at the end, None when the time-out has passed."""
    try:
        descriptor = stream.fileno()
    except (OSError, AttributeError):  # a buffer in memory
        return stream.read(max_bytes)
    if os.name == "posix":  # elsewhere select knows sockets only: there a read waits for the writer
        ready, _, _ = select.select([descriptor], [], [], None if math.isinf(timeout_s) else max(0.0, timeout_s))
        if not ready:
            return None
    return os.read(descriptor, max_bytes)
