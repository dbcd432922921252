"""Input devices: listed, found, and missed with a remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rtstrf.errors import SoundError
from rtstrf.sound.devices import Device, find_again, find_device, hold_devices, release_devices
from tests.support.pulse import DEVICE, PulseServer

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    Device(0, "Line in", "ALSA", 2, 48000, False),
    Device(2, "USB Microphone", "ALSA", 1, 44100, False),
    Device(5, "USB Audio Interface", "ALSA", 8, 96000, True),
]


def run(program: str, environment: dict[str, str] | None = None) -> str:
    """Run a program in a process of its own, as PortAudio looks for devices when it is loaded."""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize(
    ("wanted", "index"),
    [(None, 5), (0, 0), ("2", 2), ("Line in", 0), ("line", 0), ("MICROPHONE", 2), ("usb audio interface", 5)],
)
def test_a_device_is_found_by_index_name_or_part_of_its_name(wanted: int | str | None, index: int) -> None:
    assert find_device(wanted, ROWS).index == index


def test_without_a_default_the_first_device_is_taken() -> None:
    assert find_device(None, ROWS[:2]).index == 0


@pytest.mark.parametrize("wanted", [1, "7", "bluetooth"])
def test_a_device_that_is_not_there_is_answered_with_those_that_are(wanted: int | str) -> None:
    with pytest.raises(SoundError) as caught:
        find_device(wanted, ROWS)
    assert str(wanted) in caught.value.what
    for row in ROWS:
        assert row.name in str(caught.value)


def test_a_name_that_fits_several_devices_is_not_guessed() -> None:
    with pytest.raises(SoundError, match="2 input devices have 'usb' in their name: USB Microphone, USB Audio"):
        find_device("usb", ROWS)


@pytest.mark.parametrize("wanted", [None, 0, "usb"])
def test_a_machine_without_devices_is_told_what_else_there_is(wanted: int | str | None) -> None:
    with pytest.raises(SoundError, match="no input device at all; use --source scene or file"):
        find_device(wanted, [])


@pytest.mark.audio
def test_the_devices_of_a_sound_card_are_listed(sound_card: PulseServer) -> None:
    program = (
        "import dataclasses, json; from rtstrf.sound.devices import list_devices; "
        "print(json.dumps([dataclasses.asdict(device) for device in list_devices()]))"
    )
    rows = {row["name"]: row for row in json.loads(run(program, sound_card.environment))}
    assert rows[DEVICE]["host_api"] == "ALSA"
    assert rows[DEVICE]["channels"] >= 2
    assert [row["name"] for row in rows.values() if row["is_default"]] == ["default"]


CATCH = """
import {prepare}
from rtstrf.errors import UserError
from rtstrf.sound.devices import list_devices
try:
    list_devices()
except UserError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere sounddevice brings PortAudio with it")
def test_without_portaudio_the_package_to_install_is_named() -> None:
    answer = run(CATCH.format(prepare="ctypes.util; ctypes.util.find_library = lambda name: None"))
    assert answer.startswith("MissingExtraError")
    assert "apt install libportaudio2" in answer


@pytest.mark.audio
def test_a_machine_without_a_sound_card_is_told_so(sound_card: PulseServer, tmp_path: Path) -> None:
    empty = tmp_path / "asound.conf"
    empty.write_text("pcm.nothing { type hw card 99 }\n")  # a file without any entry makes PortAudio abort
    answer = run(CATCH.format(prepare="sys"), sound_card.environment | {"ALSA_CONFIG_PATH": str(empty)})
    assert answer.startswith("SoundError no input device: PortAudio finds no microphone")


class Library:
    """PortAudio whose devices change between two looks."""

    def __init__(self, *lists: list[str]) -> None:
        self._lists = list(lists)
        self.default = SimpleNamespace(device=(0, 0))

    def _terminate(self) -> None:
        self._lists.pop(0)

    def _initialize(self) -> None:
        pass

    def query_hostapis(self) -> list[dict]:
        return [{"name": "ALSA", "default_input_device": 0}]

    def query_devices(self) -> list[dict]:
        return [
            {"index": index, "name": name, "hostapi": 0, "max_input_channels": 1, "default_samplerate": 48000.0}
            for index, name in enumerate(self._lists[0])
        ]


def test_a_device_that_was_away_is_found_by_its_name_wherever_it_is_now() -> None:
    away = Device(1, "UMIK", "ALSA", 1, 48000, False)
    assert find_again(Library([], ["Line", "Webcam", "UMIK"]), away).index == 2


def test_another_device_in_its_place_is_not_taken_for_it() -> None:
    away = Device(0, "UMIK", "ALSA", 1, 48000, False)
    with pytest.raises(SoundError, match="'UMIK' is not there"):
        find_again(Library([], ["Webcam"]), away)


def test_the_list_is_not_made_anew_while_another_stream_is_open_as_that_would_end_it() -> None:
    away, other = Device(0, "UMIK", "ALSA", 1, 48000, False), object()
    hold_devices(other)
    try:
        assert find_again(Library(["UMIK"], []), away).index == 0
    finally:
        release_devices(other)
