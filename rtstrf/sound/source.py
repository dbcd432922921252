"""What every source of sound is: one channel in pascals, in blocks, with the time of capture.

A source never resamples, never paces and never fills gaps: it says what it captured, when, and what it lost.
`pace.Paced` gives a file the clock of a device; the engine turns blocks into hops.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

import numpy as np

_S = TypeVar("_S", bound="Source")


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples of one channel.

    Attributes
    ----------
    samples : ndarray, shape (n,), float32, pascals
        Any length, 0 included (nothing arrived within the time-out).
    t_ns : int
        Monotonic clock (``time.monotonic_ns``) when the last sample was captured.
    lost_samples : int
        Samples of the source's clock that were lost just before the first of this block.
    stream : str or None
        The stream it belongs to, told to sinks where an engine hosts several; a source does not set it.
    """

    samples: np.ndarray
    t_ns: int
    lost_samples: int = 0
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a consumer may want to know of a source; sent in the greeting on the wire.

    Attributes
    ----------
    kind : str
        ``microphone``, ``file``, ``tone``...
    name : str
        The device or file, as a person would name it.
    rate_hz : int
        Samples per second at which it delivers.
    channels : int
        Channels found; they are averaged unless one was chosen.
    full_scale_db_spl : float
        Level that corresponds to a sample of 1.0 before conversion to pascals.
    reported_latency_ms : float
        Input latency as the driver reports it; 0 for files and synthetic sound.
    total_samples : int or None
        Length where it is known, None for an endless source.
    details : dict
        Anything else, JSON-serialisable.
    """

    kind: str
    name: str
    rate_hz: int
    channels: int = 1
    full_scale_db_spl: float = 94.0
    reported_latency_ms: float = 0.0
    total_samples: int | None = None
    details: dict[str, object] = field(default_factory=dict)


class Source(ABC):
    """One channel of sound in pascals, read in blocks.

    Use it as a context manager: the device or file is opened on entry and closed on exit. `info` is valid before that.

    Attributes
    ----------
    info : SourceInfo
    live : bool
        True where a device's clock sets the pace; such a source cannot be hurried or paused.
    comes_back : bool
        Whether it can be opened again after it was lost, as a device that is unplugged and plugged in again.
    can_wait : bool
        False where sound is lost if nobody reads it in time, as from a device; a file and a pipe can be held back.
    non_finite_samples : int
        Samples that a device delivered as NaN or infinity and that are heard as zeros, so far.
    xruns : int
        Overflows the device reported or that the sample count proved, so far.
    """

    info: SourceInfo
    live: bool = False
    can_wait: bool = True
    comes_back: bool = False
    xruns: int = 0
    non_finite_samples: int = 0

    @abstractmethod
    def open(self) -> None:
        """Open the device or file; raises SoundError with a remedy where that fails."""

    @abstractmethod
    def read(self, max_samples: int, timeout_s: float = 0.1) -> Block | None:
        """Return the next block, of at most `max_samples`; None when the sound has ended.

        A live source waits until something has been captured or the time-out has passed (then the block is
        empty). A passive one returns exactly `max_samples` at once, fewer at the end of the sound.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the device or file; may be called twice."""

    def __enter__(self: _S) -> _S:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
