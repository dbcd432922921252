"""The base of synthetic sounds: a sample depends on its index and the seed only, however it is read.

A sound is a function from sample indices to pressures, evaluated a page at a time. Pages always have the same length
and start at multiples of it, which keeps this true to the bit: how many elements a vectorised sine is given can change
its last digit.
"""

from __future__ import annotations

import math
import time
from abc import abstractmethod

import numpy as np

from rtstrf.errors import ConfigError, StreamError
from rtstrf.sound.source import Block, Source, SourceInfo

PAGE_SAMPLES = 4096


class SyntheticSource(Source):
    """Base of the synthetic sounds: subclasses give the pressure at sample indices.

    Parameters
    ----------
    kind, name : str
        As in `SourceInfo`.
    rate_hz : int
    duration_s : float, optional
        Endless where it is not given.
    details : dict
        The parameters, for the greeting on the wire.
    """

    def __init__(
        self, kind: str, name: str, rate_hz: int, duration_s: float | None, details: dict[str, object]
    ) -> None:
        if rate_hz != int(rate_hz) or rate_hz < 1:
            raise ConfigError(f"rate_hz of {kind} is {rate_hz}", remedy="give a positive whole number of hertz")
        if duration_s is not None and not (math.isfinite(duration_s) and round(duration_s * rate_hz) >= 1):
            raise ConfigError(f"duration_s of {kind} is {duration_s}", remedy="give seconds above 0, or none for ever")
        total = None if duration_s is None else round(duration_s * rate_hz)
        self.info = SourceInfo(kind, name, int(rate_hz), total_samples=total, details=details)
        self._position: int | None = None
        self._page_number = -1
        self._page = np.empty(0, dtype=np.float32)

    @abstractmethod
    def pressure_pa(self, index: np.ndarray) -> np.ndarray:
        """Return the pressure at consecutive sample indices: (n,) int64 -> (n,) float64; n is always PAGE_SAMPLES."""

    def open(self) -> None:
        self._position = 0

    def read(self, max_samples: int, timeout_s: float = 0.1) -> Block | None:
        if self._position is None:
            raise StreamError(f"{self.info.kind} is read before it is opened", remedy="use it in a with statement")
        total = self.info.total_samples
        count = max_samples if total is None else min(max_samples, total - self._position)
        if count <= 0 < max_samples:
            return None
        samples = np.empty(count, dtype=np.float32)
        filled = 0
        while filled < count:
            number, offset = divmod(self._position, PAGE_SAMPLES)
            piece = self._page_at(number)[offset : offset + count - filled]
            samples[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._position += len(piece)
        return Block(samples, time.monotonic_ns())

    def close(self) -> None:
        self._position = None

    def _page_at(self, number: int) -> np.ndarray:
        if number != self._page_number:
            index = number * PAGE_SAMPLES + np.arange(PAGE_SAMPLES, dtype=np.int64)
            self._page = self.pressure_pa(index).astype(np.float32)
            self._page_number = number
        return self._page
