"""What a recorder writes, when, and what it does when the disk refuses or it was too slow."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from rtstrf.errors import RecordError
from rtstrf.pipeline import Pipeline
from rtstrf.record.appending import Appending
from rtstrf.record.check import check
from rtstrf.record.recorder import Recorder, new_folder
from rtstrf.record.recording import Recording
from rtstrf.sinks.queued import Queued
from rtstrf.sound.source import Block
from tests.support.live import noise
from tests.support.records import abandon, feed, greeting, header, make_recording, model, seal


def test_sound_rates_and_events_are_read_as_they_were_told(tmp_path: Path) -> None:
    make_recording(tmp_path / "r", 24000)
    recording = Recording(tmp_path / "r")
    (own,) = recording.streams.values()
    np.testing.assert_array_equal(own.sound_pa, noise(24000))
    pipeline = Pipeline(model())
    np.testing.assert_array_equal(own.rates_hz, [heard.rates_hz for heard in pipeline.push(noise(24000))])
    assert own.bin_index.tolist() == list(range(100))
    assert [event.details["label"] for event in recording.events if event.name == "mark"] == [
        "at 5999", "at 11999", "at 17999", "at 23999",
    ]  # fmt: skip
    assert recording.end == "closed"
    assert recording.manifest.greeting.weights_sha256 == model().weights_sha256


def test_any_program_that_reads_npy_reads_it(tmp_path: Path) -> None:
    make_recording(tmp_path / "r", 2400)
    np.testing.assert_array_equal(np.load(tmp_path / "r" / "main" / "sound.npy"), noise(2400))
    assert np.load(tmp_path / "r" / "main" / "rates.npy", mmap_mode="r").shape == (10, 119)
    columns = json.loads((tmp_path / "r" / "recording.json").read_text())["columns"]
    messages = np.load(tmp_path / "r" / "main" / "rates_messages.npy")
    assert messages[:, columns["messages"].index("i0")].tolist() == list(range(10))
    # Without any library: a header of 128 bytes, then the numbers.
    raw = np.frombuffer((tmp_path / "r" / "main" / "sound.npy").read_bytes()[128:], dtype="<f4")
    np.testing.assert_array_equal(raw, noise(2400))


def test_losses_keep_their_place(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r")
    recorder.open(greeting())
    recorder.sound(Block(np.ones(100, dtype=np.float32), time.monotonic_ns()), 0)
    recorder.sound(Block(np.ones(50, dtype=np.float32), time.monotonic_ns(), lost_samples=30), 130)
    recorder.sound(Block(np.empty(0, dtype=np.float32), time.monotonic_ns()), 180)
    recorder.close()
    own = Recording(tmp_path / "r").streams["main"]
    assert own.blocks.rows[:, :3].tolist() == [[0, 100, 0], [130, 50, 30]]
    assert own.samples_lost == 30


def test_only_the_topics_asked_for_are_recorded(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r", topics=("level",))
    recorder.open(greeting())
    for kind, width in (("rates", 119), ("level", 1), ("spectrogram", 34)):
        recorder.rows(kind, header(0, n=2), np.ones((2, width), dtype=np.float32))
    recorder.close()
    own = Recording(tmp_path / "r").streams["main"]
    assert own.topics == ("level",)
    assert own.topic("level")[0].tolist() == [[1.0], [1.0]]


def test_streams_have_folders_of_their_own_and_one_that_comes_again_another(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r", source_of=lambda name: {"kind": "x", "name": name, "rate_hz": 8000})
    recorder.open(greeting())
    for stream in ("left", "right", "left"):
        recorder.sound(Block(np.ones(240, dtype=np.float32), time.monotonic_ns(), stream=stream), 0)
        recorder.rows("rates", header(0, stream=stream), np.ones((1, 119), dtype=np.float32))
        recorder.rows("rates", header(1, 0, flags=128, stream=stream), np.ones((0, 119), dtype=np.float32))
        recorder.event("state", 0, {"stream": stream, "state": "ended"})
    recorder.close()
    recording = Recording(tmp_path / "r")
    assert sorted(recording.streams) == ["left", "left.2", "right"]
    assert recording.streams["left.2"].source.name == "left"
    assert [event.stream for event in recording.events] == ["left", "right", "left.2"]


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b"])
def test_a_stream_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    recorder = Recorder(tmp_path / "r")
    recorder.open(greeting())
    with pytest.raises(RecordError, match="cannot be recorded"):
        recorder.rows("rates", header(0, stream=name), np.ones((1, 119), dtype=np.float32))
    recorder.close()
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_a_seal_a_quarter_of_a_second_and_nothing_to_seal_is_no_seal(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r")
    recorder.open(greeting())
    seals = tmp_path / "r" / "seals.jsonl"
    for _ in range(3):
        seal(recorder)
    assert len(seals.read_bytes().splitlines()) == 1  # recording.json, once
    recorder.event("mark", 0, {"label": "a"})
    seal(recorder)
    recorder.close()
    assert len(seals.read_bytes().splitlines()) == 3
    assert Recording(tmp_path / "r").sha256 == check(tmp_path / "r").sha256


def test_events_alone_are_sealed_while_no_sound_comes(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r")
    queued = Queued(recorder, capacity=100, failed=lambda sink, error: None)
    queued.open(greeting())
    queued.event("mark", 0, {"label": "before the crash"})
    deadline = time.monotonic() + 20
    while not Recording(tmp_path / "r").events:
        assert time.monotonic() < deadline
    assert Recording(tmp_path / "r").is_running
    queued.close()
    assert not Recording(tmp_path / "r").is_running


def test_a_recorder_that_was_too_slow_says_where_and_asks_for_the_state(tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []
    recorder = Recorder(tmp_path / "r", ask_state=lambda stream, first, give: asked.append((stream, first)))
    recorder.open(greeting())
    recorder.stream_comes("main")
    pipeline = Pipeline(model())
    feed(recorder, pipeline, noise(2400), 0)
    recorder.missed(7)
    pipeline.skip(5)
    feed(recorder, pipeline, noise(2400), 3600)
    recorder.close()
    assert asked == [("main", 0), ("main", 15), ("main", 16)]
    holes = [(event.name, event.details) for event in Recording(tmp_path / "r").events]
    assert holes == [
        ("record.missed", {"calls": 7}),
        ("record.hole", {"what": "sound", "at_sample": 3600}),
        ("record.hole", {"what": "rates", "bin": 15}),
    ]
    assert len(check(tmp_path / "r").holes) == 3


def test_a_folder_that_is_there_or_cannot_be_made_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    with pytest.raises(RecordError, match="/r: "):
        Recorder(tmp_path / "r").open(greeting())
    assert list((tmp_path / "r").iterdir()) == []
    with pytest.raises(RecordError, match="no-such"):
        Recorder(tmp_path / "no-such" / "r").open(greeting())


@pytest.mark.parametrize("after_writes", range(6))
def test_a_disk_that_refuses_at_any_write_leaves_what_was_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_writes: int
) -> None:
    recorder = make_recording(tmp_path / "r", 4800, close=False, seals=2)
    sealed = {path: path.read_bytes() for path in (tmp_path / "r" / "main").iterdir()}
    write, left = Appending.write, [after_writes]

    def refuse(self: Appending) -> str | None:
        left[0] -= 1
        if left[0] == -1:
            self._file.write(b"half")  # the system takes a part of it, and then no more
            raise OSError(28, "No space left on device")
        return write(self)

    monkeypatch.setattr(Appending, "write", refuse)
    pipeline = Pipeline(model())
    pipeline.next_bin = 20
    with pytest.raises(RecordError, match="No space left on device"):  # noqa: PT012
        feed(recorder, pipeline, noise(2400), 4800)
        recorder.event("mark", 0, {"label": "never"})
        seal(recorder)
    assert not recorder.is_open
    recorder.close()  # as a stream does that is told of the failure
    recorder.event("mark", 0, {"label": "too late"})
    recording = Recording(tmp_path / "r")
    assert recording.end == "No space left on device"
    assert {path: path.read_bytes() for path in sealed} == sealed
    assert "never" not in str(recording.events)
    assert check(tmp_path / "r").is_whole


def test_a_recording_in_hand_is_locked_and_a_dead_one_is_not(tmp_path: Path) -> None:
    recorder = make_recording(tmp_path / "r", 2400, close=False)
    assert Recording(tmp_path / "r").is_running
    abandon(recorder)
    assert not Recording(tmp_path / "r").is_running
    assert Recording(tmp_path / "r").end is None


def test_names_of_recordings_do_not_collide_and_are_safe(tmp_path: Path) -> None:
    first = new_folder(tmp_path, "../../etc")
    first.mkdir()
    second = new_folder(tmp_path, "../../etc")
    assert first.parent == second.parent == tmp_path
    assert first != second
    assert ".." not in first.name
