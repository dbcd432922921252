"""Several streams in one engine: each is as if it were alone, and none waits for another."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from rtstrf.checkpoints.load import load_model
from rtstrf.config.live import LiveConfig, StreamSection
from rtstrf.config.load import check
from rtstrf.engine.engine import Engine
from rtstrf.errors import ConfigError, SoundError
from rtstrf.pipeline import Pipeline
from rtstrf.sinks.sink import Sink
from rtstrf.sound.source import Block, Source
from rtstrf.wire.client import Client
from rtstrf.wire.message import Flags, Message
from rtstrf.wire.request import RequestError
from tests.support.live import ScriptedSource, events, joined, noise, of_kind, receive

SILENCE = {"kind": "silence"}


def config_of(streams: list[dict[str, Any]], **engine: Any) -> LiveConfig:
    values = {
        "streams": streams,
        "wire": {"data": "tcp://127.0.0.1:0", "control": "tcp://127.0.0.1:0", "topics": ["level"]},
        "engine": {"autostart": False, "overload": {"rungs": []}, **engine},
    }
    return check(LiveConfig, values, "the test")


@contextmanager
def several(
    sources: Mapping[str, Source], sinks: tuple[Sink, ...] = (), **engine_keys: Any
) -> Iterator[tuple[Engine, Client]]:
    """Run an engine of these sources, and a client of all of its streams that has been greeted by each."""
    engine = Engine(config_of([{"name": name, "source": SILENCE} for name in sources], **engine_keys), sources, sinks)
    engine.start()
    try:
        endpoints = engine.server.data_endpoint, engine.server.control_endpoint
        with Client(*endpoints, topics=("rates", "level"), lag_s=1e6) as client:
            receive(client, until=lambda _: set(client.hellos) == set(sources))
            yield engine, client
    finally:
        engine.stop()


def of_stream(messages: list[Message], name: str) -> list[Message]:
    return [m for m in messages if m.stream == name]


def has_ended(*names: str) -> Any:
    """Return a condition: all of these streams have ended, and their last rates are here."""

    def over(messages: list[Message]) -> bool:
        return all(
            any(told["state"] == "ended" for told in events(of_stream(messages, name), "state"))
            and any(Flags.LAST in m.flags for m in of_stream(messages, name) if m.kind == "rates")
            for name in names
        )

    return over


def alone(samples: np.ndarray, rate_hz: int = 48000) -> np.ndarray:
    """Return the rates of a sound heard by itself."""
    pipeline = Pipeline(load_model("statenet-gru-ns1"), source_rate_hz=rate_hz)
    return np.stack([b.rates_hz for b in [*pipeline.push(samples), *pipeline.finish()]])


def assert_equal_within_g2(rates: np.ndarray, reference: np.ndarray) -> None:
    assert rates.shape == reference.shape
    assert np.abs(rates - reference).max() <= 1e-5 * max(1.0, np.abs(reference).max())


def test_each_stream_hears_what_it_would_hear_alone() -> None:
    sounds = {"left": noise(24000, 1), "right": noise(36000, 2), "far": noise(22050, 3)}
    rates_hz = {"left": 48000, "right": 48000, "far": 44100}
    sources = {name: ScriptedSource([Block(sound, 0)], rates_hz[name]) for name, sound in sounds.items()}
    with several(sources) as (engine, client):
        client.request("start")
        for source in sources.values():
            source.play()
        messages = receive(client, has_ended(*sounds))
    for name, sound in sounds.items():
        own = of_stream(messages, name)
        assert_equal_within_g2(joined(own, "rates"), alone(sound, rates_hz[name]))
        assert [m.header["i0"] for m in of_kind(own, "rates")] == list(range(len(joined(own, "rates"))))
        assert len(of_kind(own, "level")) == len(of_kind(own, "rates"))
        status = engine.status(name)
        assert (status["bins"], status["bins_missing"]) == (len(joined(own, "rates")), 0)
        assert status["samples_in"] == len(sound)


def test_a_stream_that_is_silent_for_a_while_holds_up_no_other() -> None:
    gate = threading.Event()
    sources = {
        "slow": ScriptedSource([Block(noise(2400, 1), 0), gate, Block(noise(2400, 2), 0)]),
        "quick": ScriptedSource([Block(noise(48000, 3), 0)]),
    }
    with several(sources) as (_, client):
        client.request("start")
        for source in sources.values():
            source.play()
        messages = receive(client, has_ended("quick"))  # while the other waits for the test
        gate.set()
        messages += receive(client, lambda more: has_ended("slow")(messages + more))
    assert_equal_within_g2(joined(of_stream(messages, "quick"), "rates"), alone(noise(48000, 3)))
    both = np.concatenate([noise(2400, 1), noise(2400, 2)])
    assert_equal_within_g2(joined(of_stream(messages, "slow"), "rates"), alone(both))


def test_losses_gaps_and_resets_stay_in_the_stream_they_are_of() -> None:
    sources = {
        "whole": ScriptedSource([Block(noise(48000, 1), 0)]),
        "torn": ScriptedSource([Block(noise(4800, 2), 0), Block(noise(4800, 3), 0, lost_samples=24000)]),
    }
    with several(sources) as (engine, client):
        client.request("start")
        for source in sources.values():
            source.play()
        messages = receive(client, has_ended(*sources))
    whole, torn = of_stream(messages, "whole"), of_stream(messages, "torn")
    assert_equal_within_g2(joined(whole, "rates"), alone(noise(48000, 1)))
    assert events(whole, "gap") == events(whole, "loss") == []
    assert events(torn, "gap") == [{"bins": 100, "bin": 120}]
    assert_equal_within_g2(joined(torn, "rates")[20:], alone(noise(4800, 3)))
    assert engine.status("whole")["samples_lost"] == 0
    assert engine.status("torn")["samples_lost"] == 24000


def test_a_source_that_fails_ends_its_stream_and_no_other() -> None:
    gone = SoundError("the device is gone", remedy="connect it")
    gate = threading.Event()
    sources = {
        "broken": ScriptedSource([Block(noise(2400), 0), gone]),
        "sound": ScriptedSource([gate, Block(noise(24000, 1), 0)]),
    }
    messages: list[Message] = []

    def until_both_are_over() -> None:
        with several(sources) as (_, client):
            client.request("start")
            for source in sources.values():
                source.play()
            messages.extend(receive(client, has_ended("broken")))
            gate.set()
            messages.extend(receive(client, lambda more: has_ended("sound")(messages + more)))

    with pytest.raises(SoundError, match="gone"):
        until_both_are_over()
    assert [told["what"] for told in events(of_stream(messages, "broken"), "fault")] == ["the device is gone"]
    assert_equal_within_g2(joined(of_stream(messages, "sound"), "rates"), alone(noise(24000, 1)))


def test_a_command_may_name_a_stream_and_is_meant_for_all_where_it_does_not() -> None:
    sources = {"a": ScriptedSource([]), "b": ScriptedSource([])}
    with several(sources) as (engine, client):
        client.request("start", stream="b")
        assert (engine.streams["a"].state, engine.streams["b"].state) == ("armed", "running")
        told = client.request("reset")
        assert set(told["streams"]) == {"a", "b"}
        assert "streams" not in client.request("reset", stream="a")
        client.request("mark", label="both")
        client.request("mark", label="one", stream="a")
        client.request("set", name="engine.gain_db", value=-3)
        with pytest.raises(RequestError, match="no stream 'c'"):
            client.request("reset", stream="c")
        messages = receive(
            client, lambda messages: len([m for m in messages if m.header.get("name") == "parameter"]) == 2
        )
    labels = {name: [told["label"] for told in events(of_stream(messages, name), "mark")] for name in "ab"}
    assert labels == {"a": ["both", "one"], "b": ["both"]}


def test_sinks_are_told_which_stream_a_row_an_event_and_a_sound_are_of() -> None:
    class Notes(Sink):
        immediate = True

        def __init__(self) -> None:
            self.seen: set[tuple[str, Any]] = set()

        def open(self, greeting: dict[str, Any]) -> None:
            self.seen.add(("open", tuple(greeting["streams"])))

        def rows(self, kind: str, header: dict[str, Any], rows: np.ndarray) -> None:
            self.seen.add((kind, header["stream"]))

        def event(self, name: str, t_ns: int, details: dict[str, Any]) -> None:
            self.seen.add((name, details["stream"]))

        def sound(self, block: Block, at_sample: int) -> None:
            self.seen.add(("sound", block.stream))

    notes = Notes()
    sources = {name: ScriptedSource([Block(noise(480), 0)]) for name in "ab"}
    with several(sources, (notes,)) as (_, client):
        client.request("start")
        for source in sources.values():
            source.play()
        receive(client, has_ended("a", "b"))
    kinds = ("rates", "level", "state", "sound")
    assert notes.seen == {("open", ("a", "b")), *((kind, name) for kind in kinds for name in "ab")}


def test_streams_are_stepped_together_where_they_are_ready_together(monkeypatch: pytest.MonkeyPatch) -> None:
    from rtstrf.engine.batch import Batch

    steps: list[int] = []
    hear = Batch.hear

    def counted(batch: Batch, lanes: Any, sounds: Any) -> Any:
        steps.append(len(lanes))
        return hear(batch, lanes, sounds)

    monkeypatch.setattr(Batch, "hear", counted)
    sources = {f"s{n}": ScriptedSource([Block(noise(24000, n), 0)]) for n in range(8)}
    with several(sources) as (_, client):
        client.request("start")
        for source in sources.values():
            source.play()
        receive(client, has_ended(*sources))
    assert sum(steps) == 800
    assert len(steps) < 600  # one by one it would be 800 steps
    assert max(steps) > 1


def test_streams_come_and_go_while_others_run() -> None:
    stays = ScriptedSource([])
    with several({"stays": stays}, spare_lanes=1) as (engine, client):
        client.request("start")
        tone = {"kind": "noise", "gap_ms": 0, "duration_s": 0.5, "seed": 3}
        told = client.request("stream.add", name="guest", source=tone)
        assert told["stream"] == "guest"
        messages = receive(client, has_ended("guest"))
        guest = of_stream(messages, "guest")
        assert len(joined(guest, "rates")) == 100
        assert client.hellos["guest"]["source"]["kind"] == "noise"
        with pytest.raises(RequestError, match="a stream 'stays' already"):
            client.request("stream.add", name="stays", source=tone)
        # Its lane is free again, and as it was: the next one hears the same from it.
        assert client.request("stream.add", name="second", source={**tone, "duration_s": 0.5})["state"] == "running"
        with pytest.raises(RequestError, match="lanes are taken"):
            client.request("stream.add", name="third", source=tone)
        messages = receive(client, has_ended("second"))
        np.testing.assert_array_equal(joined(of_stream(messages, "second"), "rates"), joined(guest, "rates"))
        status = client.request("stream.remove", name="second")
        assert (status["bins"], status["state"]) == (100, "ended")
        assert set(engine.streams) == {"stays", "guest"}


def test_a_stream_that_is_removed_tells_its_end() -> None:
    sources = {"stays": ScriptedSource([]), "goes": ScriptedSource([Block(noise(4800), 0), threading.Event()])}
    with several(sources) as (engine, client):
        client.request("start")
        sources["goes"].play()
        receive(client, lambda messages: len(of_kind(of_stream(messages, "goes"), "rates")) == 20)
        client.request("stream.remove", name="goes")
        messages = receive(client, lambda messages: any(Flags.LAST in m.flags for m in messages if m.kind == "rates"))
        assert {m.stream for m in messages if m.kind == "rates"} == {"goes"}
        assert list(engine.streams) == ["stays"]
        assert not sources["goes"].is_open
        with pytest.raises(RequestError, match="the only stream"):
            client.request("stream.remove", name="stays")


class Stuck(ScriptedSource):
    def open(self) -> None:
        raise SoundError("the device is in use", remedy="close it elsewhere")


def test_a_stream_whose_source_does_not_open_changes_nothing() -> None:
    with several({"stays": ScriptedSource([])}, spare_lanes=1) as (engine, client):
        client.request("start")
        with pytest.raises(RequestError, match="missing"):
            client.request("stream.add", name="guest", source={"kind": "file", "path": "missing.wav"})
        for _ in range(3):  # its lane comes back each time, between two hops
            with pytest.raises(SoundError, match="in use"):
                engine.roster.add(StreamSection.model_validate({"name": "guest", "source": SILENCE}), Stuck([]))
            client.request("reset")
        assert list(engine.streams) == ["stays"]
        assert client.request("stream.add", name="guest", source=SILENCE)["state"] == "running"


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ([{"name": "a", "source": SILENCE}, {"name": "a", "source": SILENCE}], "each name of a stream once"),
        ([{"name": "a"}], "source"),
        ([{"name": "a", "source": {"kind": "telepathy"}}], "telepathy"),
    ],
)
def test_streams_that_cannot_be_say_why(streams: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_of(streams)


def test_a_source_and_streams_are_not_given_both() -> None:
    values = {"source": SILENCE, "streams": [{"name": "a", "source": SILENCE}]}
    with pytest.raises(ConfigError, match="give source or streams"):
        check(LiveConfig, values, "the test")
