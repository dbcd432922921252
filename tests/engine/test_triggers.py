"""A trigger in a live session: real sound, real sockets, a real receiver."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from rtstrf.errors import ConfigError
from rtstrf.wire.client import Client
from rtstrf.wire.message import Message
from rtstrf.wire.request import RequestError
from tests.support.live import events, is_over, joined, of_kind, receive, session

BURSTS = ("source.kind=noise", "source.burst_ms=250", "source.gap_ms=250", "source.duration_s=2", "source.speed=2")
LOUD = "triggers=[{name: loud, threshold_hz: %g, refractory_ms: 20, action: {kind: udp, port: %d}}]"


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(30)
        yield bound


def crossings(rates_hz: np.ndarray, threshold_hz: float, warming_bins: int, refractory_bins: int) -> list[int]:
    """Return the bins at which a mean rises to a threshold, in plain words."""
    mean, found, low = rates_hz.mean(axis=1), [], False
    for index, rate in enumerate(mean):
        if rate >= threshold_hz and low and index >= warming_bins and index > max(found, default=-99) + refractory_bins:
            found.append(index)
        low = rate < threshold_hz
    return found


def test_it_fires_where_the_rates_cross_before_they_are_on_the_wire(receiver: socket.socket) -> None:
    keys = (*BURSTS, LOUD % (20, receiver.getsockname()[1]))
    with session(*keys) as (_, client):
        client.request("start")
        messages = receive(client, is_over)
    told = events(messages, "trigger")
    expected = crossings(joined(messages, "rates"), 20.0, warming_bins=100, refractory_bins=4)
    assert len(expected) >= 3
    assert [details["bin"] for details in told] == expected
    assert [json.loads(receiver.recv(4096)) for _ in told] == told
    by_bin = {m.header["i0"]: m.header for m in of_kind(messages, "rates")}
    for details in told:
        header = by_bin[details["bin"]]
        assert details["s"] == header["s1"] - 1
        assert details["t_cap"] == header["t_cap"]
        assert details["t_cap"] <= details["t_fire"] <= header["t_pub"]


def test_it_can_be_disarmed_and_its_threshold_moved_while_it_runs(receiver: socket.socket) -> None:
    keys = (*BURSTS, "source.duration_s=null", LOUD % (1e6, receiver.getsockname()[1]))
    with session(*keys) as (_, client):
        client.request("start")
        before = receive(client, lambda messages: len(of_kind(messages, "rates")) > 150)
        moved = client.request("set", name="triggers.loud.threshold_hz", value=20)["bin"]
        fired = receive(client, lambda messages: len(events(messages, "trigger")) >= 2)
        off = client.request("set", name="triggers.loud.armed", value=False)["bin"]
        after = receive(
            client, lambda messages: of_kind(messages, "rates")[-1:] != [] and last_bin(messages) > off + 200
        )
        assert client.request("get", name="triggers.loud.armed")["value"] is False
        with pytest.raises(RequestError, match="cannot change while the stream runs"):
            client.request("set", name="triggers.loud.direction", value="down")
    assert not events(before, "trigger")
    assert all(details["bin"] >= moved for details in events(fired, "trigger"))
    assert all(details["bin"] < off for details in events([*fired, *after], "trigger"))
    assert {"parameter": "triggers.loud.armed", "value": False, "bin": off} in events(after, "parameter")


def last_bin(messages: list[Message]) -> int:
    return of_kind(messages, "rates")[-1].header["i0"]


def test_a_trigger_on_a_unit_that_is_not_there_is_refused_at_the_start_and_leaves_nothing_open() -> None:
    with (
        pytest.raises(ConfigError, match=r"watches the unit 200, .*\n  -> choose 0 to 118"),
        session("triggers=[{name: x, threshold_hz: 1, units: [200]}]"),
    ):
        pass


def test_of_several_streams_the_one_that_crossed_is_named(receiver: socket.socket) -> None:
    streams = (
        "streams=[{name: quiet, source: {kind: silence, duration_s: 1.5, speed: 2}},"
        " {name: loud, source: {kind: noise, duration_s: 1.5, speed: 2}}]"
    )
    with session(streams, LOUD % (20, receiver.getsockname()[1])) as (engine, client):
        client.request("start")
        packet = json.loads(receiver.recv(4096))
        engine.wait()
        told = {
            name: [
                event["details"]
                for event in client.request("events", stream=name)["events"]
                if event["name"] == "trigger"
            ]
            for name in ("quiet", "loud")
        }
    assert told["quiet"] == []
    assert packet == {**told["loud"][0], "stream": "loud"}


def test_marks_of_several_clients_lie_on_one_sample_clock_in_the_order_they_came() -> None:
    keys = ("source.kind=silence", "source.duration_s=2")
    with session(*keys) as (engine, client):
        client.request("start")
        before = receive(client, lambda messages: len(of_kind(messages, "rates")) > 20)
        with Client(engine.server.data_endpoint, engine.server.control_endpoint) as second:
            marks = [each.request("mark", label=f"m{n}") for n in range(10) for each in (client, second)]
        messages = before + receive(client, is_over)
    assert events(messages, "mark") == marks
    samples = [mark["s"] for mark in marks]
    assert samples == sorted(samples)
    times = np.array([mark["t"] for mark in marks])
    # A paced source has the true clock: sample and time say the same, to the sample.
    first = of_kind(messages, "rates")[0].header
    expected = first["s1"] + (times - first["t_cap"]) * 48000 / 1e9
    assert np.abs(np.array(samples) - expected).max() <= 1.01
    assert all(mark["bin"] == mark["s"] // 240 for mark in marks)


def test_a_mark_names_the_same_moment_where_the_source_has_another_rate(tmp_path) -> None:
    keys = ("source.kind=silence", "source.duration_s=1", "source.rate_hz=44100")
    with session(*keys) as (_, client):
        client.request("start")
        before = receive(client, lambda messages: len(of_kind(messages, "rates")) > 50)
        mark = client.request("mark", label="x")
        messages = before + receive(client, is_over)
    first = of_kind(messages, "rates")[0].header
    assert mark["s"] == pytest.approx(first["s1"] + (mark["t"] - first["t_cap"]) * 48000 / 1e9, abs=2.01)
