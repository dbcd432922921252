"""Sounds for tests: samples as a passive source, and files of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from rtstrf.sound.source import Block, Source, SourceInfo


def bursts(samples: int, rate_hz: int, seed: int = 0) -> np.ndarray:
    """Return noise bursts and silences, shape (samples,), float32, pascals, peak about 0.5."""
    rng = np.random.default_rng(seed)
    envelope = np.repeat(rng.choice([0.0, 0.02, 0.2], size=samples // (rate_hz // 50) + 1), rate_hz // 50)[:samples]
    return (rng.normal(size=samples) * envelope).astype(np.float32)


def write_sound(path: Path, samples: np.ndarray, rate_hz: int, subtype: str = "FLOAT") -> Path:
    """Write a sound file and return its path."""
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


class ArraySource(Source):
    """Samples in memory as a passive source."""

    def __init__(self, samples: np.ndarray, rate_hz: int, *, total_known: bool = True) -> None:
        self.samples = np.asarray(samples, dtype=np.float32)
        total = len(self.samples) if total_known else None
        self.info = SourceInfo("array", "samples", rate_hz, total_samples=total)
        self.position = 0

    def open(self) -> None:
        self.position = 0

    def read(self, max_samples: int, timeout_s: float = 0.1) -> Block | None:
        block = self.samples[self.position : self.position + max_samples]
        self.position += len(block)
        return Block(block, 0) if len(block) else None

    def close(self) -> None:
        return
