"""rtstrf-osc, installed by pip and run by `rtstrf live`: a real UDP server receives the rates."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.plugins.conftest import running
from tests.support.live import events, is_over, of_kind, receive

pythonosc = pytest.importorskip("pythonosc.osc_message", reason="needs the package python-osc")


@pytest.fixture(scope="module")
def environment(install: Callable[[str], dict[str, str]]) -> dict[str, str]:
    return install("rtstrf-osc")


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(30)
        yield bound


def read(receiver: socket.socket, until: Callable[[str], bool]) -> dict[str, list[list]]:
    """Return the arguments of all messages by address, up to the first whose address satisfies `until`."""
    told: dict[str, list[list]] = {}
    while True:
        message = pythonosc.OscMessage(receiver.recv(65536))
        told.setdefault(message.address, []).append(list(message.params))
        if until(message.address) and "ended" in str(message.params):
            return told


def test_a_udp_server_receives_the_rates_the_mean_chosen_units_and_events(environment, receiver) -> None:
    port = receiver.getsockname()[1]
    keys = ("source={kind: noise, duration_s: 0.5, speed: 2}", f"sinks=[{{plugin: osc, port: {port}, units: [3, 5]}}]")
    with running(environment, *keys) as client:
        client.request("start")
        client.request("mark", label="sound on")
        messages = receive(client, is_over)
        told = read(receiver, lambda address: address == "/rtstrf/main/event/state")
    rates = of_kind(messages, "rates")
    assert len(rates) == 100
    assert [row[0] for row in told["/rtstrf/main/rates"]] == [m.header["i0"] for m in rates]
    for message, (_, heard, t_cap, flags, blob) in zip(rates, told["/rtstrf/main/rates"], strict=True):
        np.testing.assert_array_equal(np.frombuffer(blob, "<f4"), message.array[0])
        assert (heard, t_cap, flags) == tuple(message.header[name] for name in ("s1", "t_cap", "flags"))
    means = np.array(told["/rtstrf/main/mean"])
    np.testing.assert_allclose(means[:, 1], [m.array.mean() for m in rates], rtol=1e-5)
    np.testing.assert_array_equal(
        np.float32([row[1:] for row in told["/rtstrf/main/units"]]), np.concatenate([m.array for m in rates])[:, [3, 5]]
    )
    [(t_ns, text)] = told["/rtstrf/main/event/mark"]
    [mark] = events(messages, "mark")
    assert json.loads(text) == mark
    assert t_ns == pytest.approx(mark["t"], abs=1e9)


def test_a_message_has_the_type_tags_that_bonsai_is_told(environment, receiver) -> None:
    port = receiver.getsockname()[1]
    keys = ("source={kind: silence, duration_s: 0.05}", f"sinks=[{{plugin: osc, port: {port}, events: false}}]")
    with running(environment, *keys) as client:
        client.request("start")
        tags = {}
        while set(tags) != {"/rtstrf/main/rates", "/rtstrf/main/mean"}:
            packet = receiver.recv(65536)
            address, rest = packet.split(b"\0", 1)
            tags[address.decode()] = rest[rest.index(b",") + 1 :].split(b"\0", 1)[0].decode()
    # Bonsai's ReceiveMessage takes a type tag of at most eight arguments, and a blob as bytes.
    assert tags == {"/rtstrf/main/rates": "hhhib", "/rtstrf/main/mean": "hf"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("port: 0", "sinks.0.port"),
        ("units: [0, 1, 2, 3, 4, 5, 6, 7]", "sinks.0.units"),
        ("units: [400]", "the unit 400, and the model has none"),
        ("host: no.such.host.invalid", "no host"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_the_sound_begins(environment, options, words) -> None:
    command = [
        sys.executable,
        "-m",
        "rtstrf",
        "live",
        "--source",
        "silence",
        "--set",
        f"sinks=[{{plugin: osc, {options}}}]",
    ]
    command += ["--set", "wire.data=tcp://127.0.0.1:0", "--set", "wire.control=tcp://127.0.0.1:0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_each_of_several_streams_has_addresses_of_its_own(environment, receiver) -> None:
    port = receiver.getsockname()[1]
    sources = {"left": "{kind: silence, duration_s: 0.1}", "right": "{kind: noise, duration_s: 0.1}"}
    streams = f"streams=[{', '.join(f'{{name: {name}, source: {source}}}' for name, source in sources.items())}]"
    with running(environment, streams, f"sinks=[{{plugin: osc, port: {port}, rates: false}}]") as client:
        client.request("start")
        found: dict[str, int] = {}
        while min(found.get(f"/rtstrf/{name}/mean", 0) for name in ("left", "right")) < 20:
            address = pythonosc.OscMessage(receiver.recv(65536)).address
            found[address] = found.get(address, 0) + 1
    assert {"/rtstrf/left/event/state", "/rtstrf/right/event/state"} <= set(found)
