"""A clock that steps is told, on the next message and as an event, whichever clock it is."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from rtstrf import clock
from rtstrf.sound.source import Block
from rtstrf.wire.message import Flags, Message
from tests.support.live import ScriptedSource, events, is_over, noise, of_kind, receive, session

BLOCK_NS = 5_000_000


def stepped(messages: list[Message]) -> list[int]:
    """Return the bins that bear the flag."""
    return [m.header["i0"] for m in of_kind(messages, "rates") if Flags.CLOCK_STEP in m.flags]


@pytest.mark.parametrize("step_ms", [-80, 80])
def test_a_device_whose_clock_jumps_is_told_with_the_size_of_the_jump(step_ms: int) -> None:
    start_ns = time.monotonic_ns() - 60 * 10**9
    script = []
    for n in range(1, 2301):
        late_ns = step_ms * 1_000_000 if n > 1500 else 0
        script.append(Block(noise(240, n), start_ns + n * BLOCK_NS + late_ns))
    source = ScriptedSource(script)
    with session("wire.topics=[]", source=source) as (engine, client):
        client.request("start")
        source.play()
        messages = receive(client, is_over)
    (told,) = events(messages, "clock_step")
    assert (told["cause"], told["step_ms"]) == ("device", step_ms)
    (at,) = stepped(messages)
    assert at >= 1500
    last = of_kind(messages, "rates")[-1]
    assert last.header["t_cap"] + engine.clock.start_ns == pytest.approx(script[-1].t_ns, abs=1000)


def test_a_machine_that_slept_is_told_though_its_monotonic_clock_stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    slept_ns = 0

    def read() -> tuple[int, int | None, int]:
        now_ns = time.monotonic_ns()
        return now_ns, now_ns + slept_ns, now_ns + slept_ns

    monkeypatch.setattr(clock, "_read_clocks", read)
    awake = threading.Event()
    source = ScriptedSource([Block(noise(2400), time.monotonic_ns()), awake, Block(noise(2400), time.monotonic_ns())])
    with session(source=source) as (_, client):
        client.request("start")
        source.play()
        messages = receive(client, lambda messages: len(of_kind(messages, "rates")) == 10)
        slept_ns = 30 * 10**9
        messages += receive(client, lambda messages: bool(events(messages, "clock_step")))
        awake.set()
        messages += receive(client, is_over)
    assert [(told["cause"], told["step_ms"]) for told in events(messages, "clock_step")] == [("sleep", 30000.0)]
    assert stepped(messages) == [10]


def test_the_clock_s_offset_drift_and_uncertainty_are_told() -> None:
    start_ns = time.monotonic_ns() - 60 * 10**9
    second = 1.0001  # 100 ppm slow
    source = ScriptedSource([Block(noise(2400), start_ns + round(n * 5e7 * second)) for n in range(1, 301)])
    with session("wire.topics=[]", source=source) as (engine, client):
        client.request("start")
        source.play()
        receive(client, is_over)
        status = engine.status()
    assert status["drift_ppm"] == pytest.approx(100, abs=1)
    assert status["clock_offset_ms"] == pytest.approx(15 * 0.1, abs=0.3)
    assert 0 <= status["clock_uncertainty_ms"] < 0.1
    assert np.isfinite(status["clock_uncertainty_ms"])
