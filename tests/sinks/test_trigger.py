"""A trigger fires on the bin that crosses, tells which sample that was, and acts at once."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from rtstrf.config.load import check
from rtstrf.config.triggers import TriggerSection
from rtstrf.errors import ConfigError, WireError
from rtstrf.sinks.trigger import Trigger
from rtstrf.wire.message import Flags
from tests.support.plugin import installed

HOP_SAMPLES = 240
UNITS = ["a", "b", "c", "d"]
NOTHING = Flags(0)


class Rig:
    """A trigger with its stream: feed it rates, see what it tells."""

    def __init__(self, *, streams: tuple[str, ...] = (), **keys: Any) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.section = check(TriggerSection, {"name": "t", "threshold_hz": 30.0, "refractory_ms": 0.0, **keys}, "t")
        self.trigger = Trigger(self.section, self._tell, live=lambda: self.section)
        self._start_ns = time.monotonic_ns()
        self.trigger.open(
            {
                "units": [{"id": unit} for unit in UNITS],
                "hop_samples": HOP_SAMPLES,
                "sample_rate_hz": 48000,
                "anchor": {"monotonic_ns": str(self._start_ns)},
                "config": {"wire": {"stream": "main"}, "engine": {"spare_lanes": 0}},
                **({"streams": dict.fromkeys(streams)} if streams else {}),
            }
        )

    def _tell(self, stream: str | None, name: str, details: dict[str, Any]) -> None:
        self.told.append((name, details))

    @property
    def fired(self) -> list[dict[str, Any]]:
        return [details for name, details in self.told if name == "trigger"]

    def feed(self, rows: Any, i0: int, flags: Flags = NOTHING, stream: str | None = None) -> None:
        array = np.atleast_2d(np.asarray(rows, dtype=np.float32))
        if array.shape[1] == 1:
            array = np.repeat(array, len(UNITS), axis=1)
        header: dict[str, Any] = {
            "i0": i0,
            "s0": i0 * HOP_SAMPLES,
            "s1": (i0 + len(array)) * HOP_SAMPLES,
            "t_cap": time.monotonic_ns() - self._start_ns,
            "flags": int(flags),
        }
        self.trigger.rows("rates", header if stream is None else {**header, "stream": stream}, array)


def fed(rates_hz: list[float], **keys: Any) -> list[int]:
    """Return the bins at which a trigger fires, on rates that all units share."""
    rig = Rig(**keys)
    for index, rate in enumerate(rates_hz):
        rig.feed([[rate]], index)
    rig.trigger.close()
    return [details["bin"] for details in rig.fired]


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(30)
        yield bound


def test_it_names_the_bin_the_last_sample_heard_and_how_late_it_is() -> None:
    rig = Rig()
    rig.feed([[10]], 40)
    rig.feed([[50]], 41)
    (details,) = rig.fired
    assert (details["trigger"], details["units"], details["bin"], details["s"]) == ("t", None, 41, 42 * 240 - 1)
    assert details["rate_hz"] == 50.0
    assert 0 <= details["t_cap"] <= details["t_fire"]
    assert details["latency_ms"] == pytest.approx((details["t_fire"] - details["t_cap"]) / 1e6, abs=1e-4)


def test_the_mean_of_chosen_units_by_index_or_id() -> None:
    rig = Rig(units=[0, "c"])
    rig.feed([0, 0, 0, 0], 0)
    rig.feed([100, 90, -50, 90], 1)  # the mean of a and c is 25 Hz
    rig.feed([100, 0, -30, 0], 2)
    assert [details["bin"] for details in rig.fired] == [2]


def test_each_unit_for_itself_and_those_that_cross_are_named() -> None:
    rig = Rig(of="each")
    rig.feed([0, 0, 50, 0], 0)
    rig.feed([40, 0, 50, 60], 1)
    rig.feed([40, 35, 50, 60], 2)
    assert [(details["bin"], details["units"]) for details in rig.fired] == [(1, ["a", "d"]), (2, ["b"])]


def test_within_the_refractory_time_it_does_not_fire_and_nothing_is_made_up_for() -> None:
    rates = [0, 40] * 10  # crosses at 1, 3, 5...; 25 ms are five bins
    assert fed(rates) == list(range(1, 20, 2))
    assert fed(rates, refractory_ms=25.0) == [1, 7, 13, 19]


def test_a_bin_that_is_just_beyond_the_refractory_time_fires() -> None:
    assert fed([0, 40, 0, 40], refractory_ms=9.98) == [1, 3]
    assert fed([0, 40, 0, 40], refractory_ms=10.0) == [1]


def test_bins_that_come_together_are_each_looked_at() -> None:
    rig = Rig()
    rig.feed([[0], [40], [0], [50]], 8)
    assert [(d["bin"], d["s"]) for d in rig.fired] == [(9, 10 * 240 - 1), (11, 12 * 240 - 1)]
    assert rig.fired[1]["t_cap"] - rig.fired[0]["t_cap"] == 10_000_000


def test_a_jump_over_a_gap_or_a_reset_is_no_crossing() -> None:
    rig = Rig()
    rig.feed([[0]], 0)
    rig.feed([[40]], 90, Flags.DISCONTINUITY)
    rig.feed([[0]], 91)
    rig.feed([[40]], 92)
    assert [details["bin"] for details in rig.fired] == [92]


def test_while_the_model_warms_up_it_fires_only_where_that_is_asked_for() -> None:
    for keys, bins in (({}, []), ({"while_warming_up": True}, [1])):
        rig = Rig(**keys)
        rig.feed([[0]], 0, Flags.WARMING_UP)
        rig.feed([[40]], 1, Flags.WARMING_UP)
        assert [details["bin"] for details in rig.fired] == bins


def test_disarmed_it_does_nothing_and_armed_again_the_rate_must_cross_anew() -> None:
    rig = Rig(armed=False)
    for index, rate in enumerate([0, 40, 0]):
        rig.feed([[rate]], index)
    rig.section = rig.section.model_copy(update={"armed": True})
    for index, rate in enumerate([40, 0, 40], start=3):
        rig.feed([[rate]], index)
    assert [details["bin"] for details in rig.fired] == [5]


def test_a_threshold_that_moves_past_the_rate_is_no_crossing() -> None:
    rig = Rig()
    rig.feed([[20]], 0)
    rig.section = rig.section.model_copy(update={"threshold_hz": 10.0})
    rig.feed([[20]], 1)
    rig.feed([[5]], 2)
    rig.feed([[12]], 3)
    assert [details["bin"] for details in rig.fired] == [3]


def test_streams_are_watched_apart_and_one_can_be_chosen() -> None:
    for keys, expected in (({}, [1, 1]), ({"stream": "left"}, [1])):
        rig = Rig(streams=("left", "right"), **keys)
        for index, rate in enumerate([0, 40]):
            rig.feed([[rate]], index, stream="left")
            rig.feed([[rate]], index, stream="right")
        assert [details["bin"] for details in rig.fired] == expected


def test_a_stream_that_is_alone_can_be_named_and_one_that_is_not_there_is_refused() -> None:
    assert fed([0, 40], stream="main") == [1]
    for streams in ((), ("left", "right")):
        with pytest.raises(ConfigError, match="watches the stream 'middle', and there is none"):
            Rig(stream="middle", streams=streams)


def test_a_stream_that_ended_and_came_again_is_watched_from_its_beginning() -> None:
    rig = Rig(refractory_ms=1000.0)
    rig.feed([[0]], 5000)
    rig.feed([[40]], 5001)
    rig.feed(np.empty((0, len(UNITS))), 5002, Flags.LAST)
    rig.feed([[0]], 0)
    rig.feed([[40]], 1)
    assert [details["bin"] for details in rig.fired] == [5001, 1]


def test_a_unit_that_the_model_has_not_is_refused_with_those_it_has() -> None:
    for unit in (4, "z"):
        with pytest.raises(ConfigError, match=r"watches the unit .*\n  -> choose 0 to 3"):
            Rig(units=[unit])


def test_a_packet_holds_the_details_or_the_message(receiver: socket.socket) -> None:
    port = receiver.getsockname()[1]
    for keys in ({}, {"message": "GO"}):
        rig = Rig(action={"kind": "udp", "port": port, **keys})
        rig.feed([[0]], 0)
        rig.feed([[40]], 1)
        packet = receiver.recv(4096)
        assert packet == b"GO" if keys else json.loads(packet) == rig.fired[0]
        rig.trigger.close()


def test_a_receiver_that_is_not_there_harms_nobody(receiver: socket.socket) -> None:
    port = receiver.getsockname()[1]
    receiver.close()
    assert fed([0, 40, 0, 40, 0, 40], action={"kind": "udp", "port": port}) == [1, 3, 5]


def test_a_host_that_does_not_exist_is_an_error_at_the_start() -> None:
    with pytest.raises(WireError, match="no host"):
        Rig(action={"kind": "udp", "host": "no.such.host.invalid", "port": 9})


def test_a_byte_is_written_to_a_serial_port() -> None:
    pty = pytest.importorskip("pty", reason="pseudo-terminals are Unix's")
    pytest.importorskip("serial", reason="needs the extra serial")
    import tty

    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    try:
        rig = Rig(action={"kind": "serial", "port": os.ttyname(theirs), "byte": 7})
        for index, rate in enumerate([0, 40, 0, 40]):
            rig.feed([[rate]], index)
        assert os.read(ours, 2) in (b"\x07", b"\x07\x07")
        assert len(rig.fired) == 2
        rig.trigger.close()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_serial_port_that_takes_nothing_is_told_once_and_holds_nobody_up() -> None:
    pty = pytest.importorskip("pty", reason="pseudo-terminals are Unix's")
    pytest.importorskip("serial", reason="needs the extra serial")
    import tty

    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    try:
        rig = Rig(action={"kind": "serial", "port": os.ttyname(theirs)})
        os.set_blocking(theirs, False)
        with suppress(BlockingIOError):  # nobody reads: fill what the system holds
            while os.write(theirs, bytes(1024)):
                pass
        for index, rate in enumerate([0, 40] * 3):
            rig.feed([[rate]], index)
        assert len(rig.fired) == 3
        faults = [details["what"] for name, details in rig.told if name == "fault"]
        assert len(faults) == 1
        assert "trigger t fired, but its action failed: BlockingIOError" in faults[0]
    finally:
        rig.trigger.close()
        os.close(ours)
        os.close(theirs)


def test_a_serial_port_that_is_not_there_is_an_error_at_the_start() -> None:
    pytest.importorskip("serial", reason="needs the extra serial")
    with pytest.raises(ConfigError, match="'/dev/no-such-port' cannot be opened"):
        Rig(action={"kind": "serial", "port": "/dev/no-such-port"})


def test_a_function_of_a_plugin_is_called_on_a_thread_of_its_own(tmp_path, monkeypatch) -> None:
    code = """
