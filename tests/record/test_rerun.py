"""A real session, recorded, and run again: every bit of every rate, whatever happened to sound and state."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtstrf.config.live import LiveConfig, StreamSection
from rtstrf.config.load import load_config
from rtstrf.engine.engine import Engine
from rtstrf.errors import ConfigError, RecordError
from rtstrf.record.recording import Recording
from rtstrf.record.rerun import Rerun, model_of, rerun
from tests.support.fed import FedSource, wait_for
from tests.support.live import FREE_PORTS, is_over, joined, noise, of_kind, receive, session
from tests.support.records import make_recording, model
from tests.support.sounds import write_sound

LADDER = "engine.overload.rungs=[chunks,shed]"


def run_again(folder: Path, stream: str = "main") -> Rerun:
    recording = Recording(folder)
    return rerun(recording, stream, model_of(recording))


def burst(engine: Engine, source: FedSource, samples: int) -> None:
    """Let hops pile up before the model, as where it is too slow: several go into one step then, or are dropped."""
    held = threading.Event()
    engine.handover.command(held.wait)
    source.feed(samples)
    wait_for(lambda: engine.first.ledger.position == source.position)
    held.set()


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("sound"), st.lists(st.integers(0, 3000), min_size=1, max_size=6)),
        st.tuples(st.just("loss"), st.sampled_from([1, 100, 4000, 6000, 30000])),
        st.tuples(st.just("burst"), st.integers(2_000, 60_000)),
        st.tuples(st.just("set"), st.sampled_from([-20.0, -6.0, 0.0, 3.5])),
        st.tuples(st.just("reset"), st.none()),
        st.tuples(st.just("pause"), st.integers(0, 3000)),
        st.tuples(st.just("record again"), st.none()),
        st.tuples(st.just("wait"), st.none()),
    ),
    min_size=3,
    max_size=14,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    actions=ACTIONS,
    rate_hz=st.sampled_from([48000, 48000, 44100]),
    reset_after_gap=st.booleans(),
    queue_hops=st.sampled_from([12, 400]),
)
def test_a_session_is_run_again_bit_for_bit_whatever_happened_in_it(
    tmp_path_factory: pytest.TempPathFactory, actions: list, rate_hz: int, reset_after_gap: bool, queue_hops: int
) -> None:
    folder = tmp_path_factory.mktemp("session") / "recordings"
    source = FedSource(rate_hz)
    keys = [f"record.folder={folder}", f"engine.reset_after_gap={str(reset_after_gap).lower()}"]
    keys += [LADDER, f"engine.queue_hops={queue_hops}", "engine.overload.keep_hops=2", "engine.gain_db=-3"]
    with session(*keys, source=source) as (engine, client):
        client.request("start")
        source.feed(1000)
        for action, value in actions:
            if action == "sound":
                for samples in value:
                    source.feed(samples)
            elif action == "loss":
                source.feed(500, lost=value)
            elif action == "burst":
                burst(engine, source, value)
            elif action == "set":
                client.request("set", name="engine.gain_db", value=value)
            elif action == "reset":
                client.request("reset")
            elif action == "pause":
                client.request("stop")
                source.feed(value)
                client.request("start")
            elif action == "record again":
                client.request("record.stop")
                source.feed(2000)
                client.request("record.start")
            wait_for(lambda: engine.first.ledger.position == source.position)
            if action == "wait":
                wait_for(lambda: not engine.status()["queue"])
        source.feed(3000)
        source.finish()
        messages = receive(client, is_over)
        sent = {m.header["i0"]: m for m in of_kind(messages, "rates")}
        print(
            "LOST",
            client.bins_lost,
            engine.status()["bins_missing"],
            actions,
            queue_hops,
            client.messages_lost if hasattr(client, "messages_lost") else None,
        )
    recordings = sorted(folder.iterdir())
    assert len(recordings) == 1 + sum(action == "record again" for action, _ in actions)
    for number, path in enumerate(recordings):
        recording = Recording(path)
        assert recording.end == "closed"
        own = recording.streams.get("main")
        if own is None:
            continue  # no sound came while it was being made
        for row, index in enumerate(own.messages["i0"].tolist()):
            if own.messages["n"][row]:
                assert sent[index].header["n"] == own.messages["n"][row]
        try:
            done = run_again(path)
        except RecordError:
            # Stopped before a bin was heard, or before one whose sound is recorded.
            assert number > 0 or not len(own.rates_hz)
            continue
        assert done.identical, done
        assert done.bins + done.not_rerun_bins == len(own.rates_hz)
        if number == 0:
            assert done.not_rerun_bins == 0
            np.testing.assert_array_equal(
                own.rates_hz, np.concatenate([sent[i].array for i in sorted(sent)])[: len(own.rates_hz)]
            )


def test_what_happened_is_counted(tmp_path: Path) -> None:
    source = FedSource()
    with session(f"record.folder={tmp_path / 'r'}", LADDER, source=source) as (engine, client):
        client.request("start")
        source.feed(4800)
        wait_for(lambda: engine.status()["bins"] == 20)
        client.request("reset")
        client.request("set", name="engine.gain_db", value=-6)
        source.feed(4800, lost=24000)
        burst(engine, source, 24000)
        source.finish()
        rates = joined(receive(client, is_over), "rates")
    (folder,) = (tmp_path / "r").iterdir()
    done = run_again(folder)
    assert done.identical
    assert (done.bins, done.gaps, done.resets, done.gain_changes) == (len(rates), 1, 1, 1)
    assert done.chunks > 0


@pytest.mark.parametrize("rate_hz", [48000, 44100])
def test_a_loss_of_hours_costs_no_time_and_what_follows_is_run_again(tmp_path: Path, rate_hz: int) -> None:
    source = FedSource(rate_hz)
    with session(f"record.folder={tmp_path / 'r'}", source=source) as (_, client):
        client.request("start")
        source.feed(5000)
        source.feed(7000, lost=7 * 3600 * rate_hz + 11)
        source.finish()
        rates = joined(receive(client, is_over), "rates")
    (folder,) = (tmp_path / "r").iterdir()
    done = run_again(folder)
    assert done.identical
    assert (done.bins, done.not_rerun_bins, done.gaps) == (len(rates), 0, 1)


def test_a_recording_begun_in_mid_stream_is_run_again_from_its_first_whole_hop_on(tmp_path: Path) -> None:
    source = FedSource(44100)
    with session(f"record.folder={tmp_path / 'r'}", "record.autostart=false", source=source) as (engine, client):
        client.request("start")
        source.feed(22050)
        client.request("set", name="engine.gain_db", value=-12)
        wait_for(lambda: not engine.status()["queue"] and engine.status()["bins"] > 90)
        assert client.request("status")["recording"] is None
        started = client.request("record.start", name="from here")
        assert client.request("record.start")["recording"] == started["recording"]
        assert client.request("status")["recording"] == started["recording"]
        source.feed(2000)
        wait_for(lambda: not engine.status()["queue"] and engine.status()["bins"] > 100)
        source.feed(20050)
        source.finish()
        receive(client, is_over)
    (folder,) = (tmp_path / "r").iterdir()
    assert folder.name.endswith("-from_here")
    recording = Recording(folder)
    own = recording.streams["main"]
    assert own.begins_at_sample == 22050
    done = run_again(folder)
    assert done.identical
    assert 0 < done.not_rerun_bins < 20  # those whose sound had come before, and those of the filter's memory
    assert done.bins > 80


def test_a_file_in_real_time_and_another_rate_is_run_again(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "noise.wav", noise(16000), 16000)
    keys = ("source.kind=file", f"source.path={path}", f"record.folder={tmp_path / 'r'}", "source.speed=4")
    with session(*keys, "wire.topics=[spectrogram,level]", "record.topics=[level]") as (_, client):
        client.request("start")
        receive(client, is_over)
    (folder,) = (tmp_path / "r").iterdir()
    done = run_again(folder)
    assert done.identical
    assert (done.bins, done.not_rerun_bins) == (200, 0)
    assert Recording(folder).streams["main"].topic("level")[0].shape == (200, 1)


def test_several_streams_are_recorded_and_run_again_each_as_it_was(tmp_path: Path) -> None:
    names = ("left", "middle", "right")
    streams = ", ".join(
        f"{{name: {name}, source: {{kind: silence}}, gain_db: {3 * i}}}" for i, name in enumerate(names)
    )
    sources = {"left": FedSource(), "middle": FedSource(44100), "right": FedSource()}
    keys = [f"streams=[{streams}]", f"record.folder={tmp_path / 'r'}", "engine.spare_lanes=2", *FREE_PORTS]
    engine = Engine(load_config(LiveConfig, None, keys), sources)
    engine.start()
    try:
        for _ in range(20):
            for number, source in enumerate(sources.values()):
                source.feed(700 + 300 * number)
            wait_for(lambda: all(s.ledger.position == sources[n].position for n, s in engine.streams.items()))
        sources["middle"].feed(4410, lost=44100)
        for source in sources.values():
            source.finish()
        engine.wait()
    finally:
        engine.stop()
    (folder,) = (tmp_path / "r").iterdir()
    recording = Recording(folder)
    assert sorted(recording.streams) == sorted(names)
    assert recording.streams["middle"].source_rate_hz == 44100
    for name in names:
        done = run_again(folder, name)
        assert done.identical, (name, done)
        assert done.not_rerun_bins == 0
        assert done.gaps == (name == "middle")


def test_streams_that_are_added_and_come_again_are_run_again_from_their_first_bin(tmp_path: Path) -> None:
    first = FedSource()
    keys = (
        "streams=[{name: left, source: {kind: silence}}]",
        f"record.folder={tmp_path / 'r'}",
        "engine.spare_lanes=2",
    )
    engine = Engine(load_config(LiveConfig, None, [*keys, "engine.spare_lanes=2", *FREE_PORTS]), {"left": first})
    engine.start()
    try:
        first.feed(5000)
        for rate_hz in (44100, 48000):
            source = FedSource(rate_hz)
            engine.roster.add(StreamSection(name="right", source={"kind": "silence"}), source)  # type: ignore[arg-type]
            for _ in range(5):
                source.feed(2000)
                first.feed(900)
            source.finish()
            engine.streams["right"].ended.wait(60)
        first.finish()
        engine.wait()
    finally:
        engine.stop()
    (folder,) = (tmp_path / "r").iterdir()
    recording = Recording(folder)
    assert {name: own.source_rate_hz for name, own in recording.streams.items()} == {
        "left": 48000, "right": 44100, "right.2": 48000,
    }  # fmt: skip
    for name in recording.streams:
        done = run_again(folder, name)
        assert done.identical, (name, done)
        assert done.not_rerun_bins == 0


def test_a_difference_is_found_where_it_is_and_held_against_g1(tmp_path: Path) -> None:
    make_recording(tmp_path / "r", 24000)
    path = tmp_path / "r" / "main" / "rates.npy"
    rates = np.load(path)
    rates[40, 7] += 1e-4
    path.write_bytes(path.read_bytes()[:128] + rates.tobytes())
    done = run_again(tmp_path / "r")
    assert not done.identical
    assert done.largest_hz == pytest.approx(1e-4, rel=0.1)
    assert (done.at_bin, done.at_unit) == (40, 7)
    assert done.within_g1 == (1e-4 / max(1.0, done.peak_hz) <= 1e-5)
    rates[41, 0] = np.nan
    path.write_bytes(path.read_bytes()[:128] + rates.tobytes())
    done = run_again(tmp_path / "r")
    assert done.largest_hz == np.inf
    assert (done.at_bin, done.at_unit) == (41, 0)
    assert not done.within_g1


def test_a_model_with_other_weights_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    make_recording(tmp_path / "r", 2400)
    manifest = tmp_path / "r" / "recording.json"
    manifest.write_text(manifest.read_text().replace(model().weights_sha256, "0" * 64))
    recording = Recording(tmp_path / "r")
    with pytest.raises(ConfigError, match="other weights"):
        model_of(recording)
    assert rerun(recording, "main", model_of(recording, "statenet-gru-ns1")).identical


def test_a_backend_that_is_not_here_is_told_and_eager_takes_its_place(tmp_path: Path) -> None:
    make_recording(tmp_path / "r", 2400)
    manifest = tmp_path / "r" / "recording.json"
    manifest.write_text(
        manifest.read_text().replace('"kind":"cpu","backend":"eager"', '"kind":"cuda:63","backend":"x"')
    )
    recording = Recording(tmp_path / "r")
    done = rerun(recording, "main", model())
    assert done.made_by == {"kind": "cuda:63", "backend": "x"}
    assert (done.rerun_by["kind"], done.rerun_by["backend"]) == ("cpu", "eager")
    with pytest.raises(ConfigError, match="cuda:63"):
        rerun(recording, "main", model(), device="cuda:63")
