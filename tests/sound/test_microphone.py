"""The microphone, for real: PortAudio on ALSA on a PulseAudio null sink, into which a known file is played."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.pulse import DEVICE, PulseServer, virtual_sound_card

soundfile = pytest.importorskip("soundfile", reason="the extra 'sound' is not installed")

pytestmark = pytest.mark.audio
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0  # a bound on waiting, far above what is needed


class Listener:
    """A process that listens; `stop` returns what it heard."""

    def __init__(self, server: PulseServer, out: Path, **options: object) -> None:
        self.out = out
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.sound.listen_process", str(out), json.dumps(options)],
            env=server.environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.started = self.process.stdout.readline() == "listening\n"

    def stop(self) -> dict[str, Any]:
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, errors
        with np.load(self.out) as heard:
            return dict(heard) | {"info": json.loads(str(heard["info"]))}

    def fail(self) -> str:
        """Wait for it to end by itself, with a user's error, and return that."""
        self.process.wait(timeout=PATIENCE_S)
        _, errors = self.process.communicate()
        assert self.process.returncode == 2, errors
        assert "Traceback" not in errors
        return errors


@contextlib.contextmanager
def listening(server: PulseServer, directory: Path, **options: object) -> Iterator[Listener]:
    listener = Listener(server, directory / "heard.npz", **({"device": DEVICE} | options))
    try:
        yield listener
    finally:
        listener.process.kill()
        listener.process.communicate()


def place(needle: np.ndarray, haystack: np.ndarray) -> int:
    """Return where the one begins in the other, by cross-correlation."""
    size = 1 << int(len(needle) + len(haystack)).bit_length()
    spectrum = np.fft.rfft(haystack, size) * np.conj(np.fft.rfft(needle, size))
    return int(np.fft.irfft(spectrum, size)[: len(haystack)].argmax())


def known_file(directory: Path, frames: int = 48000, channels: int = 2) -> tuple[Path, np.ndarray]:
    """Write noise in 16 bits, and return it as it is in the file, shape (frames, channels)."""
    path = directory / "known.wav"
    soundfile.write(path, np.random.default_rng(5).uniform(-0.5, 0.5, (frames, channels)), 48000, subtype="PCM_16")
    return path, soundfile.read(path, dtype="float32", always_2d=True)[0]


@pytest.mark.parametrize(("channel", "block_samples"), [(None, 240), (0, 64), (1, 1024)])
def test_what_is_played_is_heard_sample_for_sample(
    sound_card: PulseServer, tmp_path: Path, channel: int | None, block_samples: int
) -> None:
    path, played = known_file(tmp_path)
    with listening(sound_card, tmp_path, channel=channel, block_samples=block_samples) as listener:
        sound_card.play(path)
        heard = listener.stop()
    expected = played.mean(axis=1) if channel is None else played[:, channel]
    start = place(expected, heard["samples"])
    assert heard["samples"][start : start + len(expected)] == pytest.approx(expected, abs=2**-16)
    assert heard["lost"].sum() == 0
    assert heard["xruns"] == 0
    assert heard["info"]["rate_hz"] == 48000


def test_samples_are_pascals_at_the_full_scale_that_was_calibrated(sound_card: PulseServer, tmp_path: Path) -> None:
    path, played = known_file(tmp_path, 24000)
    with listening(sound_card, tmp_path, channel=0, full_scale_db_spl=114.0) as listener:
        sound_card.play(path)
        heard = listener.stop()
    start = place(played[:, 0], heard["samples"])
    assert heard["samples"][start : start + 24000] == pytest.approx(10 * played[:, 0], abs=1e-3)


def test_times_of_capture_go_on_and_are_not_after_the_delivery(sound_card: PulseServer, tmp_path: Path) -> None:
    path, _ = known_file(tmp_path)
    with listening(sound_card, tmp_path) as listener:
        sound_card.play(path)
        heard = listener.stop()
    assert (np.diff(heard["end_ns"]) >= 0).all()
    assert (heard["end_ns"] <= heard["arrived_ns"]).all()
    assert set(heard["lengths"]) == {240}
    assert heard["info"]["reported_latency_ms"] > 0


def test_a_device_opens_at_another_rate_that_it_can(sound_card: PulseServer, tmp_path: Path) -> None:
    with listening(sound_card, tmp_path, rate_hz=44100) as listener:
        heard = listener.stop()
    assert heard["info"]["rate_hz"] == 44100


def test_a_device_that_cannot_open_at_the_rate_opens_at_its_own(sound_card: PulseServer, tmp_path: Path) -> None:
    with listening(sound_card, tmp_path, rate_hz=12_345_678) as listener:
        heard = listener.stop()
    assert heard["info"]["rate_hz"] == 44100
    assert heard["info"]["details"]["wanted_rate_hz"] == 12_345_678


def test_a_reader_who_is_too_late_is_told_how_much_he_lost(sound_card: PulseServer, tmp_path: Path) -> None:
    path, played = known_file(tmp_path, 144000)
    with listening(sound_card, tmp_path, channel=0, ring_s=0.2, pause_s=0.7) as listener:
        sound_card.play(path)
        heard = listener.stop()
    lost = int(heard["lost"].sum())
    assert heard["xruns"] >= 1
    assert lost >= 0.3 * 48000
    # what was lost, put back as silence, brings the rest of the sound to its place
    starts = np.cumsum(heard["lengths"]) - heard["lengths"]
    whole = np.insert(heard["samples"], np.repeat(starts, heard["lost"]), 0.0)
    start = place(played[:, 0], whole)
    matching = np.abs(whole[start : start + 144000] - played[:, 0]) < 2**-16
    assert matching[-72000:].all()
    assert matching.sum() + lost >= 144000


def test_samples_that_are_no_numbers_become_silence_and_are_counted(sound_card: PulseServer, tmp_path: Path) -> None:
    path = tmp_path / "bad.wav"
    frames = np.random.default_rng(0).uniform(-0.5, 0.5, (24000, 2)).astype(np.float32)
    frames[7000:7003, 0] = [np.nan, np.inf, -np.inf]
    soundfile.write(path, frames, 48000, subtype="FLOAT")
    with listening(sound_card, tmp_path, channel=0) as listener:
        sound_card.play(path)
        heard = listener.stop()
    assert heard["non_finite"] == 3
    frames[7000:7003, 0] = 0.0
    start = place(frames[:, 0], heard["samples"])
    assert heard["samples"][start : start + 24000] == pytest.approx(frames[:, 0], abs=1e-6)


def test_a_device_that_goes_away_is_named(sound_card: PulseServer, tmp_path: Path) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="card") as directory,
        virtual_sound_card(Path(directory)) as own,
        listening(own, tmp_path) as listener,
    ):
        assert listener.started
        own.stop()
        assert f"the input device {DEVICE!r} has stopped" in listener.fail()


@pytest.mark.parametrize("device", ["no such thing", 99])
def test_a_device_that_does_not_exist_is_answered_with_those_that_do(
    sound_card: PulseServer, tmp_path: Path, device: object
) -> None:
    with listening(sound_card, tmp_path, device=device) as listener:
        errors = listener.fail()
    assert str(device) in errors
    assert f"  {DEVICE} (ALSA" in errors
    assert "default" in errors


def test_a_channel_that_the_device_has_not_is_refused(sound_card: PulseServer, tmp_path: Path) -> None:
    with listening(sound_card, tmp_path, channel=200) as listener:
        assert f"no channel 200 in the device {DEVICE!r}" in listener.fail()
