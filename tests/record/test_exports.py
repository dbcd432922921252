"""A recording in other formats: the same numbers, at the same times."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtstrf.errors import ConfigError, RecordError
from rtstrf.pipeline import Pipeline
from rtstrf.record.exports import export_npz, export_wav, sound_parts, sound_samples
from rtstrf.record.nwb import export_nwb
from rtstrf.record.recorder import Recorder
from rtstrf.record.recording import Recording
from rtstrf.replay.rates_file import load_rates
from rtstrf.sound.source import Block
from rtstrf.spikes import SpikeGenerator
from tests.support.live import noise
from tests.support.records import feed, greeting, header, make_recording, model


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A recording with a loss, a gap, a topic, spikes, marks and an odd event."""
    folder = tmp_path_factory.mktemp("eventful") / "r"
    recorder = Recorder(folder, topics=("level", "spikes"))
    recorder.open(greeting())
    pipeline = Pipeline(model())
    feed(recorder, pipeline, noise(2400), 0)
    recorder.sound(Block(noise(240, 1), time.monotonic_ns(), lost_samples=4800), 7200)
    generator = SpikeGenerator(119, hop_samples=240, sample_rate_hz=48000, seed=1)
    rates_hz = np.full((2, 119), 400.0, dtype=np.float32)
    spikes, _ = generator.step(rates_hz, generator.initial_state(), first_bin=30)
    recorder.rows("rates", header(30, 2, gap=20, flags=1), rates_hz)
    recorder.rows("level", header(30, 2, gap=20), np.full((2, 1), 70.0, dtype=np.float32))
    recorder.rows("spikes", header(30, 2, gap=20), spikes.astype(np.float32))
    recorder.event("mark", 10**8, {"label": "stimulus 1", "s": 480, "bin": 2})
    recorder.event("mark", 2 * 10**8, {"label": "Gänse", "s": 7300, "t_client": "12.5"})
    recorder.event("odd", 3 * 10**8, {"id": 1, "timestamp": [1, 2], "name": None, "a b": True, "a_b": 3})
    recorder.close()
    return Recording(folder)


def test_the_wav_has_every_sample_in_its_place_and_zeros_where_it_was_lost(eventful: Recording, tmp_path: Path) -> None:
    done: list[float] = []
    export_wav(eventful, tmp_path / "sound.wav", on_progress=done.append)
    sound_pa, rate_hz = soundfile.read(tmp_path / "sound.wav", dtype="float32")
    assert rate_hz == 48000
    np.testing.assert_array_equal(sound_pa, np.concatenate([noise(2400), np.zeros(4800), noise(240, 1)]).astype("f4"))
    assert done[-1] == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["sound.wav"]


def test_sound_comes_in_pieces_and_its_length_is_known_before(eventful: Recording) -> None:
    own = eventful.streams["main"]
    assert sum(len(part) for part in sound_parts(own)) == sound_samples(own) == 7440


def test_the_npz_is_a_rates_file_with_more(eventful: Recording, tmp_path: Path) -> None:
    export_npz(eventful, tmp_path / "r.npz")
    rates = load_rates(tmp_path / "r.npz")
    own = eventful.streams["main"]
    np.testing.assert_array_equal(rates.rates_hz, own.rates_hz)
    assert rates.model == "statenet-gru-ns1"
    with np.load(tmp_path / "r.npz") as arrays:
        assert arrays["bin_index"].tolist() == [*range(10), 30, 31]
        np.testing.assert_allclose(arrays["t_s"], (arrays["bin_index"] + 1) * 0.005)
        assert arrays["flags"].tolist() == [0] * 10 + [1, 1]
        assert arrays["level"].tolist() == [[70.0], [70.0]]
        assert arrays["level_bin_index"].tolist() == [30, 31]
        told = [json.loads(text) for text in arrays["events"]]
    assert told[1]["label"] == "Gänse"


