"""`rtstrf live` and `rtstrf listen` as processes: how they start, what they say, and how they end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rtstrf.wire.client import Client
from tests.support.command import Command, assert_refused
from tests.support.live import FREE_PORTS, noise, of_kind, receive
from tests.support.sounds import write_sound


@pytest.fixture
def rtstrf(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen]]:
    started: list[subprocess.Popen] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def sets(*keys: str) -> list[str]:
    return [word for key in keys for word in ("--set", key)]


def start(processes: list[subprocess.Popen], *words: str, **options: object) -> tuple[subprocess.Popen, str, str]:
    """Start `rtstrf live` and return it with the endpoints it tells."""
    command = [sys.executable, "-m", "rtstrf", "live", *words, *sets(*FREE_PORTS)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload]
    processes.append(process)
    told = process.stderr.readline().decode()
    assert "rates on" in told, told + process.stderr.read().decode()
    return process, told.split("rates on ")[1].split(",")[0], told.split("control on ")[1].split(";")[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_signal_ends_the_session_cleanly(processes: list[subprocess.Popen], number: signal.Signals) -> None:
    process, data, _ = start(processes, "--source", "noise")
    with Client(data) as client:
        receive(client, lambda messages: len(of_kind(messages, "rates")) > 5)
        process.send_signal(number)
        receive(client, lambda messages: any(m.flags & 128 for m in messages if m.kind == "rates"))
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert b"ended:" in told
    assert b"0 missing" in told


def test_the_end_of_a_file_ends_the_session(processes: list[subprocess.Popen], tmp_path: Path) -> None:
    path = write_sound(tmp_path / "n.wav", noise(24000), 48000)
    process, *_ = start(processes, "--source", "file", "--set", f"source.path={path}")
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"ended: 100 bins published, 0 missing" in told


def test_sound_comes_from_standard_input(processes: list[subprocess.Popen]) -> None:
    process, *_ = start(processes, "--source", "stdin", "--set", "source.dtype=f32le", stdin=subprocess.PIPE)
    _, told = process.communicate(noise(24000).tobytes(), timeout=30)
    assert process.returncode == 0
    assert b"ended: 100 bins published" in told


def test_the_stream_can_be_started_and_ended_by_a_client(processes: list[subprocess.Popen]) -> None:
    process, data, control = start(processes, "--source", "silence", "--set", "engine.autostart=false")
    with Client(data, control) as client:
        assert client.request("status")["state"] == "armed"
        client.request("start")
        receive(client, lambda messages: bool(of_kind(messages, "rates")))
        client.request("shutdown")
    assert process.wait(30) == 0


def test_listening_prints_lines_of_json_to_the_end(processes: list[subprocess.Popen], tmp_path: Path) -> None:
    path = write_sound(tmp_path / "n.wav", noise(48000), 48000)
    keys = sets(f"source.path={path}", "engine.autostart=false")
    process, data, control = start(processes, "--source", "file", *keys)
    command = [sys.executable, "-m", "rtstrf", "listen", data, "--json"]
    listener = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    processes.append(listener)
    assert listener.stdout is not None
    first = json.loads(listener.stdout.readline())  # the greeting comes after all subscriptions
    with Client(data, control) as client:
        client.request("start")
    lines = [first, *map(json.loads, listener.communicate(timeout=60)[0].splitlines())]
    rates = [line for line in lines if line["kind"] == "rates" and line["data"]]
    assert [line["i0"] for line in rates] == list(range(200))
    assert np.asarray(rates[0]["data"]).shape == (1, 119)
    assert listener.returncode == 0
    assert process.wait(30) == 0


def test_listening_tells_a_person_what_happens(processes: list[subprocess.Popen]) -> None:
    _, data, _ = start(processes, "--source", "noise")
    command = [sys.executable, "-m", "rtstrf", "listen", data, "--count", "250"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "statenet-gru-ns1, 119 units, bins of 5 ms" in done.stdout
    assert "strongest unit" in done.stdout


def test_listening_without_rates_ends_too(processes: list[subprocess.Popen], tmp_path: Path) -> None:
    path = write_sound(tmp_path / "n.wav", noise(24000), 48000)
    keys = sets(f"source.path={path}", "engine.autostart=false")
    process, data, control = start(processes, "--source", "file", *keys)
    command = [sys.executable, "-m", "rtstrf", "listen", data, "--json", "--topics", "level"]
    listener = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    processes.append(listener)
    assert listener.stdout is not None
    assert json.loads(listener.stdout.readline())["kind"] == "hello"
    with Client(data, control) as client:
        client.request("start")
    lines = [json.loads(line) for line in listener.communicate(timeout=60)[0].splitlines()]
    assert listener.returncode == 0
    assert not [line for line in lines if line["kind"] == "rates"]
    assert sum(len(line["data"]) for line in lines if line["kind"] == "level") == 100
    assert process.wait(30) == 0


def test_a_run_is_told_once_however_many_clients_join(processes: list[subprocess.Popen]) -> None:
    _, data, _ = start(processes, "--source", "noise")
    command = [sys.executable, "-u", "-m", "rtstrf", "listen", data, "--count", "400"]
    listener = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    processes.append(listener)
    assert listener.stdout is not None
    told = listener.stdout.readline()
    assert told.startswith("run ")
    with Client(data) as client:
        receive(client, lambda _: client.hello is not None)
    told += listener.communicate(timeout=60)[0]
    assert sum(line.startswith("run ") for line in told.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--topics", ""], "--topics '' names no kind of message"),
        (["--topics", " , "], "names no kind of message"),
        (["--topics", "smell"], "no such kind of message: 'smell'"),
        (["--count", "0"], "--count 0"),
        (["--count", "-3"], "--count -3"),
        (["--timeout-s", "0"], "--timeout-s 0"),
        (["--timeout-s", "-1"], "--timeout-s -1"),
        (["--timeout-s", "nan"], "--timeout-s nan"),
        (["--timeout-s", "inf"], "--timeout-s inf"),
    ],
)
def test_an_option_that_listening_cannot_use_is_named(rtstrf: Command, options: list[str], words: str) -> None:
    assert_refused(rtstrf("listen", "tcp://127.0.0.1:1", *options), words)


def test_listening_to_nobody_ends_when_told_to(rtstrf: Command) -> None:
    outcome = rtstrf("listen", "tcp://127.0.0.1:1", "--timeout-s", "0.3")
    assert_refused(outcome, "nothing came from tcp://127.0.0.1:1", "rtstrf live")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--source", "violin"], ["violin", "microphone, file"]),
        (["--source", "file"], ["source.path: field required"]),
        (["--source", "file", "--set", "source.path=none.wav"], ["none.wav"]),
        (["none.yaml"], ["none.yaml"]),
        (["--source", "tone", "--set", "source.pitch=3"], ["source.pitch: no such key"]),
        (["--source", "tone", "--set", "source.frequency_hz=high"], ["source.frequency_hz", "'high'"]),
        (["--source", "tone", "--set", "model=none"], ["no model 'none'", "statenet-gru-ns1"]),
        (["--source", "tone", "--set", "wire.data=tcp://0.0.0.0:5590"], ["0.0.0.0"]),
        (["--source", "tone", "--set", "wire.data=nonsense"], ["nonsense"]),
        (["--source", "tone", "--set", "device=cuda:99"], ["cuda:99"]),
        (["--source", "tone", "--set", "device=abacus"], ["abacus"]),
        (["--source", "tone", "--set", "record.folder=no/such/folder"], ["no/such/folder"]),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(rtstrf: Command, words: list[str], told: list[str]) -> None:
    ports = [] if any("wire.data" in word for word in words) else sets(*FREE_PORTS)
    assert_refused(rtstrf("live", *words, *ports), *told)


def test_a_port_in_use_is_named(rtstrf: Command, processes: list[subprocess.Popen]) -> None:
    _, data, _ = start(processes, "--source", "silence")
    outcome = rtstrf(
        "live", "--source", "tone", "--set", f"wire.data={data}", "--set", "wire.control=tcp://127.0.0.1:0"
    )
    assert_refused(outcome, data.rsplit(":", 1)[1])


def test_other_machines_are_let_in_only_when_it_is_spelled_out(processes: list[subprocess.Popen]) -> None:
    command = [sys.executable, "-m", "rtstrf", "live", "--source", "silence", "--insecure-lan"]
    command += sets("wire.data=tcp://0.0.0.0:0", "wire.control=tcp://127.0.0.1:0")
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    processes.append(process)
    assert process.stderr is not None
    assert b"rates on tcp://0.0.0.0:" in process.stderr.readline()


def test_a_file_with_a_nan_ends_with_the_place_it_is_at(rtstrf: Command, tmp_path: Path) -> None:
    samples = noise(48000)
    samples[30000] = np.nan
    path = write_sound(tmp_path / "bad.wav", samples, 48000)
    outcome = rtstrf("live", "--quiet", "--source", "file", "--set", f"source.path={path}", *sets(*FREE_PORTS))
    assert_refused(outcome, "bad.wav", "30000")