import threading

calls = []

def valve(details, *, ms):
    calls.append((details["bin"], ms, threading.current_thread().name))
"""
    with installed(tmp_path, monkeypatch, "valves", code, {"rtstrf.actions": {"valve": "valve"}}) as module:
        rig = Rig(action={"kind": "plugin", "plugin": "valve", "options": {"ms": 40}})
        rig.feed([[0]], 0)
        rig.feed([[40]], 1)
        rig.trigger.close()  # waits for what is queued
        assert module().calls == [(1, 40, "rtstrf-action valve")]


def test_a_function_that_raises_is_told_and_the_trigger_goes_on(tmp_path, monkeypatch) -> None:
    code = "def valve(details):\n    raise RuntimeError('stuck')\n"
    with installed(tmp_path, monkeypatch, "stuck", code, {"rtstrf.actions": {"valve": "valve"}}):
        rig = Rig(action={"kind": "plugin", "plugin": "valve"})
        told = threading.Event()
        tell = rig.trigger._tell

        def noticing(stream: str | None, name: str, details: dict[str, Any]) -> None:
            tell(stream, name, details)
            if name == "fault":
                told.set()

        rig.trigger._tell = noticing
        rig.feed([[0]], 0)
        rig.feed([[40]], 1)
        assert told.wait(30)
        rig.feed([[0]], 2)
        rig.feed([[40]], 3)
        rig.trigger.close()
    faults = [details["what"] for name, details in rig.told if name == "fault"]
    assert faults == ["trigger t fired, but its action failed: RuntimeError: stuck"]
    assert [details["bin"] for details in rig.fired] == [1, 3]
