"""A real `rtstrf live`, killed with -9 while it records, or out of disk: what is lost, and what is told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from rtstrf.record.check import check
from rtstrf.record.recording import Recording
from rtstrf.record.rerun import model_of, rerun
from rtstrf.wire.client import Client
from tests.support.command import Command
from tests.support.fed import FedSource, wait_for
from tests.support.live import events, is_over, joined, of_kind, receive, session

BINS_A_SECOND = 200


@pytest.fixture
def rtstrf(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@contextmanager
def live(folder: Path, *words: str, **options: object) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Run a session of endless noise that records, and yield its process and endpoints."""
    command = [sys.executable, "-m", "rtstrf", "live", "--source", "noise", "--record", str(folder)]
    for key in ("source.gap_ms=0", "wire.data=tcp://127.0.0.1:0", "wire.control=tcp://127.0.0.1:0", *words):
        command += ["--set", key]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, **options)  # type: ignore[call-overload]
    try:
        assert process.stderr is not None
        told = re.search(r"rates on (\S+), control on ([^;\s]+)", process.stderr.readline())
        assert told is not None
        yield process, told.group(1), told.group(2)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("after_bins", [150, 333])
def test_a_session_killed_while_it_records_loses_less_than_a_second(
    tmp_path: Path, rtstrf: Command, after_bins: int
) -> None:
    received: dict[int, np.ndarray] = {}
    with (
        live(tmp_path / "r") as (process, data, control),
        Client(data, control, topics=("rates",), lag_s=1e6) as client,
    ):

        def take(timeout_s: float) -> None:
            for message in of_kind(client.poll(timeout_s), "rates"):
                assert message.array is not None
                received.update({message.header["i0"] + row: rates for row, rates in enumerate(message.array)})

        deadline = time.monotonic() + 60
        while len(received) < after_bins:
            assert time.monotonic() < deadline
            take(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        take(0.2)  # what was on its way

    (folder,) = (tmp_path / "r").iterdir()
    crashed = rtstrf("record", "check", folder)
    assert crashed.code == 1
    assert "cut off" in crashed.out
    assert "cut off" in rtstrf("record", "info", folder).out
    own = Recording(folder).streams["main"]
    assert max(received) - own.bin_index[-1] < BINS_A_SECOND
    both = [row for row, index in enumerate(own.bin_index.tolist()) if index in received]
    np.testing.assert_array_equal(own.rates_hz[both], [received[int(own.bin_index[row])] for row in both])

    assert rtstrf("record", "check", folder, "--repair").code == 0
    assert rtstrf("record", "check", folder).code == 0
    again = rtstrf("replay", folder)
    assert again.code == 0
    assert "identical" in again.out
    assert "not run again" not in again.out


def limit_files_to_300_kb() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


def test_a_disk_that_takes_no_more_ends_the_recording_and_not_the_stream(tmp_path: Path, rtstrf: Command) -> None:
    """The system refuses to let a file grow: 300 kB are a second and a half of sound."""
    pytest.importorskip("resource", reason="the system has no limits that a process can set itself")
    keys = ("source.duration_s=4", "source.speed=2")
    with live(tmp_path / "r", *keys, preexec_fn=limit_files_to_300_kb) as (process, data, control):
        with Client(data, control, topics=("rates", "event"), lag_s=1e6) as client:
            messages = receive(client, is_over)
        assert process.stderr is not None
        told = process.stderr.read()
        assert process.wait(60) == 0
    assert of_kind(messages, "rates")[-1].header["i0"] == 799
    (fault,) = events(messages, "fault")
    assert "recording" in fault["what"]
    assert "stopped" in fault["what"]
    assert fault["remedy"].startswith("make room")
    assert fault["what"].split("has ended: ")[1] in told
    (folder,) = (tmp_path / "r").iterdir()
    found = rtstrf("record", "check", folder)
    assert found.code == 0
    assert "the recording stopped: " in found.out
    assert len(Recording(folder).streams["main"].sound_pa) > 40_000
    assert "identical" in rtstrf("replay", folder).out


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system in memory, where that is allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("a full disk needs the program mount")
    if done.returncode:
        pytest.skip(f"a full disk needs the right to mount one: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # arrays on it may be mapped still


def test_a_full_disk_ends_the_recording_and_another_can_be_begun_when_there_is_room(tmp_path: Path) -> None:
    source = FedSource()
    with small_disk(tmp_path / "disk", "2m") as disk:
        (disk / "others").write_bytes(bytes(1_500_000))
        with session(f"record.folder={disk}", source=source, topics=("rates", "event")) as (engine, client):

            def play(blocks: int) -> None:
                for _ in range(blocks):
                    source.feed(2400)
                    wait_for(lambda: engine.status()["bins"] == source.position // 240)

            client.request("start")
            first = client.request("status")["recording"]
            play(60)  # 860 kB
            messages = receive(client, lambda messages: bool(events(messages, "fault")))
            assert client.request("status")["recording"] is None
            (disk / "others").unlink()
            second = client.request("record.start")["recording"]
            play(20)
            source.finish()
            messages += receive(client, is_over)
        assert len(joined(messages, "rates")) == 800
        assert "No space left on device" in events(messages, "fault")[0]["what"]
        for name, end, bins in ((first, "No space left on device", 100), (second, "closed", 190)):
            found = check(disk / name)
            assert found.is_whole
            assert found.end == end
            recording = Recording(disk / name)
            done = rerun(recording, "main", model_of(recording))
            assert done.identical
            assert done.bins >= bins


def test_a_disk_that_is_full_at_the_start_is_one_message_and_leaves_nothing(tmp_path: Path, rtstrf: Command) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        (disk / "others").write_bytes(bytes(60_000))
        ports = ("--set", "wire.data=tcp://127.0.0.1:0", "--set", "wire.control=tcp://127.0.0.1:0")
        outcome = rtstrf("live", "--source", "tone", "--record", disk / "r", *ports)
        assert outcome.code == 2
        assert "No space left on device" in outcome.err
        assert "Traceback" not in outcome.err
        assert not any((disk / "r").iterdir())
