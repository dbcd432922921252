"""What takes the stream in the engine's process: told everything, in order, and no danger to the stream."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from rtstrf.errors import ConfigError
from rtstrf.sinks.queued import Queued
from rtstrf.sinks.sink import Sink
from rtstrf.sinks.sinks import Sinks
from tests.support.live import is_over, noise, of_kind, receive, session
from tests.support.sounds import write_sound


class Keeping(Sink):
    """Keeps what it is told."""

    def __init__(self, name: str = "keeping", *, immediate: bool = False) -> None:
        self.name = name
        self.immediate = immediate
        self.greeting: dict[str, Any] = {}
        self.blocks: list[tuple[int, np.ndarray]] = []
        self.told: list[tuple[str, int]] = []
        self.kept: dict[str, list[np.ndarray]] = {}
        self.events: list[str] = []
        self.threads: set[str] = set()
        self.closed = 0

    def open(self, greeting):
        self.greeting = greeting

    def sound(self, block, at_sample):
        self.blocks.append((at_sample, block.samples))

    def rows(self, kind, header, rows):
        self.threads.add(threading.current_thread().name)
        self.told.append((kind, header["i0"]))
        self.kept.setdefault(kind, []).append(rows)

    def event(self, name, t_ns, details):
        self.events.append(name)

    def close(self):
        self.closed += 1


class Failing(Keeping):
    """Breaks down at the third bin."""

    def rows(self, kind, header, rows):
        super().rows(kind, header, rows)
        if header["i0"] == 2:
            raise RuntimeError("the cable is out")


@pytest.mark.parametrize("immediate", [True, False])
def test_a_sink_is_told_the_sound_the_rates_and_the_events_of_a_run(tmp_path, immediate: bool) -> None:
    samples = noise(4800)
    path = write_sound(tmp_path / "noise.wav", samples, 48000)
    sink = Keeping(immediate=immediate)
    keys = ("source.kind=file", f"source.path={path}", "engine.block_samples=173")
    with session(*keys, sinks=[sink]) as (engine, client):
        client.request("start")
        rates = of_kind(receive(client, is_over), "rates")
    assert sink.greeting["model"] == "statenet-gru-ns1"
    assert sink.greeting["run"] == engine.server.run
    np.testing.assert_array_equal(np.concatenate([b for _, b in sink.blocks]), samples)
    assert [at for at, _ in sink.blocks] == list(range(0, 4800, 173))
    np.testing.assert_array_equal(np.concatenate(sink.kept["rates"]), np.concatenate([m.array for m in rates]))
    assert "state" in sink.events
    assert sink.closed == 1
    assert sink.threads == {"rtstrf-inference" if immediate else "rtstrf-keeping"}


@pytest.mark.parametrize("immediate", [True, False])
def test_a_sink_that_fails_is_named_and_closed_and_the_stream_goes_on(tmp_path, immediate: bool) -> None:
    path = write_sound(tmp_path / "noise.wav", noise(4800), 48000)
    bad, good = Failing("bad", immediate=immediate), Keeping("good")
    with session("source.kind=file", f"source.path={path}", sinks=[bad, good]) as (_, client):
        client.request("start")
        rates = of_kind(receive(client, is_over), "rates")
        told = client.request("events")["events"]
    assert sum(len(m.array) for m in rates) == 20
    assert len([1 for kind, _ in good.told if kind == "rates"]) == 21  # and the end, of no bins
    assert [e["details"]["what"] for e in told if e["name"] == "fault"] == [
        "bad has ended: RuntimeError: the cable is out"
    ]
    assert (bad.closed, good.closed) == (1, 1)
    assert max(i0 for _, i0 in bad.told) == 2


def test_a_sink_that_cannot_open_closes_those_before_it_and_tells_why() -> None:
    class Shut(Sink):
        def open(self, greeting):
            raise ConfigError("no such port")

    first = Keeping()
    sinks = Sinks([first, Shut()], failed=lambda sink, error: None)
    with pytest.raises(ConfigError, match="no such port"):
        sinks.open({})
    assert first.closed == 1


def test_a_sink_added_while_the_stream_runs_sees_what_follows_and_one_removed_is_completed() -> None:
    early, late = Keeping("early"), Keeping("late")
    sinks = Sinks([early], failed=lambda sink, error: None)
    sinks.open({"model": "x"})
    sinks.event("first", 0, {})
    sinks.add(late, {"model": "x"})
    sinks.event("second", 1, {})
    sinks.remove(early)
    sinks.event("third", 2, {})
    sinks.close()
    assert (early.events, late.events) == (["first", "second"], ["second", "third"])
    assert (early.closed, late.closed) == (1, 1)


def test_a_sink_slower_than_the_stream_loses_calls_that_are_counted_and_delays_nobody() -> None:
    go = threading.Event()

    class Slow(Keeping):
        def event(self, name, t_ns, details):
            go.wait()
            super().event(name, t_ns, details)

    slow = Slow("slow")
    queued = Queued(slow, capacity=3, failed=lambda sink, error: None)
    queued.open({})
    for number in range(10):
        queued.event(str(number), number, {})
    go.set()
    queued.close()
    assert len(slow.events) + queued.lost == 10
    assert slow.events == [str(n) for n in range(len(slow.events))]
    assert 3 <= len(slow.events) <= 4


def test_a_sink_learns_after_which_call_it_missed_some_and_how_many() -> None:
    go = threading.Event()
    told: list[str] = []

    class Slow(Sink):
        def event(self, name, t_ns, details):
            go.wait()
            told.append(name)

        def missed(self, calls):
            told.append(f"missed {calls}")

    queued = Queued(Slow(), capacity=3, failed=lambda sink, error: None)
    queued.open({})
    for number in range(10):
        queued.event(str(number), number, {})
    go.set()
    lost = queued.lost
    while len(told) < 10 - lost:
        pass
    queued.event("after", 0, {})
    queued.close()
    assert told == [*map(str, range(10 - lost)), f"missed {lost}", "after"]


@pytest.mark.parametrize("patient", [True, False])
def test_a_sink_that_hears_nothing_is_called_all_the_same(patient: bool) -> None:
    called = threading.Event()
    heard = threading.Event()

    class Waiting(Sink):
        def idle(self):
            called.set()

        def event(self, name, t_ns, details):
            heard.set()

    sink = Waiting()
    sink.patient = patient
    queued = Queued(sink, capacity=3, failed=lambda sink, error: None)
    queued.open({})
    assert called.wait(20)
    queued.event("now", 0, {})
    assert heard.wait(20)
    queued.close()


def test_nothing_is_closed_that_was_never_opened() -> None:
    sink = Keeping()
    Sinks([sink], failed=lambda sink, error: None).close()
    assert sink.closed == 0


@pytest.mark.parametrize("place", ["event", "close"])
def test_a_sink_that_hangs_at_the_end_is_told_and_left_behind(place: str) -> None:
    go, told = threading.Event(), []

    class Hanging(Sink):
        name = "hanging"

        def event(self, name, t_ns, details):
            if place == "event":
                go.wait()

        def close(self):
            go.wait()

    queued = Queued(Hanging(), 4, lambda sink, error: told.append((sink.name, str(error))), patience_s=0.2)
    queued.open({})
    queued.event("mark", 0, {})
    queued.close()
    go.set()
    assert told == [("hanging", "one of its calls has not returned within 0.2 s")]


def test_a_sink_that_is_slow_but_goes_on_is_waited_for() -> None:
    class Steady(Keeping):
        def event(self, name, t_ns, details):
            done.wait(0.05)  # nobody sets it: this is what a call takes
            super().event(name, t_ns, details)

    done, sink = threading.Event(), Steady("steady")
    queued = Queued(sink, 100, lambda sink, error: pytest.fail(str(error)), patience_s=0.3)
    queued.open({})
    for number in range(20):
        queued.event(str(number), number, {})
    queued.close()
    assert sink.events == [str(number) for number in range(20)]
    assert sink.closed == 1
