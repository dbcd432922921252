"""A live session over real sockets: what goes in comes out, in order, in time, and what is lost is told."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from rtstrf.checkpoints.load import load_model
from rtstrf.config.live import LiveConfig
from rtstrf.config.load import load_config
from rtstrf.engine.engine import Engine
from rtstrf.errors import SoundError, WireError
from rtstrf.pipeline import Pipeline
from rtstrf.sound.source import Block, SourceInfo
from rtstrf.wire.message import Flags
from rtstrf.wire.request import RequestError
from tests.support.live import (
    FREE_PORTS,
    ScriptedSource,
    events,
    flags,
    is_over,
    joined,
    noise,
    of_kind,
    receive,
    session,
)
from tests.support.sounds import write_sound

MODEL = "statenet-gru-ns1"


def offline(samples: np.ndarray, rate_hz: int = 48000) -> np.ndarray:
    """Return the rates of a whole sound by the served path, (bins, units)."""
    pipeline = Pipeline(load_model(MODEL), source_rate_hz=rate_hz)
    return np.stack([b.rates_hz for b in [*pipeline.push(samples), *pipeline.finish()]])


@pytest.mark.parametrize("rate_hz", [48000, 44100, 16000])
def test_a_client_receives_exactly_what_a_replay_computes(tmp_path: Path, rate_hz: int) -> None:
    samples = noise(rate_hz)
    path = write_sound(tmp_path / "noise.wav", samples, rate_hz)
    keys = ("source.kind=file", f"source.path={path}", "engine.block_samples=173")
    with session(*keys, topics=("rates", "spectrogram", "level")) as (_, client):
        client.request("start")
        messages = receive(client, is_over)
    np.testing.assert_array_equal(joined(messages, "rates"), offline(samples, rate_hz))
    for kind, width in (("spectrogram", 34), ("level", 1)):
        assert joined(messages, kind).shape == (200, width)


def test_every_header_counts_samples_and_bins_without_a_gap() -> None:
    with session("source.kind=tone", "source.duration_s=0.5", "source.speed=1") as (engine, client):
        client.request("start")
        rates = of_kind(receive(client, is_over), "rates")
    assert [m.header["i0"] for m in rates] == list(range(100))
    assert [(m.header["s0"], m.header["s1"]) for m in rates] == [(240 * i, 240 * i + 240) for i in range(100)]
    assert all(m.header["gap"] == 0 and m.header["unit"] == "Hz" for m in rates)
    assert all(m.header["t_raw"] == m.header["t_cap"] <= m.header["t_pub"] for m in rates)
    steps = np.diff([m.header["t_cap"] for m in rates])
    np.testing.assert_allclose(steps, 5_000_000, atol=2)
    assert engine.status()["samples_in"] == 24000
    assert engine.status()["state"] == "ended"


def test_the_first_bins_are_marked_as_warming_up_and_all_as_replay() -> None:
    keys = ("source.kind=tone", "source.duration_s=0.3", "source.speed=3", "engine.warming_up_ms=100")
    with session(*keys) as (_, client):
        client.request("start")
        rates = of_kind(receive(client, is_over), "rates")
    assert [Flags.WARMING_UP in m.flags for m in rates] == [True] * 20 + [False] * 40
    assert all(Flags.REPLAY in m.flags for m in rates)


def test_the_end_is_marked_by_a_message_of_no_bins() -> None:
    with session("source.kind=silence", "source.duration_s=0.05") as (_, client):
        client.request("start")
        last = [m for m in receive(client, is_over) if m.kind == "rates"][-1]
    assert Flags.LAST in last.flags
    assert last.array is not None
    assert last.array.shape == (0, 119)
    assert last.header["i0"] == 10


def test_the_greeting_holds_what_a_client_needs() -> None:
    with session() as (engine, client):
        hello = client.hello
    assert hello is not None
    assert hello["model"] == MODEL
    assert hello["weights_sha256"] == engine.loaded.weights_sha256
    assert (hello["sample_rate_hz"], hello["hop_samples"], hello["bin_s"]) == (48000, 240, 0.005)
    assert len(hello["units"]) == 119
    assert {"id", "depth_um", "cc_norm"} <= set(hello["units"][0])
    assert len(hello["bands_hz"]) == 34
    assert {"stage", "wait_ms", "group_delay_ms"} == set(hello["delays"][0])
    assert hello["config"]["source"]["kind"] == "silence"


def test_a_short_loss_is_filled_with_zeros_and_told() -> None:
    samples = noise(4800)
    script = [Block(samples[:1000], 0), Block(samples[1100:], 0, lost_samples=100)]
    source = ScriptedSource(script)
    with session(source=source) as (engine, client):
        client.request("start")
        source.play()
        messages = receive(client, is_over)
    filled = samples.copy()
    filled[1000:1100] = 0
    np.testing.assert_array_equal(joined(messages, "rates"), offline(filled))
    told = [flags(m) for m in of_kind(messages, "rates")]
    assert told[4] == Flags.DISCONTINUITY | Flags.CONCEALED
    assert not any(told[:4] + told[5:])
    assert events(messages, "loss") == [{"samples": 100, "at_sample": 1000}]
    assert engine.status()["samples_lost"] == 100


def test_a_long_loss_is_a_gap_after_which_the_model_starts_afresh() -> None:
    samples = noise(9600)
    script = [Block(samples[:2400], 0), Block(samples[2400:], 0, lost_samples=24000)]
    source = ScriptedSource(script)
    with session(source=source) as (engine, client):
        client.request("start")
        source.play()
        messages = receive(client, is_over)
    rates = of_kind(messages, "rates")
    assert [m.header["i0"] for m in rates] == [*range(10), *range(110, 140)]
    assert [m.header["gap"] for m in rates] == [0] * 10 + [100] + [0] * 29
    assert Flags.DISCONTINUITY in rates[10].flags
    np.testing.assert_array_equal(joined(messages, "rates")[10:], offline(samples[2400:]))
    assert events(messages, "gap") == [{"bins": 100, "bin": 110}]
    status = engine.status()
    assert (status["bins"], status["bins_missing"], status["samples_lost"]) == (40, 100, 24000)
    assert client.bins_lost == 100


def test_a_device_faster_than_the_model_loses_hops_and_every_one_is_told() -> None:
    heard = threading.Event()
    sound = noise(48000)
    source = ScriptedSource([Block(sound[:240], 0), heard, Block(sound[240:], 0)])  # at once into a queue of four hops
    with session("engine.queue_hops=4", source=source) as (engine, client):
        client.request("start")
        source.play()
        messages = receive(client, lambda messages: bool(of_kind(messages, "rates")))
        heard.set()
        messages += receive(client, is_over)
    status = engine.status()
    rates = of_kind(messages, "rates")
    assert status["dropped_hops"] > 0
    assert len(rates) + status["dropped_hops"] == 200
    told = [m for m in messages if m.kind == "rates"]  # the message of no bins at the end included
    assert sum(m.header["gap"] for m in told) == status["dropped_hops"] == status["bins_missing"] == client.bins_lost
    assert told[-1].header["i0"] == 200


def test_a_reset_takes_effect_between_two_bins_and_names_them() -> None:
    with session("source.kind=noise", "source.gap_ms=0", "source.duration_s=2") as (_, client):
        client.request("start")
        before = receive(client, lambda messages: len(of_kind(messages, "rates")) > 20)
        told = client.request("reset")
        rates = of_kind(before + receive(client, is_over), "rates")
    (at,) = [m.header["i0"] for m in rates if Flags.DISCONTINUITY in m.flags]
    assert at == told["bin"] == told["s"] // 240
    assert [m.header["i0"] for m in rates] == list(range(400))


def test_gain_can_be_set_while_it_runs() -> None:
    with session("source.kind=tone", "source.duration_s=1.5", topics=("rates", "level")) as (_, client):
        client.request("start")
        before = receive(client, lambda messages: len(of_kind(messages, "level")) > 30)
        told = client.request("set", name="engine.gain_db", value=-20)
        messages = before + receive(client, is_over)
        assert client.request("get", name="engine.gain_db")["value"] == -20
    at = told["bin"]
    level = joined(messages, "level")[:, 0]
    np.testing.assert_allclose(level[10:at] - 20, level[at : at + 10].mean(), atol=0.1)
    changed = [m.header["i0"] for m in of_kind(messages, "rates") if Flags.PARAMETER_CHANGED in m.flags]
    assert changed == [at]


def test_a_mark_lies_on_the_sample_clock() -> None:
    with session("source.kind=silence", "source.duration_s=1") as (_, client):
        client.request("start")
        before = receive(client, lambda messages: len(of_kind(messages, "rates")) > 50)
        mark = client.request("mark", label="stimulus 7", t_client="12.5")
        messages = before + receive(client, is_over)
    (told,) = events(messages, "mark")
    assert told == mark
    assert told["label"] == "stimulus 7"
    assert told["t_client"] == "12.5"
    heard = next(m.header for m in of_kind(messages, "rates") if m.header["s0"] <= mark["s"] < m.header["s1"])
    # The sample named is the one that was captured when the mark came.
    assert abs(heard["t_cap"] - (heard["s1"] - mark["s"]) / 48000 * 1e9 - mark["t"]) < 1e5


def test_stop_lets_sound_pass_unheard_and_start_goes_on_in_time() -> None:
    with session("source.kind=noise", "source.duration_s=2", "source.speed=2") as (_, client):
        client.request("start")
        first = receive(client, lambda messages: len(of_kind(messages, "rates")) > 20)
        stopped = client.request("stop")
        while (status := client.request("status"))["samples_in"] < 240 * (stopped["bin"] + 50):
            assert status["state"] == "stopped"
        client.request("start")
        rates = of_kind(first + receive(client, is_over), "rates")
    indices = [m.header["i0"] for m in rates]
    resumed = next(m for m in rates if m.header["gap"])
    assert indices == [*range(stopped["bin"]), *range(resumed.header["i0"], 400)]
    assert Flags.DISCONTINUITY in resumed.flags


def test_several_programs_can_begin_at_a_time_they_agreed_on() -> None:
    with session("source.kind=silence", "source.duration_s=0.2") as (engine, client):
        at = engine.clock.now_ns() + 300_000_000
        client.request("start", at=at)
        rates = of_kind(receive(client, is_over), "rates")
    assert rates[0].header["i0"] == 0
    assert rates[0].header["t_cap"] - at == pytest.approx(5_000_000, abs=2)


def test_a_device_begins_at_the_agreed_time_and_tells_what_passed() -> None:
    source = ScriptedSource([])
    with session(source=source) as (engine, client):
        now = engine.clock.now_ns()
        script = [Block(noise(240, n), engine.clock.start_ns + now + (n + 1) * 5_000_000) for n in range(40)]
        source.script.extend(script)
        client.request("start", at=now + 100_000_000)
        source.play()
        rates = of_kind(receive(client, is_over), "rates")
    assert [m.header["i0"] for m in rates] == list(range(20, 40))
    assert rates[0].header["gap"] == 20
    assert Flags.DISCONTINUITY in rates[0].flags


def test_sound_lost_at_the_very_end_is_told_with_the_end() -> None:
    source = ScriptedSource([Block(noise(2400), 0), Block(np.empty(0, dtype=np.float32), 0, lost_samples=24000)])
    with session(source=source) as (engine, client):
        client.request("start")
        source.play()
        messages = receive(client, is_over)
    last = [m for m in messages if m.kind == "rates"][-1]
    assert Flags.LAST in last.flags
    assert (last.header["i0"], last.header["gap"]) == (110, 100)
    assert events(messages, "gap") == [{"bins": 100, "bin": 110}]
    assert engine.status()["bins_missing"] == client.bins_lost == 100


def test_commands_name_the_bin_they_apply_to_while_sound_passes_unheard() -> None:
    with session("source.kind=noise", "source.duration_s=3", "source.speed=2") as (_, client):
        client.request("start")
        first = receive(client, lambda messages: len(of_kind(messages, "rates")) > 20)
        stopped = client.request("stop")
        while client.request("status")["samples_in"] < 240 * (stopped["bin"] + 100):
            pass
        told = client.request("reset")
        assert told["bin"] >= stopped["bin"] + 50
        client.request("start")
        rates = of_kind(first + receive(client, is_over), "rates")
    resumed = next(m for m in rates if m.header["gap"])
    assert resumed.header["i0"] >= told["bin"]


@pytest.mark.parametrize("at", [-5, 1, 2**52])
def test_a_start_that_is_past_or_never_is_refused(at: int) -> None:
    with session() as (_, client):
        with pytest.raises(RequestError, match="since the run started"):
            client.request("start", at=at)
        assert client.request("status")["state"] == "armed"


def test_a_running_stream_is_not_started_again() -> None:
    with session() as (_, client):
        client.request("start")
        assert client.request("start")["state"] == "running"
        with pytest.raises(RequestError, match="is running"):
            client.request("start", at=2**40)


def test_a_pipe_that_is_faster_than_the_model_is_held_back_and_loses_nothing() -> None:
    class Pipe(ScriptedSource):
        can_wait = True

        def __init__(self) -> None:
            super().__init__([Block(noise(48000), 0)])
            self.info = SourceInfo("stdin", "pipe", 48000)

    source = Pipe()
    with session("engine.queue_hops=4", source=source) as (engine, client):
        client.request("start")
        source.play()
        receive(client, is_over)
    status = engine.status()
    assert (status["bins"], status["dropped_hops"]) == (200, 0)


def test_a_client_can_end_the_run() -> None:
    with session("source.kind=silence") as (engine, client):
        client.request("start")
        receive(client, lambda messages: bool(of_kind(messages, "rates")))
        assert client.request("shutdown") == {"state": "stopping"}
        engine.wait()
    assert engine.status()["state"] == "ended"


def test_a_source_that_fails_is_told_and_raised() -> None:
    gone = SoundError("the input device 'x' has stopped", remedy="connect it again")
    source = ScriptedSource([Block(noise(960), 0), gone])
    messages = []

    def until_it_fails() -> None:
        with session(source=source) as (_, client):
            client.request("start")
            source.play()
            messages.extend(receive(client, is_over))

    with pytest.raises(SoundError) as caught:
        until_it_fails()
    assert caught.value is gone
    assert len(of_kind(messages, "rates")) == 4
    assert events(messages, "fault") == [{"what": "the input device 'x' has stopped", "remedy": "connect it again"}]
    assert [told["state"] for told in events(messages, "state")][-2:] == ["source_lost", "ended"]
    assert not source.is_open


def test_a_port_in_use_is_an_error_before_the_source_is_opened() -> None:
    source = ScriptedSource([])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        keys = [f"wire.data=tcp://127.0.0.1:{port}", FREE_PORTS[1]]
        with pytest.raises(WireError, match=str(port)):
            Engine(load_config(LiveConfig, None, keys), source).start()
    assert not source.is_open


def test_a_source_that_does_not_open_leaves_no_port_bound(tmp_path: Path) -> None:
    class Broken(ScriptedSource):
        def open(self) -> None:
            raise SoundError("no such device", remedy="choose another")

    engine = Engine(load_config(LiveConfig, None, FREE_PORTS), Broken([]))
    with pytest.raises(SoundError):
        engine.start()
    port = int(engine.server.data_endpoint.rsplit(":", 1)[1])
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("cmd", "args", "message"),
    [
        ("set", {"name": "model", "value": "x"}, "cannot change"),
        ("set", {"name": "engine.gain_db", "value": "x"}, "cannot be"),
        ("get", {"name": "nothing"}, "no parameter"),
        ("dance", {}, "dance"),
    ],
)
def test_a_request_that_cannot_be_met_says_why(cmd: str, args: dict, message: str) -> None:
    with session() as (_, client), pytest.raises(RequestError, match=message):
        client.request(cmd, **args)


def test_silence_keeps_heartbeats_coming_while_nothing_is_heard() -> None:
    with session() as (_, client):  # armed, nothing heard yet
        deadline = time.monotonic() + 10
        seen: list[int] = []
        while len(seen) < 3:
            assert time.monotonic() < deadline
            seen += [m.header["seq"] for m in client.poll(0.5) if m.kind == "heartbeat"]
        assert client.heartbeat is not None
        assert client.heartbeat["state"] == "armed"
