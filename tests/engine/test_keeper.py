"""The sound that is kept is the sound that was heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtstrf.engine.keeper import SoundKeeper
from rtstrf.errors import SoundError
from rtstrf.sound.source import Block
from tests.support.live import ScriptedSource, events, is_over, joined, noise, receive, session


def test_blocks_and_losses_are_kept_sample_for_sample(tmp_path: Path) -> None:
    samples = noise(1000) * 20  # above 1.0, as pascals may be
    keeper = SoundKeeper(str(tmp_path / "kept.wav"), 44100)
    keeper.write(Block(samples[:700], 0))
    keeper.write(Block(samples[700:], 0, lost_samples=50))
    assert not (tmp_path / "kept.wav").exists()
    keeper.close()
    keeper.close()
    kept, rate_hz = soundfile.read(tmp_path / "kept.wav", dtype="float32")
    assert rate_hz == 44100
    np.testing.assert_array_equal(kept, np.concatenate([samples[:700], np.zeros(50), samples[700:]]).astype(np.float32))
    assert [path.name for path in tmp_path.iterdir()] == ["kept.wav"]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match="no-such-folder"):
        SoundKeeper(str(tmp_path / "no-such-folder" / "kept.wav"), 48000)


def test_a_recording_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kept.wav"
    path.write_bytes(b"precious")
    with pytest.raises(SoundError, match="exists"):
        SoundKeeper(str(path), 48000)
    assert path.read_bytes() == b"precious"


def test_a_session_without_sound_and_an_abandoned_one_leave_nothing(tmp_path: Path) -> None:
    SoundKeeper(str(tmp_path / "empty.wav"), 48000).close()
    keeper = SoundKeeper(str(tmp_path / "abandoned.wav"), 48000)
    keeper.write(Block(noise(100), 0))
    keeper.abandon()
    keeper.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_the_keeping_and_not_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: SoundKeeper, block: Block) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(SoundKeeper, "write", full)
    source = ScriptedSource([Block(noise(2400), 0)])
    with session(f"engine.keep_sound={tmp_path / 'kept.wav'}", source=source) as (_, client):
        client.request("start")
        source.play()
        messages = receive(client, is_over)
    assert joined(messages, "rates").shape == (10, 119)
    assert "No space left on device" in events(messages, "fault")[0]["what"]
    assert list(tmp_path.iterdir()) == []
