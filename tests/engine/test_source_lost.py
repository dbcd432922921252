"""A device that goes away and comes back: told, waited for, and what was not heard is a gap counted by the clock."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rtstrf.errors import SoundError
from rtstrf.sound.source import Block
from rtstrf.wire.client import Client
from rtstrf.wire.message import Flags, Message
from tests.support.live import ScriptedSource, events, is_over, noise, of_kind, receive, session
from tests.support.pulse import DEVICE, PulseServer, missing_programs, virtual_sound_card

GONE = SoundError("the input device 'x' has stopped", remedy="connect it again and restart")


class Unplugged(ScriptedSource):
    """A scripted device that comes back: after a failure it opens again only once the test plugs it in."""

    comes_back = True

    def __init__(self, script: list, *, rate_hz: int = 48000) -> None:
        super().__init__(script, rate_hz)
        self.plugged = threading.Event()
        self.times_opened = 0

    def open(self) -> None:
        if self.times_opened and not self.plugged.is_set():
            raise SoundError("no such device", remedy="connect it")
        self.times_opened += 1
        super().open()


def states(messages: list[Message]) -> list[str]:
    return [told["state"] for told in events(messages, "state")]


def has_state(state: str) -> Callable[[list[Message]], bool]:
    return lambda messages: state in states(messages)


@pytest.mark.parametrize("reset", [True, False])
def test_a_device_that_comes_back_is_heard_again_and_what_was_missed_is_a_gap(reset: bool) -> None:
    now_ns = time.monotonic_ns()
    back_ns = now_ns + 7_321_000_000  # as if it had been away for so long
    source = Unplugged([Block(noise(4800), now_ns), GONE, Block(noise(4800, 1), back_ns)])
    keys = (f"engine.reset_after_gap={str(reset).lower()}", "engine.warming_up_ms=50")
    with session(*keys, source=source) as (engine, client):
        client.request("start")
        source.play()
        messages = receive(client, has_state("source_lost"))
        messages += receive(client, lambda more: len([m for m in more if m.kind == "heartbeat"]) >= 2)
        assert not source.is_open
        assert client.request("status")["state"] == "source_lost"
        source.plugged.set()
        messages += receive(client, is_over)
    assert states(messages) == ["running", "source_lost", "running", "ended"]
    assert [told["what"] for told in events(messages, "fault")] == [GONE.what]
    missed = 7_321_000_000 * 48 // 1_000_000 - 4800
    assert events(messages, "loss") == [{"samples": missed, "at_sample": 4800}]
    rates = of_kind(messages, "rates")
    first = next(m for m in rates if m.header["gap"])
    # The bin in which it came back is heard in part, and so is there; those of which nothing was heard are not.
    assert first.header["i0"] == (4800 + missed) // 240
    assert first.header["gap"] == first.header["i0"] - 20
    assert Flags.DISCONTINUITY in first.flags
    assert (Flags.WARMING_UP in first.flags) == reset
    status = engine.status()
    assert status["bins"] + status["bins_missing"] == (9600 + missed) // 240
    assert status["samples_in"] + status["samples_lost"] == 9600 + missed


def test_it_is_told_once_however_often_it_is_looked_for() -> None:
    now_ns = time.monotonic_ns()
    source = Unplugged([Block(noise(4800), now_ns), GONE, GONE, GONE, Block(noise(480), now_ns + 10**9)])
    source.plugged.set()
    with session(source=source) as (_, client):
        client.request("start")
        source.play()
        messages = receive(client, is_over)
    assert states(messages) == ["running", "source_lost", "running", "ended"]
    assert len(events(messages, "fault")) == 1
    assert source.times_opened == 4


def test_a_session_that_ends_while_the_device_is_away_tells_what_was_not_heard() -> None:
    source = Unplugged([Block(noise(4800), time.monotonic_ns()), GONE])
    with session(source=source) as (engine, client):
        client.request("start")
        source.play()
        messages = receive(client, has_state("source_lost"))
        messages += receive(client, lambda more: any(m.kind == "heartbeat" for m in more))
        engine.request_stop()
        messages += receive(client, is_over)
    last = [m for m in messages if m.kind == "rates"][-1]
    assert Flags.LAST in last.flags
    assert last.header["gap"] > 0
    assert engine.status()["bins_missing"] == last.header["gap"]


def test_stop_and_start_are_obeyed_while_the_device_is_away() -> None:
    now_ns = time.monotonic_ns()
    source = Unplugged([Block(noise(4800), now_ns), GONE, Block(noise(4800), now_ns + 3 * 10**9)])
    with session(source=source) as (_, client):
        client.request("start")
        source.play()
        messages = receive(client, has_state("source_lost"))
        assert client.request("stop")["state"] == "stopped"
        source.plugged.set()
        messages += receive(client, is_over)
    assert states(messages)[:3] == ["running", "source_lost", "stopped"]
    assert len(of_kind(messages, "rates")) <= 20  # nothing of what came after the stop


@pytest.mark.parametrize(("policy", "ends"), [("end", True), ("wait", False)])
def test_the_configuration_decides_whether_a_lost_source_ends_the_session(policy: str, ends: bool) -> None:
    source = Unplugged([Block(noise(4800), time.monotonic_ns()), GONE, Block(noise(4800), time.monotonic_ns())])
    source.plugged.set()
    failed = False
    try:
        with session(f"engine.on_source_lost={policy}", source=source) as (_, client):
            client.request("start")
            source.play()
            receive(client, is_over)
    except SoundError:
        failed = True
    assert failed == ends


# --- a real sound server whose card is pulled out ---------------------------------------------------------------------


@contextmanager
def live_on(card: PulseServer, *keys: str) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    """Run `rtstrf live` on a card, and connect to it."""
    command = [sys.executable, "-m", "rtstrf", "live", "--source", "microphone", "--set", f"source.device={DEVICE}"]
    for key in ("wire.data=tcp://127.0.0.1:0", "wire.control=tcp://127.0.0.1:0", "wire.topics=[]", *keys):
        command += ["--set", key]
    process = subprocess.Popen(command, env=card.environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        endpoints = [word.rstrip(",;") for word in line.split() if word.startswith("tcp://")]
        with Client(*endpoints, topics=("rates",), lag_s=1e6) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()


@pytest.mark.audio
@pytest.mark.skipif(bool(missing_programs()), reason=f"a virtual sound card needs {', '.join(missing_programs())}")
def test_a_card_that_is_pulled_out_and_put_back_is_lost_and_found(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    with virtual_sound_card(tmp_path_factory.mktemp("card")) as card, live_on(card) as (process, client):
        messages = receive(client, lambda messages: len(of_kind(messages, "rates")) > 200)
        unplugged_s = time.monotonic()
        card.unplug()
        messages += receive(client, has_state("source_lost"))
        noticed_s = time.monotonic() - unplugged_s
        messages += receive(client, lambda more: len([m for m in more if m.kind == "heartbeat"]) >= 2)
        plugged_s = time.monotonic()
        card.plug()
        before = len(of_kind(messages, "rates"))
        messages += receive(client, lambda more: bool(of_kind(more, "rates")))
        back_s = time.monotonic() - plugged_s
        messages += receive(client, lambda more: len(of_kind(more, "rates")) > 200)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert "ALSA lib" not in told
    assert "Expression" not in told
    assert states(messages)[-2:] == ["source_lost", "running"]
    rates = of_kind(messages, "rates")
    gaps = [m for m in rates if m.header["gap"]]
    assert rates[before] in gaps
    # Bins and time agree across the gap, to what the first time stamps of the driver are worth.
    first, last = rates[20].header, rates[-1].header
    bins_ms, clock_ms = 5.0 * (last["i0"] - first["i0"]), (last["t_cap"] - first["t_cap"]) / 1e6
    assert bins_ms == pytest.approx(clock_ms, abs=300)
    with capsys.disabled():
        print(f"\n  card pulled out: told after {noticed_s:.2f} s; put back: heard after {back_s:.2f} s")


@pytest.mark.audio
@pytest.mark.skipif(bool(missing_programs()), reason=f"a virtual sound card needs {', '.join(missing_programs())}")
def test_a_driver_that_falls_silent_without_an_error_is_a_loss_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    with virtual_sound_card(tmp_path_factory.mktemp("card")) as card, live_on(card) as (_, client):
        messages = receive(client, lambda messages: len(of_kind(messages, "rates")) > 200)
        with card.frozen():
            messages += receive(client, has_state("source_lost"))
        messages += receive(client, lambda more: len(of_kind(more, "rates")) > 200)
    assert states(messages)[-2:] == ["source_lost", "running"]
    assert any(m.header["gap"] for m in of_kind(messages, "rates"))
