"""Through any overload and any loss, every sample is published once or told as missing, and rows are in their place."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.clock import RunClock
from rtstrf.config.live import EngineSection, LiveConfig, OverloadSection
from rtstrf.engine.batch import Batch
from rtstrf.engine.handover import Handover
from rtstrf.engine.inference import Inference
from rtstrf.engine.ledger import Ledger
from rtstrf.engine.parameters import Parameters
from rtstrf.framing import Framer
from rtstrf.sound.source import Block
from rtstrf.wire.message import Flags
from tests.support.live import ScriptedSource, events, is_over, noise, of_kind, receive, session

HOP, RATE = 240, 48000


class Echo:
    """A model whose rates are the first sample of each hop, so that a row shows which sound it was made from."""

    hop_samples, rate_hz = HOP, RATE
    module = SimpleNamespace(has_onoff=True)
    loaded = SimpleNamespace(model=SimpleNamespace(out_neurons=1))

    def __init__(self) -> None:
        self.resets = 0

    def reset(self, lane: int) -> None:
        self.resets += 1

    def hear(self, sound_pa: np.ndarray) -> dict[str, np.ndarray]:
        return dict.fromkeys(("rates_hz", "spectrogram", "onoff"), sound_pa[:, :1].copy())


class Told:
    """What would go on the wire."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any], np.ndarray]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []

    def rows(self, kind: str, header: dict[str, Any], rows: np.ndarray) -> None:
        self.messages.append((kind, header, rows))

    def event(self, name: str, **details: Any) -> None:
        self.events.append((name, details))

    def of(self, kind: str) -> list[tuple[dict[str, Any], np.ndarray]]:
        return [(header, rows) for each, header, rows in self.messages if each == kind]


def position_of(index: int) -> float:
    """Return what the first sample of a bin holds."""
    return float(index * HOP + 1)


@settings(max_examples=150, deadline=None)
@given(
    blocks=st.lists(st.tuples(st.sampled_from([0, 0, 0, 0, 50, 700, 5000]), st.integers(0, 2500)), max_size=40),
    late=st.lists(st.integers(0, 12), min_size=1, max_size=20),
    queue_hops=st.integers(2, 30),
    keep_hops=st.integers(0, 8),
    rungs=st.sampled_from([(), ("chunks",), ("shed",), ("chunks", "shed")]),
    reset_after_gap=st.booleans(),
)
def test_samples_published_missing_and_left_add_up_to_samples_heard_and_lost(
    blocks: list[tuple[int, int]],
    late: list[int],
    queue_hops: int,
    keep_hops: int,
    rungs: tuple[str, ...],
    reset_after_gap: bool,
) -> None:
    policy = OverloadSection(rungs=rungs, chunks_from_hops=2, shed_from_hops=6, keep_hops=keep_hops, calm_hops=3)
    config = EngineSection(queue_hops=queue_hops, overload=policy, reset_after_gap=reset_after_gap)
    ledger = Ledger(Framer(HOP), HOP, RATE, speed=1.0, conceal_samples=480)
    queue, echo, told = Handover().add(queue_hops, keep_hops), Echo(), Told()
    inference = Inference(
        echo, 0, queue, told, Parameters(LiveConfig()), None, config, RunClock(), replayed=False, patient=False  # type: ignore[arg-type]
    )  # fmt: skip
    inference.listen(None)

    def turn() -> None:
        portion = inference.take()
        if portion is not None:
            inference.publish(portion, echo.hear(portion.sound_pa), 1000)

    # The model is slowed: so many hops come in before it takes its next step.
    position, since_turn, turns = 0, 0, 0
    for lost, length in blocks:
        position += lost
        block = np.arange(position, position + length, dtype=np.float32) + 1
        position += length
        for hop in ledger.book(Block(block, round(position * 1e9 / RATE), lost)):
            queue.put(hop, wait=False)
            since_turn += 1
            if since_turn > late[turns % len(late)]:
                since_turn, turns = 0, turns + 1
                turn()
    while len(queue):
        turn()
    inference.finish(ledger.bins)

    rates = told.of("rates")
    published = [header["i0"] + k for header, rows in rates for k in range(len(rows))]
    status = inference.status()
    # Every sample: in a published bin, in one told as missing, or in the bin that is not whole yet.
    assert HOP * (len(published) + status["bins_missing"]) == position - position % HOP
    assert status["bins"] == len(published) == len(set(published))
    assert published == sorted(published)
    # What is announced is what is missing, in each message, in events, and in all.
    expected = 0
    for header, rows in rates:
        assert header["i0"] - expected == header["gap"]
        expected = header["i0"] + len(rows)
        if header["gap"] and len(rows):
            assert Flags.DISCONTINUITY in Flags(header["flags"])
        assert header["s1"] - header["s0"] == HOP * len(rows)
    assert sum(header["gap"] for header, _ in rates) == status["bins_missing"]
    assert sum(details["bins"] for name, details in told.events if name == "gap") == status["bins_missing"]
    steps = [details for name, details in told.events if name == "overload"]
    assert sum(details["dropped"] for details in steps) == status["dropped_hops"]
    # A row is made from the sound of its bin.
    for header, rows in rates:
        for k, (row,) in enumerate(rows):
            assert row in (0.0, position_of(header["i0"] + k))
    # Topics beside the rates are those of the same bins, or left out while the level says so.
    if "shed" not in rungs:
        assert len(told.of("level")) == sum(1 for _, rows in rates if len(rows))
    if "chunks" not in rungs:
        assert all(len(rows) <= 1 for _, rows in rates)
    assert echo.resets == (sum(1 for header, rows in rates if header["gap"] and len(rows)) if reset_after_gap else 0)


