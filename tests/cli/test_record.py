"""`rtstrf record` and `rtstrf replay RECORDING`: what is shown, and what is refused in one message."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.command import Command, assert_refused
from tests.support.records import make_recording


@pytest.fixture
def rtstrf(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two recordings."""
    folder = tmp_path_factory.mktemp("booth")
    for name in ("a", "b"):
        make_recording(folder / name, 4800)
    return folder


def test_info_tells_what_recordings_hold(rtstrf: Command, recordings: Path) -> None:
    shown = rtstrf("record", "info", recordings)
    assert shown.code == 0
    for words in ("20 bins x 119 units", "4 mark", "complete", "statenet-gru-ns1", "0.100 s"):
        assert shown.out.count(words) == 2
    (first, second) = json.loads(rtstrf("record", "info", recordings, "--json").out)
    assert first["streams"][0]["bins"] == second["streams"][0]["bins"] == 20
    assert json.loads(rtstrf("record", "info", recordings / "a", "--json").out) == first


def test_check_tells_that_all_is_well_and_what_is_not(rtstrf: Command, tmp_path: Path) -> None:
    make_recording(tmp_path / "r", 4800)
    assert rtstrf("record", "check", tmp_path / "r").code == 0
    path = tmp_path / "r" / "main" / "sound.npy"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    shown = rtstrf("record", "check", tmp_path, "--repair")
    assert shown.code == 1
    assert "DAMAGED: main/sound.npy [0, 1200)" in shown.out
    told = json.loads(rtstrf("record", "check", tmp_path / "r", "--json").out)
    assert (told["whole"], told["damages"][0]["file"]) == (False, "main/sound.npy")


def test_replay_runs_recordings_again(rtstrf: Command, recordings: Path) -> None:
    shown = rtstrf("replay", recordings)
    assert shown.code == 0
    assert shown.out.count("identical: 20 bins x 119 units, bit for bit") == 2


def test_replay_tells_the_largest_difference_and_fails_where_it_is_over_g1(rtstrf: Command, tmp_path: Path) -> None:
    make_recording(tmp_path / "r", 4800)
    path = tmp_path / "r" / "main" / "rates.npy"
    rates = np.load(path)
    rates[7, 3] += 0.5
    path.write_bytes(path.read_bytes()[:128] + rates.tobytes())
    shown = rtstrf("replay", tmp_path / "r")
    assert shown.code == 1
    assert "largest difference 0.5 Hz" in shown.out
    assert "at bin 7 (sample 1,680), unit 3: over G1" in shown.out


@pytest.mark.parametrize("kind", ["npz", "wav", "nwb"])
def test_export_writes_what_the_name_says(rtstrf: Command, recordings: Path, tmp_path: Path, kind: str) -> None:
    if kind == "nwb":
        pytest.importorskip("pynwb", reason="NWB needs the extra nwb: pynwb")
    shown = rtstrf("record", "export", recordings / "a", tmp_path / f"out.{kind}")
    assert shown.code == 0, shown
    assert (tmp_path / f"out.{kind}").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["record", "info", "nothing-here"], ["nothing-here", "no such folder"]),
        (["record", "info", "{empty}"], ["no recording in it"]),
        (["record", "export", "{booth}", "out.npz"], ["2 recordings"]),
        (["record", "export", "{booth}/a", "out.mat"], ["out.mat", ".nwb"]),
        (["record", "export", "{booth}/a", "no/such/out.npz"], ["no/such", "mkdir"]),
        (["record", "export", "{booth}/a", "out.npz", "--stream", "left"], ["'left'", "main"]),
        (["record", "export", "{booth}/a", "out.nwb", "--stream", "main"], ["all streams"]),
        (["replay", "{booth}/a", "--block", "100"], ["--block", "record export"]),
        (["replay", "{booth}/a", "--full-scale-db-spl", "90"], ["--full-scale-db-spl"]),
        (["replay", "{booth}/a", "--device", "cuda:77"], ["cuda:77"]),
        (["replay", "{booth}/a", "--model", "none"], ["no model 'none'"]),
    ],
)
def test_a_mistake_is_one_message(
    rtstrf: Command, recordings: Path, tmp_path: Path, words: list[str], told: list[str]
) -> None:
    places = {"booth": recordings, "empty": tmp_path}
    assert_refused(rtstrf(*(word.format(**places) for word in words)), *told)


MALFORMED = {
    "no manifest that is JSON": ("recording.json", b"{"),
    "a manifest of another kind": ("recording.json", b"[]"),
    "a manifest that says nothing": ("recording.json", b"{}"),
    "a manifest of another format": ("recording.json", None),
    "events that are none": ("events.jsonl", b"\xff" * 5000),
    "an array that is none": ("main/sound.npy", b"\x93NUMPY" + bytes(40000)),
    "a table of zeros": ("main/blocks.npy", None),
    "no facts of a stream": ("main/stream.json", b"null"),
    "no seals": ("seals.jsonl", b""),
}


@pytest.mark.parametrize("case", MALFORMED)
@pytest.mark.parametrize("command", [["record", "info"], ["record", "check"], ["record", "export"], ["replay"]])
def test_a_malformed_recording_is_told_in_words(rtstrf: Command, tmp_path: Path, case: str, command: list[str]) -> None:
    make_recording(tmp_path / "r", 4800)
    name, content = MALFORMED[case]
    path = tmp_path / "r" / name
    if content is None and name.endswith(".json"):
        content = path.read_bytes().replace(b"rtstrf-recording/1", b"rtstrf-recording/9")
    elif content is None:
        content = path.read_bytes()[:128] + bytes(path.stat().st_size - 128)
    path.write_bytes(content)
    more = [tmp_path / "out.npz"] if command[-1] == "export" else []
    shown = rtstrf(*command, tmp_path / "r", *more)
    assert "Traceback" not in shown.err
    if command == ["record", "check"] and not shown.err:
        assert shown.code == 1
    elif shown.code == 0:
        # Info shows what is there; a file that is shorter than it was sealed takes its seals with it.
        assert command == ["record", "info"]
        assert "cut off" in shown.out or "complete" in shown.out
    else:
        assert shown.code == 2
        assert "  -> " in shown.err
