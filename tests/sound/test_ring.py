"""The hand-over from the callback: nothing is lost unseen, mixed up, or waited for."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.errors import StreamError
from rtstrf.sound.ring import Captured, CaptureRing

LONG_S = 60.0  # a time-out that no test waits for


def block(start: int, count: int, channels: int = 2) -> np.ndarray:
    """Return frames that say which they are, shape (count, channels)."""
    return (start + np.arange(count, dtype=np.float32))[:, None] * np.ones(channels, dtype=np.float32)


def drain(ring: CaptureRing) -> list[Captured]:
    captured = []
    while (one := ring.read(0.0)) is not None:
        captured.append(one)
    return captured


@given(st.lists(st.one_of(st.integers(0, 40), st.none()), max_size=60), st.integers(1, 100), st.integers(1, 6))
def test_blocks_come_out_as_they_went_in_and_what_did_not_fit_is_counted(
    steps: list[int | None], capacity_frames: int, capacity_blocks: int
) -> None:
    ring = CaptureRing(capacity_frames, channels=2, capacity_blocks=capacity_blocks)
    expected: list[tuple[int, int, int]] = []  # start, length, dropped before
    waiting = dropped = position = 0
    for number, step in enumerate(steps):
        if step is not None:
            fits = len(expected) < capacity_blocks and waiting + step <= capacity_frames
            assert ring.write(block(position, step), 1000 + number, 2000 + number, number) is fits
            if fits:
                expected.append((position, step, dropped))
                waiting, dropped = waiting + step, 0
            else:
                dropped += step
            position += step
        else:
            captured = ring.read(0.0)
            assert (captured is None) == (not expected)
            if captured is not None:
                start, length, lost = expected.pop(0)
                assert captured.frames.tobytes() == block(start, length).tobytes()
                assert captured.dropped_frames == lost
                assert captured.arrived_ns == captured.end_ns + 1000
                waiting -= length
    assert [len(captured.frames) for captured in drain(ring)] == [length for _, length, _ in expected]


def test_a_block_may_be_overwritten_once_it_was_written() -> None:
    ring = CaptureRing(10, channels=1)
    frames = np.ones((4, 1), dtype=np.float32)
    ring.write(frames, 0, 0, 0)
    frames[:] = 7
    captured = ring.read(0.0)
    assert captured is not None
    assert (captured.frames == 1).all()
    ring.write(frames, 0, 0, 0)
    assert (captured.frames == 1).all()


def test_two_threads_hand_over_every_frame_in_order_or_count_it() -> None:
    ring = CaptureRing(997, channels=2, capacity_blocks=16)
    blocks, length = 4000, 61
    finished = threading.Event()

    def write() -> None:
        for number in range(blocks):
            ring.write(block(number * length, length), number, number, 0)
        finished.set()
        ring.wake()

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # many more interleavings
    try:
        writer = threading.Thread(target=write)
        writer.start()
        position = 0
        while True:
            captured = ring.read(LONG_S)
            if captured is None:
                if finished.is_set() and (captured := ring.read(0.0)) is None:
                    break
                if captured is None:
                    continue
            position += captured.dropped_frames
            assert captured.frames.tobytes() == block(position, length).tobytes()
            position += length
            if finished.is_set() and position + ring._dropped_since == blocks * length:
                break
        writer.join()
    finally:
        sys.setswitchinterval(interval_s)
    assert position + ring._dropped_since == blocks * length


def test_a_reader_that_waits_is_woken_by_a_block() -> None:
    ring = CaptureRing(100, channels=1)
    heard: list[Captured | None] = []
    reader = threading.Thread(target=lambda: heard.append(ring.read(LONG_S)))
    reader.start()
    ring.write(block(0, 10, 1), 0, 0, 0)
    reader.join(LONG_S)
    assert not reader.is_alive()
    assert heard[0] is not None
    assert len(heard[0].frames) == 10


def test_waking_a_reader_for_nothing_does_no_harm() -> None:
    ring = CaptureRing(100, channels=1)
    for _ in range(3):
        ring.wake()
    assert ring.read(0.001) is None
    ring.write(block(0, 1, 1), 0, 0, 0)
    assert ring.read(0.0) is not None


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(0, 2))
def test_a_ring_without_room_is_a_mistake_of_the_caller(good: int, which: int) -> None:
    sizes = [good, good, good]
    sizes[which] = 0
    with pytest.raises(StreamError, match="a ring of"):
        CaptureRing(*sizes)
