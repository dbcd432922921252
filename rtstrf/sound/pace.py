"""The clock of a device for sounds that have none: files and synthetic sounds as if they were captured now."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np

from rtstrf.errors import ConfigError
from rtstrf.sound.source import Block, Source

_NS_PER_S = 1_000_000_000


class Paced(Source):
    """Play a passive source at the pace of a clock.

    A block is delivered when its last sample would have been captured. Deadlines count from the start, so that
    lateness never adds up; a reader who is late gets the waiting blocks at once, each with its own time.

    Parameters
    ----------
    source : Source
        A file or a synthetic sound; not one that has a clock of its own.
    speed : float, optional
        1 is real time, 2 twice as fast; None or infinity is as fast as it is read, with the time of delivery.
    stop : threading.Event, optional
        Ends the waiting: once set, `read` returns an empty block at once. `wake` sets it.

    Raises
    ------
    ConfigError
        If the source is live, or the speed is not above 0.

    Examples
    --------
    >>> from rtstrf.sound.synthetic import ToneSource
    >>> with Paced(ToneSource(), speed=100.0) as source:
    ...     first, second = source.read(4800, timeout_s=5.0), source.read(4800, timeout_s=5.0)
    >>> second.t_ns - first.t_ns
    1000000
    """

    def __init__(self, source: Source, speed: float | None = 1.0, *, stop: threading.Event | None = None) -> None:
        if source.live:
            raise ConfigError(f"{source.info.kind} has a clock of its own", remedy="read it without Paced")
        if speed is not None and not speed > 0:
            raise ConfigError(f"a speed of {speed}", remedy="give a number above 0; 1 is real time")
        self.source = source
        self.speed = None if speed is None or math.isinf(speed) else float(speed)
        self.live = self.speed is not None
        self.can_wait = not self.live  # with a pace it stands for a device
        self.comes_back = source.comes_back
        self.info = source.info
        self._samples, self._in_s = (Fraction(self.info.rate_hz) * Fraction(self.speed or 1)).as_integer_ratio()
        self._stop = threading.Event() if stop is None else stop
        self._start_ns: int | None = None
        self._position = 0  # samples delivered
        self._waiting: Block | None = None

    def open(self) -> None:
        self.source.open()
        self._start_ns = None
        self._position = 0
        self._waiting = None

    def start(self, at_ns: int | None = None) -> None:
        """Fix the time (``time.monotonic_ns``) at which the first sample begins; without it, the first `read` does."""
        self._start_ns = time.monotonic_ns() if at_ns is None else at_ns

    def wake(self) -> None:
        """End the waiting of `read`, now and from now on; safe from any thread and from a signal handler's thread."""
        self._stop.set()

    def read(self, max_samples: int, timeout_s: float = 0.1) -> Block | None:
        if self._stop.is_set():
            return _empty_block()
        if self._waiting is None:
            self._waiting = self.source.read(max_samples)  # ahead of its time, so that a slow disk does not delay it
        if self._waiting is None or self.speed is None:
            return self._take(max_samples)
        if self._start_ns is None:
            self.start()
        count = min(max_samples, len(self._waiting.samples))
        wait_s = (self.captured_ns(self._position + count) - time.monotonic_ns()) / _NS_PER_S
        if wait_s > timeout_s:
            self._stop.wait(timeout_s)
            return _empty_block()
        if wait_s > 0 and self._stop.wait(wait_s):
            return _empty_block()
        return self._take(max_samples)

    def captured_ns(self, samples: int) -> int:
        """Return the monotonic time at which that many samples have been captured, from the start of the clock."""
        assert self._start_ns is not None
        return self._start_ns + samples * _NS_PER_S * self._in_s // self._samples  # whole numbers: exact, and quick

    def close(self) -> None:
        self.source.close()

    def _take(self, max_samples: int) -> Block | None:
        """Deliver the waiting block or, if fewer samples are asked for than were before, its beginning."""
        block = self._waiting
        self._waiting = None
        if block is None:
            return None
        if len(block.samples) > max_samples:
            self._waiting = Block(block.samples[max_samples:], block.t_ns)
            block = replace(block, samples=block.samples[:max_samples])
        self._position += len(block.samples)
        return replace(block, t_ns=time.monotonic_ns() if self.speed is None else self.captured_ns(self._position))


def _empty_block() -> Block:
    return Block(np.empty(0, dtype=np.float32), time.monotonic_ns())
