"""Raw PCM from a pipe."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.errors import ConfigError, SoundError
from rtstrf.sound.stdin import StdinSource
from tests.sound.reading import read_all, read_blocks

LONG_S = 60.0  # a time-out that no test waits for


@pytest.fixture
def pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", buffering=0) as reader, os.fdopen(write_end, "wb", buffering=0) as writer:
        yield reader, writer


def encode(values: list[int], dtype: str) -> bytes:
    bits = int(dtype[1:3])
    return b"".join(value.to_bytes(bits // 8, "little", signed=True) for value in values)


@pytest.mark.parametrize("dtype", ["s16le", "s24le", "s32le"])
@given(data=st.data())
def test_integers_of_every_width_have_full_scale_at_one(dtype: str, data: st.DataObject) -> None:
    top = 2 ** (int(dtype[1:3]) - 1)
    values = data.draw(st.lists(st.integers(-top, top - 1), min_size=1, max_size=50))
    samples = read_all(StdinSource(dtype=dtype, stream=io.BytesIO(encode(values, dtype))))
    assert samples.tolist() == [float(np.float32(value) / np.float32(top)) for value in values]


def test_floats_are_taken_as_they_are_above_one_too() -> None:
    stream = io.BytesIO(struct.pack("<3f", 2.5, -0.25, 0.0))
    assert read_all(StdinSource(dtype="f32le", stream=stream)).tolist() == [2.5, -0.25, 0.0]


def test_channels_are_averaged_unless_one_is_chosen() -> None:
    data = struct.pack("<4h", 16384, 0, -16384, 8192)
    assert read_all(StdinSource(channels=2, stream=io.BytesIO(data))).tolist() == [0.25, -0.125]
    assert read_all(StdinSource(channels=2, channel=1, stream=io.BytesIO(data))).tolist() == [0.0, 0.25]


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 50), max_size=10),
    channels=st.integers(1, 3),
    dtype=st.sampled_from(["s16le", "s24le"]),
)
def test_the_samples_do_not_depend_on_how_they_are_read(lengths: list[int], channels: int, dtype: str) -> None:
    data = np.random.default_rng(0).bytes(6 * 100 * channels)
    make = lambda: StdinSource(dtype=dtype, channels=channels, stream=io.BytesIO(data))  # noqa: E731
    assert read_all(make(), lengths).tobytes() == read_all(make(), then=10**6).tobytes()


def test_frames_that_arrive_in_pieces_are_put_together(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reader, writer = pipe
    with StdinSource(dtype="s16le", channels=2, channel=0, stream=reader) as source:
        writer.write(b"\x00\x40\x00")
        block = source.read(100, 0.01)
        assert block is not None
        assert len(block.samples) == 0  # half a frame is no sample yet
        writer.write(b"\x00\x00")
        block = source.read(100, LONG_S)
        assert block is not None
        assert block.samples.tolist() == [0.5]
        writer.write(b"\x20\x00\x00\x00\x10\x00\x00")
        block = source.read(100, LONG_S)
        assert block is not None
        assert block.samples.tolist() == [0.25, 0.125]


def test_no_more_is_read_than_was_asked_for(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reader, writer = pipe
    writer.write(bytes(2000))
    with StdinSource(stream=reader) as source:
        assert [len(block.samples) for block in (source.read(300, LONG_S), source.read(5000, LONG_S)) if block] == [
            300,
            700,
        ]


def test_a_writer_that_is_silent_gives_an_empty_block_after_the_time_out(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    with StdinSource(stream=pipe[0]) as source:
        block = source.read(100, 0.01)
    assert block is not None
    assert len(block.samples) == 0


def test_the_end_of_the_pipe_is_the_end_of_the_sound(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reader, writer = pipe
    writer.write(bytes(20))
    writer.close()
    assert [len(block.samples) for block in read_blocks(StdinSource(stream=reader), [4])] == [4, 6]


@pytest.mark.parametrize("extra", [1, 2, 3])
def test_half_a_frame_at_the_end_is_named_after_all_whole_ones_were_delivered(extra: int) -> None:
    with StdinSource(channels=2, stream=io.BytesIO(bytes(100 + extra))) as source:
        heard = [source.read(10) for _ in range(3)]
        with pytest.raises(SoundError, match=f"within a frame: {extra} of 4 bytes after 25 frames of 2 x s16le"):
            source.read(10)
    assert [len(block.samples) for block in heard if block is not None] == [10, 10, 5]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_sample_that_is_no_number_is_named(value: float) -> None:
    data = struct.pack("<100f", *[0.0] * 70, value, *[0.0] * 29)
    with pytest.raises(SoundError, match=r"sample 70 \(0\.008750 s\) of standard input"):
        read_all(StdinSource(dtype="f32le", rate_hz=8000, stream=io.BytesIO(data)), [64])


def test_standard_input_is_read_where_no_stream_is_given() -> None:
    program = (
        "from rtstrf.sound.stdin import StdinSource\n"
        "total = 0\n"
        "with StdinSource(rate_hz=16000) as source:\n"
        "    while (block := source.read(1000, 60.0)) is not None:\n"
        "        total += len(block.samples)\n"
        "print(total)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=bytes(2 * 123456), capture_output=True, check=True)
    assert int(done.stdout) == 123456


@pytest.mark.skipif(os.name != "posix", reason="a descriptor is closed before the program starts")
def test_a_closed_standard_input_is_one_message() -> None:
    program = (
        "from rtstrf.errors import SoundError\n"
        "from rtstrf.sound.stdin import StdinSource\n"
        "try:\n"
        "    StdinSource().open()\n"
        "except SoundError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, preexec_fn=lambda: os.close(0)
    )
    assert done.stdout.startswith("standard input is closed\n  -> pipe samples into it")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "s8"}, "dtype of stdin is 's8'\n  -> one of s16le, s24le, s32le, f32le"),
        ({"rate_hz": 0}, "rate_hz of stdin is 0"),
        ({"channels": 0}, "channels of stdin is 0"),
    ],
)
def test_an_option_that_cannot_be_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        StdinSource(**options)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(SoundError, match="no channel 2 in standard input: it has channels 0 to 1"):
        StdinSource(channels=2, channel=2)
