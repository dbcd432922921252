"""Sound files: every format, rate and channel count, and every way in which one can be broken."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.errors import SoundError, StreamError
from rtstrf.sound.file import FileSource
from tests.sound.reading import read_all, read_exactly

soundfile = pytest.importorskip("soundfile", reason="the extra 'sound' is not installed")

FORMATS = [
    ("wav", "WAV", "PCM_16"),
    ("wav", "WAV", "PCM_24"),
    ("wav", "WAV", "FLOAT"),
    ("wav", "WAV", "DOUBLE"),
    ("flac", "FLAC", "PCM_16"),
    ("ogg", "OGG", "VORBIS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
    ("aiff", "AIFF", "PCM_16"),
]


def noise(frames: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (frames, channels))


def write(path: Path, frames: int = 3000, channels: int = 1, rate_hz: int = 8000, **how: str) -> Path:
    if how.get("format") == "MP3" and "MP3" not in soundfile.available_formats():
        pytest.skip(f"libsndfile {soundfile.__libsndfile_version__} is too old for MP3 (1.1 knows it)")
    soundfile.write(path, noise(frames, channels), rate_hz, **how)
    return path


@pytest.mark.parametrize(("suffix", "container", "subtype"), FORMATS)
def test_a_file_is_read_as_libsndfile_reads_it_whole(tmp_path: Path, suffix: str, container: str, subtype: str) -> None:
    path = write(tmp_path / f"a.{suffix}", 9000, 2, 44100, format=container, subtype=subtype)
    whole = soundfile.read(path, dtype="float32")[0]
    source = FileSource(path)
    assert (source.info.rate_hz, source.info.channels, source.info.total_samples) == (44100, 2, len(whole))
    assert read_all(source, [1, 0, 240, 4096]) == pytest.approx(whole.mean(axis=1), abs=1e-7)
    assert read_all(FileSource(path, channel=1)).tobytes() == whole[:, 1].tobytes()


@pytest.mark.parametrize("rate_hz", [8000, 48828, 192000])
@pytest.mark.parametrize("channels", [1, 8])
def test_any_rate_and_channel_count_is_taken(tmp_path: Path, rate_hz: int, channels: int) -> None:
    source = FileSource(write(tmp_path / "a.wav", 500, channels, rate_hz, subtype="FLOAT"))
    assert source.info.rate_hz == rate_hz
    assert read_all(source) == pytest.approx(noise(500, channels).mean(axis=1), abs=1e-6)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tmp_path_factory.mktemp("files")
    formats = [row for row in FORMATS if row[1] in soundfile.available_formats()]
    return [
        write(directory / f"{number}.{suffix}", 3000, 2, format=container, subtype=subtype)
        for number, (suffix, container, subtype) in enumerate(formats)
    ]


@settings(deadline=None, max_examples=40)
@given(lengths=st.lists(st.integers(0, 900), max_size=8), data=st.data())
def test_the_samples_do_not_depend_on_how_they_are_read(
    files: list[Path], lengths: list[int], data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(files))
    assert read_all(FileSource(path), lengths).tobytes() == read_all(FileSource(path), then=3000).tobytes()


def test_a_read_gives_exactly_what_was_asked_for_and_the_rest_at_the_end(tmp_path: Path) -> None:
    with FileSource(write(tmp_path / "a.wav", 1000)) as source:
        blocks = [source.read(400) for _ in range(4)]
    assert [None if block is None else len(block.samples) for block in blocks] == [400, 400, 200, None]
    assert all(block is None or block.samples.dtype == np.float32 for block in blocks)


@pytest.mark.parametrize(("suffix", "container", "subtype"), FORMATS)
def test_a_loop_begins_again_without_a_gap(tmp_path: Path, suffix: str, container: str, subtype: str) -> None:
    path = write(tmp_path / f"a.{suffix}", 3000, format=container, subtype=subtype)
    once = read_all(FileSource(path))
    with FileSource(path, loop=True) as source:
        assert source.info.total_samples is None
        assert read_exactly(source, 3 * len(once), [1, 7000, 10]).tobytes() == np.tile(once, 3).tobytes()


def test_floats_above_one_are_pascals_at_94_db_spl(tmp_path: Path) -> None:
    path = tmp_path / "pascals.wav"
    pressure_pa = np.array([3.25, -2.5, 0.125])
    soundfile.write(path, pressure_pa, 48828, subtype="FLOAT")
    assert read_all(FileSource(path)).tolist() == pressure_pa.tolist()
    assert read_all(FileSource(path, full_scale_db_spl=114.0)) == pytest.approx(10 * pressure_pa)


def test_a_file_is_known_by_its_content_not_its_suffix(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav")
    renamed = path.rename(tmp_path / "source.1.sound.0.snr.0.token.0.fw.2.frozen.1")
    assert len(read_all(FileSource(renamed))) == 3000


def test_the_recordings_of_ns1_open_as_they_are() -> None:
    paths = sorted(Path(__file__).resolve().parents[3].glob("shared/ns1/spikesandwav/SH.En.C/source.*"))
    if not paths:
        pytest.skip("no NS1 recordings in ../shared/ns1")
    for path in paths:
        samples = read_all(FileSource(path), then=48828)
        assert len(samples) in (244140, 244141)
        assert 0.19 < np.sqrt(np.mean(samples.astype(np.float64) ** 2)) < 0.26  # pascals: 80 dB SPL, one clip 82


def test_a_file_can_be_opened_again_from_its_start(tmp_path: Path) -> None:
    source = FileSource(write(tmp_path / "a.flac"))
    first = read_all(source)
    assert read_all(source).tobytes() == first.tobytes()
    source.close()
    source.close()


def test_a_file_is_never_read_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "sparse.wav"
    soundfile.write(path, np.zeros(2), 48000, subtype="FLOAT")
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    size = 2**31 - 2**20  # as much as a WAV can declare: far more than could be read in the time of a test
    data[at + 4 : at + 8] = struct.pack("<I", size)
    data[4:8] = struct.pack("<I", size + at)
    path.write_bytes(data[: at + 8])
    os.truncate(path, at + 8 + size)
    with FileSource(path) as source:
        assert source.info.total_samples == size // 4
        block = source.read(240)
        assert block is not None
        assert len(block.samples) == 240


# ---- what cannot be used --------------------------------------------------------------------------------------------


def test_a_missing_file_says_which_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match=r"no sound file .*nope\.wav\n  -> check the name"):
        FileSource(tmp_path / "nope.wav")
    with pytest.raises(SoundError, match=r"there is no directory .*elsewhere either"):
        FileSource(tmp_path / "elsewhere" / "nope.wav")


def test_a_directory_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match="is a directory, not a sound file"):
        FileSource(tmp_path)


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.touch()
    with pytest.raises(SoundError, match=r"empty\.wav is empty"):
        FileSource(path)


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.wav"
    soundfile.write(path, np.zeros(0), 48000)
    with pytest.raises(SoundError, match="holds no samples"):
        FileSource(path)


@pytest.mark.parametrize("content", [b"hello, this is text\n" * 50, bytes(range(256)) * 20, b"RIFF"])
def test_what_is_no_sound_is_refused_with_what_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.wav"
    path.write_bytes(content)
    with pytest.raises(SoundError, match="cannot be read as sound") as caught:
        FileSource(path)
    assert "WAV, FLAC, OGG or MP3" in str(caught.value)


@pytest.mark.parametrize(("suffix", "container", "subtype"), FORMATS)
def test_a_file_that_was_cut_off_is_refused_before_anything_is_played(
    tmp_path: Path, suffix: str, container: str, subtype: str
) -> None:
    path = write(tmp_path / f"a.{suffix}", 40000, 2, 44100, format=container, subtype=subtype)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(SoundError, match=f"a.{suffix} is cut short"):
        FileSource(path)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_written_to_a_pipe_does_not_know_its_length_and_is_taken(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "a.wav", 1000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = struct.pack("<I", size)
    path.write_bytes(data)
    assert len(read_all(FileSource(path))) == 1000


def test_a_file_that_shrinks_while_it_is_played_says_where_it_ends(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 100000, subtype="FLOAT")
    with FileSource(path) as source:
        assert source.read(1000) is not None
        os.truncate(path, path.stat().st_size - 4 * 50000)
        with pytest.raises(SoundError, match="cut short after sample 50000"):
            read_exactly(source, 99000)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_named(tmp_path: Path, value: float) -> None:
    path = tmp_path / "bad.wav"
    frames = noise(9000, 2)
    frames[7345, 1] = value
    soundfile.write(path, frames, 8000, subtype="FLOAT")
    with pytest.raises(SoundError, match=r"sample 7345 \(0\.918125 s\) of .*bad\.wav is"):
        read_all(FileSource(path))
    assert np.isfinite(read_all(FileSource(path, channel=0))).all()


def test_a_channel_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match=r"no channel 1 in .*a\.wav: it has only channel 0"):
        FileSource(write(tmp_path / "a.wav"), channel=1)


def test_reading_before_opening_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="read before it is opened"):
        FileSource(write(tmp_path / "a.wav")).read(10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_that_ends_in_a_name_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    with pytest.raises(SoundError, match="pipe or device"):
        FileSource(path)