def test_the_nwb_is_read_back_by_pynwb_sample_for_sample(eventful: Recording, tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb", reason="NWB needs the extra nwb: pynwb")
    path = tmp_path / "session.nwb"
    done: list[float] = []
    export_nwb(eventful, path, on_progress=done.append)
    assert done == sorted(done)
    assert done[-1] == 1.0
    assert pynwb.validate(path=str(path)) == []
    own = eventful.streams["main"]
    with pynwb.NWBHDF5IO(path, "r") as file:
        nwb = file.read()
        sound, rates = nwb.acquisition["sound"], nwb.processing["misc"]["rates"]
        assert sound.rate == 48000.0
        assert sound.unit == "Pa"
        np.testing.assert_array_equal(sound.data[:2400], noise(2400))
        np.testing.assert_array_equal(sound.data[2400:7200], np.zeros(4800))
        np.testing.assert_array_equal(sound.data[7200:], noise(240, 1))
        np.testing.assert_array_equal(rates.data[:], own.rates_hz)
        zero_s = sound.starting_time
        np.testing.assert_allclose(rates.timestamps[:] - zero_s, (own.bin_index + 1) * 0.005, atol=1e-9)
        assert nwb.processing["misc"]["level"].data[:].tolist() == [[70.0], [70.0]]
        marks = nwb.events["events_mark"].to_dataframe()
        np.testing.assert_allclose(marks["timestamp"] - zero_s, [0.01, 7300 / 48000], atol=1e-9)
        assert marks["label"].tolist() == ["stimulus 1", "Gänse"]
        assert nwb.events["events_odd"].to_dataframe()["a_b_"].tolist() == [3.0]
        missing = nwb.invalid_times.to_dataframe()
        times = [[round(v - zero_s, 6) for v in row] for row in missing[["start_time", "stop_time"]].to_numpy()]
        assert times == [[0.05, 0.15], [0.05, 0.15]]
        assert len(nwb.units) == 119
        rows, slots, units = np.nonzero(own.topic("spikes")[0].reshape(2, -1, 119) >= 0)
        assert len(units) > 20
        spike_s = np.sort(np.concatenate([nwb.units["spike_times"][unit] for unit in range(119)])) - zero_s
        samples = 240 * (30 + rows) + own.topic("spikes")[0].reshape(2, -1, 119)[rows, slots, units]
        np.testing.assert_allclose(spike_s, np.sort(samples) / 48000, atol=1e-9)
        assert nwb.processing["misc"]["modelled_units"]["unit_id"][0] == model().sidecar.units[0].id
    assert [path.name for path in tmp_path.iterdir()] == ["session.nwb"]


def test_what_an_inspector_of_nwb_finds_wanting_is_only_what_a_model_has_not(
    eventful: Recording, tmp_path: Path
) -> None:
    nwbinspector = pytest.importorskip("nwbinspector", reason="judging NWB needs nwbinspector")
    export_nwb(eventful, tmp_path / "session.nwb")
    found = {message.check_function_name: message for message in nwbinspector.inspect_nwbfile(tmp_path / "session.nwb")}
    of_people = {"check_subject_exists", "check_experimenter_exists", "check_institution"}
    of_so_short_a_recording = {
        "check_single_row",
        "check_data_orientation",
        "check_time_intervals_start_time_not_constant",
    }
    assert not set(found) - of_people - of_so_short_a_recording, found


def test_gapless_rates_name_their_rate_and_not_every_time(tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb", reason="NWB needs the extra nwb: pynwb")
    make_recording(tmp_path / "r", 4800)
    export_nwb(Recording(tmp_path / "r"), tmp_path / "session.nwb")
    with pynwb.NWBHDF5IO(tmp_path / "session.nwb", "r") as file:
        rates = file.read().processing["misc"]["rates"]
        assert rates.timestamps is None
        assert rates.rate == pytest.approx(200)


def test_a_stream_must_be_named_where_there_are_several(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r")
    recorder.open(greeting())
    for stream in ("left", "right"):
        recorder.rows("rates", header(0, stream=stream), np.ones((1, 119), dtype=np.float32))
    recorder.close()
    recording = Recording(tmp_path / "r")
    with pytest.raises(RecordError, match=r"2 streams.*\n.*left, right"):
        export_npz(recording, tmp_path / "r.npz")
    export_npz(recording, tmp_path / "r.npz", stream="left")
    with pytest.raises(RecordError, match="no sound"):
        export_wav(recording, tmp_path / "r.wav", stream="left")
    pytest.importorskip("pynwb", reason="NWB needs the extra nwb: pynwb")
    export_nwb(recording, tmp_path / "r.nwb")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r", "r.npz", "r.nwb"]


@pytest.mark.parametrize("kind", ["wav", "npz", "nwb"])
def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(
    eventful: Recording, tmp_path: Path, kind: str
) -> None:
    if kind == "nwb":
        pytest.importorskip("pynwb", reason="NWB needs the extra nwb: pynwb")
    target = tmp_path / f"taken.{kind}"
    (target / "inside").mkdir(parents=True)
    export = {"wav": export_wav, "npz": export_npz, "nwb": export_nwb}[kind]
    with pytest.raises(ConfigError, match="taken"):
        export(eventful, target)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
