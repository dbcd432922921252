"""A device whose blocks come when the test hands them over."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

import numpy as np

from rtstrf.sound.source import Block, SourceInfo
from tests.support.live import DEADLINE_S, ScriptedSource, noise


class FedSource(ScriptedSource):
    """A device whose blocks come when the test hands them over."""

    def __init__(self, rate_hz: int = 48000) -> None:
        super().__init__([], rate_hz)
        self.info = SourceInfo("microphone", "fed", rate_hz)
        self._blocks: queue.Queue[Block | None] = queue.Queue()
        self.position = 0
        self._seed = 0

    def feed(self, samples: int, lost: int = 0) -> None:
        """Hand over noise, after a loss."""
        self._seed += 1
        self.position += samples + lost
        self._blocks.put(Block(noise(samples, self._seed), time.monotonic_ns(), lost))

    def finish(self) -> None:
        """End the sound."""
        self._blocks.put(None)

    def read(self, max_samples: int, timeout_s: float = 0.1) -> Block | None:
        try:
            return self._blocks.get(timeout=timeout_s)
        except queue.Empty:
            return Block(np.empty(0, dtype=np.float32), time.monotonic_ns())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
