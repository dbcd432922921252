"""Sounds side by side give what each gives alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rtstrf.checkpoints.load import load_model
from rtstrf.cli.main import main
from rtstrf.errors import SoundError
from rtstrf.replay.batch import replay_batch
from rtstrf.replay.play import replay
from rtstrf.replay.rates_file import load_rates
from tests.support.sounds import ArraySource, bursts, write_sound

MODEL = "statenet-gru-ns1"
LENGTHS = {48000: [48000, 240, 100_001, 15360], 44100: [30_000, 70_000], 16000: [16_000]}


def sources() -> list[ArraySource]:
    return [
        ArraySource(bursts(length, rate_hz, seed=length), rate_hz)
        for rate_hz, lengths in LENGTHS.items()
        for length in lengths
    ]


@pytest.mark.parametrize("lanes", [1, 2, 5, 16])
def test_each_sound_gives_what_it_gives_alone(lanes: int) -> None:
    loaded = load_model(MODEL)
    for heard, source in zip(replay_batch(sources(), loaded, lanes=lanes), sources(), strict=True):
        alone = replay(source, loaded)
        assert alone.rates_hz is not None
        assert heard.rates_hz is not None
        assert heard.rates_hz.shape == alone.rates_hz.shape
        assert np.abs(heard.rates_hz - alone.rates_hz).max() <= 1e-5 * max(1.0, np.abs(alone.rates_hz).max())
        np.testing.assert_allclose(heard.level_db_spl, alone.level_db_spl, atol=1e-4)
        assert (heard.source_samples, heard.bins, heard.tail_s) == (alone.source_samples, alone.bins, alone.tail_s)
        assert len(heard.compute_ns) == len(heard.delivered_ns) == heard.bins


def test_progress_counts_the_bins_of_all() -> None:
    seen: list[int] = []
    heard = replay_batch(sources(), load_model(MODEL), lanes=3, on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == sum(each.bins for each in heard)


def test_a_sound_that_is_too_short_is_named_and_every_source_is_closed() -> None:
    class Noted(ArraySource):
        closed = False

        def close(self) -> None:
            self.closed = True

    long, short = Noted(bursts(480_000, 48000), 48000), Noted(np.zeros(100, dtype=np.float32), 48000)
    with pytest.raises(SoundError, match="shorter than one bin"):
        replay_batch([long, short], load_model(MODEL))
    assert long.closed
    assert short.closed


def test_a_folder_of_sounds_is_replayed_into_a_folder_of_rates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "sounds", tmp_path / "rates"
    folder.mkdir()
    out.mkdir()
    for name, length in (("a.wav", 24000), ("b.flac", 36000), ("c.wav", 480)):
        subtype = "PCM_16" if name.endswith("flac") else "FLOAT"
        write_sound(folder / name, bursts(length, 48000, seed=length), 48000, subtype=subtype)
    (folder / "notes.txt").write_text("not a sound")
    assert main(["replay", str(folder), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["a.npz", "b.npz", "c.npz"]
    assert "3 sounds side by side" in capsys.readouterr().out
    single = tmp_path / "b.npz"
    assert main(["replay", str(folder / "b.flac"), "--out", str(single)]) == 0
    together, alone = load_rates(out / "b.npz"), load_rates(single)
    assert np.abs(together.rates_hz - alone.rates_hz).max() <= 1e-5 * max(1.0, np.abs(alone.rates_hz).max())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pace", "real"], "side by side"),
        (["--block", "100"], "side by side"),
        (["--report", "there"], "side by side"),
        (["--lanes", "0"], "0 lanes"),
    ],
)
def test_what_cannot_be_known_side_by_side_is_refused(
    tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sound(tmp_path / "a.wav", bursts(4800, 48000), 48000)
    assert main(["replay", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_sounds_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path)]) == 2
    assert "no sound" in capsys.readouterr().err
