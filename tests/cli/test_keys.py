from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtstrf.clock import RunClock
from rtstrf.wire.allow_list import ServerKeys
from rtstrf.wire.client import Client
from rtstrf.wire.keys import ClientKeys
from rtstrf.wire.server import WireServer
from tests.support.command import Command

PATIENCE_S = 60.0


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


@pytest.fixture
def folder(rtstrf: Command, tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    assert rtstrf("keys", "server", "--folder", str(folder)).code == 0
    return folder


def test_the_steps_of_the_help_let_a_client_in_and_out_again(rtstrf: Command, folder: Path, tmp_path: Path) -> None:
    public = ServerKeys(folder).pair.public
    assert rtstrf("keys", "list", "--folder", str(folder)).out.splitlines()[0] == f"server      {public}"
    file = tmp_path / "booth.key"
    told = rtstrf("keys", "client", "booth", "--server", public, "--out", str(file)).out
    key = ClientKeys.load(file).pair.public
    assert f"rtstrf keys allow booth '{key}' --read-only" in told
    assert rtstrf("keys", "allow", "booth", key, "--read-write", "--folder", str(folder)).code == 0
    listed = rtstrf("keys", "list", "--folder", str(folder)).out
    assert f"read-write  {key}  booth" in listed.splitlines()
    for path in (file, folder / "server.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 or os.name != "posix"
    assert rtstrf("keys", "revoke", "booth", "--folder", str(folder)).code == 0
    assert "nobody is let in yet" in rtstrf("keys", "list", "--folder", str(folder)).out


def test_no_secret_is_ever_printed(rtstrf: Command, folder: Path, tmp_path: Path) -> None:
    keys, file = ServerKeys(folder), tmp_path / "booth.key"
    shown = rtstrf("keys", "client", "booth", "--server", keys.pair.public, "--out", str(file)).out
    client = ClientKeys.load(file)
    shown += rtstrf("keys", "allow", "booth", client.pair.public, "--read-only", "--folder", str(folder)).out
    shown += rtstrf("keys", "list", "--folder", str(folder)).out
    assert client.pair.public in shown
    assert client.pair.secret not in shown
    assert keys.pair.secret not in shown


def test_mistakes_are_one_message_each(rtstrf: Command, folder: Path, tmp_path: Path) -> None:
    for words, told in (
        (("server", "--folder", str(folder)), "is there already"),
        (("allow", "booth", "short", "--read-only", "--folder", str(folder)), "40 characters"),
        (("revoke", "booth", "--folder", str(folder)), "'booth' is not allowed"),
        (("list", "--folder", str(tmp_path / "none")), "no key of a server"),
        (("client", "a b", "--server", ServerKeys(folder).pair.public), "cannot name a client"),
    ):
        answer = rtstrf("keys", *words)
        assert answer.code == 2
        assert told in answer.err
        assert "Traceback" not in answer.err


@pytest.fixture
def live(folder: Path, processes: list[subprocess.Popen]):
    """A live session that lets keys in only, beyond loopback; returns its process and endpoints."""

    def start(*options: str) -> tuple[subprocess.Popen, str, str]:
        keys = ["source.kind=tone", f"wire.keys={folder}", "wire.data=tcp://0.0.0.0:0", "wire.control=tcp://0.0.0.0:0"]
        words = [word for key in keys for word in ("--set", key)]
        process = subprocess.Popen(
            [sys.executable, "-m", "rtstrf", "live", *words, *options], stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        line = process.stderr.readline()
        assert "rates on" in line, line + process.stderr.read()
        data, control = (word.strip(",;") for word in line.split() if word.startswith("tcp://"))
        return process, data.replace("0.0.0.0", "127.0.0.1"), control.replace("0.0.0.0", "127.0.0.1")

    return start


def test_a_live_session_with_keys_is_open_to_the_network_for_those_allowed(live, folder, tmp_path, rtstrf) -> None:
    keys = ServerKeys(folder)
    client = ClientKeys.make("booth", keys.pair.public)
    client.save(tmp_path / "booth.key")
    keys.allow("booth", client.pair.public, "read-only")
    _, data, control = live()
    with Client(data, keys=tmp_path / "booth.key") as listener:
        assert listener.wait_hello(PATIENCE_S)["security"]["mechanism"] == "CURVE"
        assert listener.control_endpoint == control
    heard = rtstrf("listen", data, "--keys", str(tmp_path / "booth.key"), "--json", "--count", "1")
    assert (heard.code, '"kind": "rates"' in heard.out) == (0, True)
    refused = rtstrf("listen", data, "--timeout-s", "1")
    assert (refused.code, refused.out) == (2, "")
    assert "the server wants a key" in refused.err


def test_keys_without_a_client_are_not_enough_beyond_loopback(rtstrf: Command, folder: Path) -> None:
    told = rtstrf("live", "--set", "source.kind=tone", "--set", f"wire.keys={folder}", "--set", "wire.data=tcp://*:0")
    assert told.code == 2
    assert "no client is allowed" in told.err


def test_a_display_that_is_not_let_in_says_why_and_ends(rtstrf: Command, folder: Path) -> None:
    with WireServer(
        "tcp://127.0.0.1:0", "tcp://127.0.0.1:0", clock=RunClock(), hello=dict, status=dict,
        handle=lambda cmd, args: {}, keys=folder,
    ) as server:  # fmt: skip
        told = rtstrf("view", server.data_endpoint, "--terminal")
    assert told.code == 2
    assert "the server wants a key: give yours: --keys FILE" in told.err


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is of POSIX systems")
def test_a_display_is_gone_with_the_program_that_opened_it_however_that_died(
    processes: list[subprocess.Popen], tmp_path: Path
) -> None:
    """A stand-in for a live session: it opens a display as that does, says its number, and is killed."""
    code = (
        "import subprocess, sys\n"
        "from rtstrf.cli.session import view_command\n"
        "command = view_command('tcp://127.0.0.1:9', 'tcp://127.0.0.1:9', '--terminal')\n"
        "print(subprocess.Popen(command, stdin=subprocess.PIPE).pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    opener = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    processes.append(opener)
    display = int(opener.stdout.readline())
    opener.kill()
    opener.wait()
    deadline_s = time.monotonic() + PATIENCE_S
    while is_running(display):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    try:  # one that has ended may wait for a parent that never asks
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc").is_dir()