class Slowed:
    """Make every step of the model take as long as the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step_s: float) -> None:
        self.step_s = step_s
        hear = Batch.hear

        def slow(batch: Batch, *arguments: Any) -> Any:
            if self.step_s:
                time.sleep(self.step_s)
            return hear(batch, *arguments)

        monkeypatch.setattr(Batch, "hear", slow)


def test_a_model_that_is_too_slow_for_a_while_climbs_the_ladder_and_comes_down_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slowed = Slowed(monkeypatch, 0.0)
    keys = ("source.kind=tone", "source.speed=1", "engine.queue_hops=40", "wire.topics=[level]")
    policy = '{chunks_from_hops: 4, shed_from_hops: 10, calm_hops: 20}'  # fmt: skip
    with session(*keys, f"engine.overload={policy}", topics=("rates", "level")) as (engine, client):
        slowed.step_s = 0.25
        client.request("start")
        messages = receive(client, lambda messages: len(events(messages, "overload")) >= 2)
        slowed.step_s = 0.0
        messages += receive(client, lambda more: any(told["level"] == 0 for told in events(more, "overload")))
        client.request("shutdown")
        messages += receive(client, is_over)
    told = events(messages, "overload")
    assert [each["level"] for each in told if each["level"] > each["previous"]][:2] == [1, 2]
    assert {each["level"] for each in told if each["level"] < each["previous"]} >= {0, 1}
    assert {each["exact"] for each in told if each["level"]} == {"G1"}
    rates = [m for m in messages if m.kind == "rates"]
    assert max(m.header["n"] for m in rates) > 1
    for message in rates:
        if message.header["n"] > 1:
            assert Flags.OVERLOADED in message.flags
    status = engine.status()
    assert sum(m.header["n"] for m in rates) + status["bins_missing"] == status["samples_in"] // 240
    assert sum(m.header["gap"] for m in rates) == status["bins_missing"]
    first_level = {m.header["i0"] for m in of_kind(messages, "level")}
    left_out = [m for m in of_kind(messages, "rates") if m.header["i0"] not in first_level]
    assert left_out, "nothing was shed"


def test_several_hops_in_one_step_give_what_one_by_one_gives() -> None:
    sound = noise(48000)
    outcomes = []
    for rungs in ("[]", "[chunks]"):
        gate = threading.Event()
        source = ScriptedSource([gate, Block(sound, 0)])
        with session(f"engine.overload.rungs={rungs}", source=source) as (_, client):
            client.request("start")
            source.play()
            gate.set()
            messages = receive(client, is_over)
        outcomes.append(of_kind(messages, "rates"))
    one_by_one, chunks = outcomes
    assert len(one_by_one) == 200
    assert max(m.header["n"] for m in chunks) == 16
    alone = np.concatenate([m.array for m in one_by_one if m.array is not None])
    together = np.concatenate([m.array for m in chunks if m.array is not None])
    assert np.abs(alone - together).max() <= 1e-5 * max(1.0, np.abs(alone).max())
