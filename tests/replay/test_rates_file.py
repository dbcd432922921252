"""Rates on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.errors import ConfigError, DataError, StreamError
from rtstrf.replay.play import replay
from rtstrf.replay.rates_file import load_rates, out_paths, save_rates
from tests.support.models import HOP_SAMPLES, RATE_HZ, UNITS
from tests.support.sounds import ArraySource, bursts


def test_a_rates_file_holds_the_rates_and_what_they_mean(loaded: LoadedModel, tmp_path: Path) -> None:
    result = replay(ArraySource(bursts(5000, RATE_HZ), RATE_HZ), loaded)
    save_rates(tmp_path / "rates.npz", result, loaded)
    with np.load(tmp_path / "rates.npz", allow_pickle=False) as held:
        assert sorted(held) == sorted(
            ["rates_hz", "t_s", "unit_id", "bin_s", "sample_rate_hz", "hop_samples", "model", "weights_sha256"]
        )
        assert held["rates_hz"].dtype == np.float32
        assert held["t_s"].dtype == np.float64
        assert np.array_equal(held["rates_hz"], result.rates_hz)
        # To the last bit the sample count over the rate, not bins added up.
        assert held["t_s"].tolist() == [(i + 1) * HOP_SAMPLES / RATE_HZ for i in range(5000 // HOP_SAMPLES)]
        assert held["unit_id"].tolist() == [f"unit-{n}" for n in range(UNITS)]
    read = load_rates(tmp_path / "rates.npz")
    assert (read.bin_s, read.sample_rate_hz, read.hop_samples) == (0.005, RATE_HZ, HOP_SAMPLES)
    assert (read.model, read.weights_sha256) == ("tiny", loaded.weights_sha256)


def test_the_same_replay_writes_the_same_bytes(loaded: LoadedModel, tmp_path: Path) -> None:
    for name, block in (("a.npz", 7), ("b.npz", 999)):
        result = replay(ArraySource(bursts(5000, RATE_HZ), RATE_HZ), loaded, block=block)
        save_rates(tmp_path / name, result, loaded)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_rates_that_were_not_kept_cannot_be_written(loaded: LoadedModel, tmp_path: Path) -> None:
    result = replay(ArraySource(bursts(5000, RATE_HZ), RATE_HZ), loaded, keep_rates=False)
    with pytest.raises(StreamError, match="kept no rates"):
        save_rates(tmp_path / "rates.npz", result, loaded)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"RIFF", None])
def test_another_file_is_no_rates_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "rates.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"is no rates file: .*\n  -> give a file"):
        load_rates(path)


def test_an_archive_of_other_arrays_is_no_rates_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", spikes=np.zeros(3))
    with pytest.raises(DataError, match="is no rates file"):
        load_rates(tmp_path / "other.npz")


def test_one_sound_goes_to_the_file_that_is_named(tmp_path: Path) -> None:
    assert out_paths(tmp_path / "rates.npz", ["call.wav"]) == [tmp_path / "rates.npz"]


def test_several_sounds_get_their_names_put_in(tmp_path: Path) -> None:
    paths = out_paths(tmp_path / "rates.npz", ["x/a.wav", "b.flac", "y/a.ogg"])
    assert [path.name for path in paths] == ["rates-a.npz", "rates-b.npz", "rates-a-2.npz"]


def test_a_folder_takes_a_file_for_each_sound(tmp_path: Path) -> None:
    assert out_paths(tmp_path, ["a.wav", "b.wav"]) == [tmp_path / "a.npz", tmp_path / "b.npz"]
    assert out_paths(tmp_path, ["a.wav"]) == [tmp_path / "a.npz"]


def test_no_two_sounds_share_a_file_even_where_a_number_is_in_a_name(tmp_path: Path) -> None:
    paths = out_paths(tmp_path, ["a-2.wav", "x/a.wav", "y/a.wav", "z/a.wav"])
    assert len(set(paths)) == 4


@pytest.mark.parametrize(
    ("out", "what"), [("missing/rates.npz", "there is no folder"), ("rates.csv", "nor a name that ends in .npz")]
)
def test_a_place_for_no_rates_file_is_an_error_that_says_what_to_do(tmp_path: Path, out: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as told:
        out_paths(tmp_path / out, ["a.wav"])
    assert "mkdir" in str(told.value)
