"""Whether a recording is what was recorded: every change of a byte is found, every torn end is mended."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.errors import RecordError, UserError
from rtstrf.record.check import check
from rtstrf.record.exports import export_npz
from rtstrf.record.info import info_of
from rtstrf.record.recording import Recording
from rtstrf.record.rerun import rerun
from tests.support.records import abandon, make_recording, model


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of half a second in four parts, complete."""
    folder = tmp_path_factory.mktemp("closed") / "r"
    make_recording(folder)
    return folder


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, left by a crash."""
    folder = tmp_path_factory.mktemp("cut-off") / "r"
    abandon(make_recording(folder, close=False))
    return folder


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def copy(folder: Path, factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(folder, factory.mktemp("copy") / "r"))


def test_a_complete_recording_is_whole(closed: Path) -> None:
    done: list[float] = []
    found = check(closed, on_progress=done.append)
    assert found.is_whole
    assert found.seals == 5
    assert found.bytes > 100_000
    assert done[-1] == 1.0


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_found(closed: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = copy(closed, tmp_path_factory)
    name = data.draw(st.sampled_from(files_of(folder)))
    path = folder / name
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        found = check(folder)
    except RecordError:
        return  # a manifest that is none any more
    if not found.is_whole:
        return
    # What no hash covers says nothing of what was recorded: the length in a header, which the seals know better.
    assert path.suffix == ".npy"
    assert at < 128
    before, after = Recording(closed).streams["main"], Recording(folder).streams["main"]
    np.testing.assert_array_equal(before.rates_hz, after.rates_hz)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_a_crash_cuts_off_the_rest_is_read_mended_and_run_again(
    cut_off: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = copy(cut_off, tmp_path_factory)
    whole = Recording(cut_off).streams["main"]
    for name in data.draw(
        st.lists(st.sampled_from([n for n in files_of(folder) if n.endswith(".npy")]), max_size=3, unique=True)
    ):
        path = folder / name
        content = path.read_bytes()
        path.write_bytes(content[: data.draw(st.integers(128 + (len(content) - 128) // 2, len(content)))])
    if data.draw(st.booleans()):
        seals = folder / "seals.jsonl"
        content = seals.read_bytes()
        seals.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    if data.draw(st.booleans()):
        with (folder / "main" / "sound.npy").open("ab") as file:
            file.write(b"torn")
    before = Recording(folder)
    found = check(folder)
    assert not found.damages
    assert not found.is_whole
    mended = check(folder, repair=True)
    assert mended.repaired
    assert check(folder).is_whole
    after = Recording(folder)
    assert after.end == "repaired"
    assert after.events == before.events
    rates_hz = after.streams["main"].rates_hz
    assert len(rates_hz) >= 25  # the first of the four seals at least
    np.testing.assert_array_equal(rates_hz, whole.rates_hz[: len(rates_hz)])
    np.testing.assert_array_equal(np.load(folder / "main" / "rates.npy"), rates_hz)
    assert rerun(after, "main", model()).identical


def test_a_disk_that_had_the_seal_and_not_what_it_seals_is_mended(
    cut_off: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = copy(cut_off, tmp_path_factory)
    path = folder / "main" / "sound.npy"
    content = path.read_bytes()
    path.write_bytes(content[:-400] + bytes(400))  # the power went: the last block of the file is zeros
    found = check(folder)
    assert not found.damages
    assert found.seals == 3
    assert check(folder, repair=True).repaired
    assert check(folder).is_whole
    assert len(Recording(folder).streams["main"].rates_hz) == 75


def test_damage_is_named_and_never_mended(closed: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = copy(closed, tmp_path_factory)
    path = folder / "main" / "rates.npy"
    content = bytearray(path.read_bytes())
    content[128 + 119 * 4 * 30] ^= 1
    path.write_bytes(content)
    found = check(folder, repair=True)
    (damage,) = found.damages
    assert (damage.file, damage.first, damage.end) == ("main/rates.npy", 25, 50)
    assert not found.repaired
    assert path.read_bytes() == content


def test_files_of_somebody_else_are_left_alone(cut_off: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = copy(cut_off, tmp_path_factory)
    (folder / "notes.txt").write_text("bird 7 slept")
    (folder / "main" / "plot.png").write_bytes(b"x")
    check(folder, repair=True)
    assert (folder / "notes.txt").read_text() == "bird 7 slept"
    assert (folder / "main" / "plot.png").exists()
    assert check(folder).is_whole


def test_a_recording_in_hand_is_whole_and_not_repaired(tmp_path: Path) -> None:
    recorder = make_recording(tmp_path / "r", 2400, close=False)
    recorder.event("mark", 0, {"label": "not sealed yet"})
    found = check(tmp_path / "r", repair=True)
    assert found.running
    assert found.is_whole
    assert not found.repaired
    recorder.close()
    assert Recording(tmp_path / "r").events[-1].details["label"] == "not sealed yet"


def test_a_crash_before_the_first_seal_leaves_an_empty_recording(tmp_path: Path) -> None:
    recorder = make_recording(tmp_path / "r", 2400, close=False)
    abandon(recorder)
    (tmp_path / "r" / "seals.jsonl").write_bytes(b"")
    assert Recording(tmp_path / "r").streams == {}
    check(tmp_path / "r", repair=True)
    assert check(tmp_path / "r").is_whole
    assert files_of(tmp_path / "r") == ["recording.json", "seals.jsonl"]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_recording_is_so_malformed_that_reading_it_fails_otherwise_than_in_words(
    closed: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Values are exchanged for others, under seals that fit them: only the reader's own checks stand between."""
    folder = copy(closed, tmp_path_factory)
    odd = st.one_of(
        st.integers(-(2**63), 2**63 - 1), st.none(), st.text(max_size=5), st.booleans(), st.lists(st.none(), max_size=2)
    )
    kind = data.draw(st.sampled_from(["table", "json", "events"]))
    if kind == "table":
        path = folder / "main" / data.draw(st.sampled_from(["blocks.npy", "rates_messages.npy"]))
        table = np.load(path)
        for _ in range(data.draw(st.integers(1, 3))):
            row, column = (data.draw(st.integers(0, size - 1)) for size in table.shape)
            table[row, column] = data.draw(st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-300, 300)))
        path.write_bytes(path.read_bytes()[:128] + table.tobytes())
    elif kind == "json":
        path = folder / data.draw(st.sampled_from(["recording.json", "main/stream.json"]))
        told = json.loads(path.read_text())
        place = told if data.draw(st.booleans()) else next(v for v in told.values() if isinstance(v, dict))
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(odd)
        path.write_text(json.dumps(told))
    else:
        lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        line = lines[data.draw(st.integers(0, len(lines) - 1))]
        place = line if data.draw(st.booleans()) else line["details"]
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(odd)
        size = (folder / "events.jsonl").stat().st_size
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        (folder / "events.jsonl").write_bytes(text[:size].ljust(size, b" "))
    with suppress(UserError):
        recording = Recording(folder)
        info_of(recording)
        for stream in recording.streams:
            rerun(recording, stream, model())
            export_npz(recording, folder / "out.npz", stream=stream)
    with suppress(RecordError):
        check(folder)
