"""The hand-over from an audio callback: a ring that one thread writes and another reads without holding it up.

The callback may only copy: no allocation, no lock that another thread could hold, no waiting. When the ring is full
it drops whole blocks and counts them. Each index is written by one side only and after the data it announces.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np

from rtstrf.errors import StreamError


@dataclass(frozen=True, slots=True)
class Captured:
    """What one callback captured.

    Attributes
    ----------
    frames : ndarray, shape (n, channels), float32
        A copy.
    end_ns : int
        Monotonic time of the end of the last sample.
    arrived_ns : int
        Monotonic time of the callback.
    flags : int
        The driver's.
    dropped_frames : int
        Frames dropped just before, because the ring was full.
    """

    frames: np.ndarray
    end_ns: int
    arrived_ns: int
    flags: int
    dropped_frames: int


class CaptureRing:
    """Blocks of float32 frames with their times, from one writing to one reading thread.

    Parameters
    ----------
    capacity_frames : int
        Frames it holds.
    channels : int
    capacity_blocks : int
        Blocks it holds, of whatever length.

    Examples
    --------
    >>> ring = CaptureRing(100, channels=1, capacity_blocks=4)
    >>> ring.write(np.ones((60, 1), dtype=np.float32), 1, 1, 0), ring.write(np.ones((60, 1), dtype=np.float32), 2, 2, 0)
    (True, False)
    >>> ring.read(0.0).frames.shape, ring.dropped_frames
    ((60, 1), 60)
    """

    def __init__(self, capacity_frames: int, channels: int, capacity_blocks: int = 1024) -> None:
        if min(capacity_frames, channels, capacity_blocks) < 1:
            raise StreamError(
                f"a ring of {capacity_frames} frames, {channels} channels and {capacity_blocks} blocks",
                remedy="each is at least 1",
            )
        self._frames = np.zeros((capacity_frames, channels), dtype=np.float32)
        self._records = np.zeros((capacity_blocks, 5), dtype=np.int64)  # length, end, arrived, flags, dropped before
        self._frames_written = 0  # by the writer alone
        self._blocks_written = 0
        self._dropped_since = 0
        self.dropped_frames = 0
        self._frames_read = 0  # by the reader alone
        self._blocks_read = 0
        # A binary semaphore: held means nothing new. Releasing a lock never waits, as setting an Event can.
        self._nothing_new = threading.Lock()
        self._nothing_new.acquire()

    def write(self, frames: np.ndarray, end_ns: int, arrived_ns: int, flags: int) -> bool:
        """Copy a block in, or drop and count it where there is no room; for the writing thread.

        Parameters
        ----------
        frames : ndarray, shape (n, channels), float32
        end_ns, arrived_ns, flags : int
            As in `Captured`.
        """
        length = len(frames)
        capacity = len(self._frames)
        blocks = self._blocks_written
        if (
            blocks - self._blocks_read >= len(self._records)
            or self._frames_written + length - self._frames_read > capacity
        ):
            self._dropped_since += length
            self.dropped_frames += length
            return False
        start = self._frames_written % capacity
        before_wrap = min(length, capacity - start)
        self._frames[start : start + before_wrap] = frames[:before_wrap]
        self._frames[: length - before_wrap] = frames[before_wrap:]
        self._records[blocks % len(self._records)] = (length, end_ns, arrived_ns, flags, self._dropped_since)
        self._dropped_since = 0
        self._frames_written += length
        self._blocks_written = blocks + 1  # last: it announces the block
        self.wake()
        return True

    def read(self, timeout_s: float) -> Captured | None:
        """Return the oldest block, waiting for one until the time-out; None where none came; for the reading thread."""
        deadline = time.monotonic() + timeout_s
        while self._blocks_read == self._blocks_written:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0 or not self._nothing_new.acquire(timeout=remaining_s):
                break
        if self._blocks_read == self._blocks_written:
            return None
        length, end_ns, arrived_ns, flags, dropped = self._records[self._blocks_read % len(self._records)].tolist()
        frames = np.empty((length, self._frames.shape[1]), dtype=np.float32)
        capacity = len(self._frames)
        start = self._frames_read % capacity
        before_wrap = min(length, capacity - start)
        frames[:before_wrap] = self._frames[start : start + before_wrap]
        frames[before_wrap:] = self._frames[: length - before_wrap]
        self._frames_read += length
        self._blocks_read += 1  # last: it frees the room
        return Captured(frames, end_ns, arrived_ns, flags, dropped)

    def wake(self) -> None:
        """Let the reader look again; never waits, and may be called from any thread."""
        try:
            self._nothing_new.release()
        except RuntimeError:  # it was released already, and the reader has not looked yet
            return
