"""Pacing: a passive source gets the clock of a device."""

from __future__ import annotations

import math
import threading
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.errors import ConfigError
from rtstrf.sound.microphone import MicrophoneSource
from rtstrf.sound.pace import Paced
from rtstrf.sound.source import Block
from rtstrf.sound.synthetic import NoiseSource, SilenceSource, ToneSource

LONG_S = 60.0  # a time-out that no test waits for


def test_every_block_has_the_time_at_which_its_last_sample_would_have_been_captured() -> None:
    start_ns = time.monotonic_ns()
    with Paced(ToneSource(rate_hz=44100), speed=20.0) as source:
        source.start(start_ns)
        position = 0
        for length in (240, 1, 77, 4410):
            block = source.read(length, LONG_S)
            assert block is not None
            position += length
            assert block.t_ns == start_ns + math.floor(Fraction(position * 10**9, 44100 * 20))


def test_no_block_comes_before_its_time() -> None:
    with Paced(NoiseSource(duration_s=1.0), speed=10.0) as source:
        while (block := source.read(1000, LONG_S)) is not None:
            assert time.monotonic_ns() >= block.t_ns


def test_a_short_block_at_the_end_has_its_own_time() -> None:
    start_ns = time.monotonic_ns() - 10**9
    with Paced(SilenceSource(duration_s=0.02)) as source:  # 960 samples
        source.start(start_ns)
        blocks = [source.read(700, LONG_S) for _ in range(2)]
    assert [len(block.samples) for block in blocks if block is not None] == [700, 260]
    assert blocks[1] is not None
    assert blocks[1].t_ns == start_ns + 20_000_000


def test_a_reader_who_is_late_gets_what_waits_at_once_with_its_own_times() -> None:
    start_ns = time.monotonic_ns() - 10_000_000_000
    with Paced(SilenceSource()) as source:
        source.start(start_ns)
        blocks = [source.read(240, 0.0) for _ in range(100)]  # a time-out of 0: none had to be waited for
    times_ns = [block.t_ns for block in blocks if block is not None and len(block.samples) == 240]
    assert times_ns == [start_ns + (number + 1) * 5_000_000 for number in range(100)]


@settings(deadline=None, max_examples=30)
@given(lengths=st.lists(st.integers(0, 3000), max_size=10), speed=st.sampled_from([None, math.inf, 1e6]))
def test_the_samples_are_those_of_the_source(lengths: list[int], speed: float | None) -> None:
    with NoiseSource(duration_s=0.2) as source:
        whole = source.read(9600)
    heard = []
    with Paced(NoiseSource(duration_s=0.2), speed) as paced:
        for length in [*lengths, *[1000] * 10]:
            block = paced.read(length, LONG_S)
            if block is not None:
                heard.append(block.samples)
        assert paced.read(1000, LONG_S) is None
    assert whole is not None
    assert np.concatenate(heard).tobytes() == whole.samples.tobytes()


def test_a_time_out_gives_an_empty_block_and_loses_nothing() -> None:
    with Paced(ToneSource()) as source, ToneSource() as same:
        source.start(time.monotonic_ns() + 10**9 * 3600)
        for _ in range(3):
            empty = source.read(1000, 0.001)
            assert empty is not None
            assert len(empty.samples) == 0
        source.start(time.monotonic_ns() - 10**9)
        first, rest, expected = source.read(600), source.read(1000), same.read(1000)
    assert first is not None
    assert rest is not None
    assert expected is not None
    assert np.concatenate([first.samples, rest.samples])[:1000].tobytes() == expected.samples.tobytes()


def test_waiting_ends_when_the_source_is_woken() -> None:
    with Paced(SilenceSource()) as source:
        source.start(time.monotonic_ns() + 10**9 * 3600)
        blocks: list[Block | None] = []
        reader = threading.Thread(target=lambda: blocks.append(source.read(240, 3600.0)))
        reader.start()
        source.wake()
        reader.join(LONG_S)
        assert not reader.is_alive()
        again = source.read(240, 3600.0)
    assert [len(block.samples) for block in (*blocks, again) if block is not None] == [0, 0]


def test_waiting_ends_when_an_event_given_to_it_is_set() -> None:
    stop = threading.Event()
    stop.set()
    with Paced(SilenceSource(), stop=stop) as source:
        for start_ns in (time.monotonic_ns(), time.monotonic_ns() - 3600 * 10**9):  # to wait for, and waiting
            source.start(start_ns)
            block = source.read(48000, 3600.0)
            assert block is not None
            assert len(block.samples) == 0


@pytest.mark.parametrize(("speed", "live"), [(1.0, True), (0.5, True), (None, False), (math.inf, False)])
def test_it_is_live_where_a_clock_sets_the_pace(speed: float | None, live: bool) -> None:
    assert Paced(SilenceSource(), speed).live is live


def test_it_starts_from_the_beginning_when_opened_again() -> None:
    paced = Paced(ToneSource(duration_s=0.1), None)
    firsts = []
    for _ in range(2):
        with paced:
            block = paced.read(100)
            assert block is not None
            firsts.append(block.samples.tobytes())
    assert firsts[0] == firsts[1]


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_a_speed_that_cannot_be_is_refused(speed: float) -> None:
    with pytest.raises(ConfigError, match="a speed of"):
        Paced(SilenceSource(), speed)


def test_a_source_with_a_clock_of_its_own_is_refused() -> None:
    class Live(SilenceSource):
        live = MicrophoneSource.live

    with pytest.raises(ConfigError, match="has a clock of its own"):
        Paced(Live())
