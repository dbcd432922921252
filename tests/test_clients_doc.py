"""docs/clients is true: what it says was run, is run here, against the fake server and against a server with keys."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import rtstrf
from rtstrf.wire.allow_list import ServerKeys
from rtstrf.wire.keys import ClientKeys
from rtstrf.wire.server import WireServer

DOCS = Path(__file__).parents[1] / "docs" / "clients"
SOURCES = Path(rtstrf.__file__).resolve().parents[1]
PATIENCE_S = 100.0


def has_octave() -> bool:
    """Tell whether Octave and its package zeromq are installed."""
    if shutil.which("octave") is None:
        return False
    return (
        subprocess.run(["octave", "--no-gui", "-q", "--eval", "pkg load zeromq"], capture_output=True).returncode == 0
    )


LANGUAGES = [
    "python",
    pytest.param("octave", marks=pytest.mark.skipif(not has_octave(), reason="needs octave and octave-zeromq")),
]


def block(language: str, kind: str = "") -> str:
    page = "python.md" if language == "python" else "matlab-octave.md"
    head = re.escape(f"{language} {kind}".strip())
    [code] = re.findall(rf"^```{head}\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return code


def start(language: str, code: str, folder: Path) -> subprocess.Popen[str]:
    script = folder / ("client.py" if language == "python" else "client.m")
    script.write_text(code)
    command = [sys.executable, "-u", str(script)] if language == "python" else ["octave", "--no-gui", "-q", str(script)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)


@pytest.fixture
def fake() -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "rtstrf", "fake-server", "--data", "tcp://127.0.0.1:0"]
    command += ["--control", "tcp://127.0.0.1:0", "--bins", "40", "--faults", "gap,loss,restart"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    yield process, process.stderr.readline().split()[2].strip(",")
    process.kill()
    process.communicate()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_bare_client_reads_every_bin_and_says_what_was_lost(
    language: str, fake: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    code = block(language)
    if language == "python":
        assert len([line for line in code.splitlines() if line.strip()]) == 14
    process = start(language, code.replace("tcp://127.0.0.1:5590", fake[1]), tmp_path)
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    lines = out.splitlines()
    assert [line for line in lines if line.startswith("lost")] == ["lost 10 bins", "lost 7 bins"]
    bins = [int(match[1]) for line in lines if (match := re.match(r"bin (\d+): .* Hz", line))]
    assert bins == [*range(40), *range(50, 91), *range(98, 138), *range(40)]
    assert "bin 60: 61.0 Hz on average" in lines


class RunClock:
    def __init__(self) -> None:
        self.start_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        return time.monotonic_ns() - self.start_ns

    def anchor(self) -> dict[str, str]:
        return {"monotonic_ns": str(self.start_ns), "utc": ""}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WireServer]:
    """A server that lets the key in booth.key in, and answers a command with its arguments."""
    keys = ServerKeys.make(tmp_path / "keys")
    client = ClientKeys.make("booth", keys.pair.public)
    client.save(tmp_path / "booth.key")
    keys.allow("booth", client.pair.public, "read-write")
    endpoints = ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
    made = WireServer(
        *endpoints, clock=RunClock(), hello=dict, status=dict, handle=lambda cmd, args: args, keys=keys.folder
    )
    with made:
        yield made


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_bare_client_with_a_key_is_let_in(language: str, server: WireServer, tmp_path: Path) -> None:
    first = "socket.connect" if language == "python" else "zmq_connect"
    code = block(language).replace("tcp://127.0.0.1:5590", server.data_endpoint)
    code = code.replace(first, block(language, "keys") + first, 1)
    heard = threading.Event()

    def publish() -> None:
        i0 = 0
        while not heard.wait(0.005):
            server.submit("rates", {"i0": i0, "flags": 0}, np.ones((1, 5), np.float32))
            i0 += 1
        server.submit("rates", {"i0": i0, "flags": 128}, np.empty((0, 5), np.float32))

    publishing = threading.Thread(target=publish)
    publishing.start()
    process = start(language, code, tmp_path)
    try:
        assert re.fullmatch(r"bin \d+: 1\.0 Hz on average\n", process.stdout.readline())
    finally:
        heard.set()
        publishing.join()
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0


@pytest.mark.skipif(not has_octave(), reason="needs octave and octave-zeromq")
def test_octave_sets_a_mark_with_a_key(server: WireServer, tmp_path: Path) -> None:
    code = block("octave", "control").replace("tcp://127.0.0.1:5591", server.control_endpoint)
    code = code.replace("zmq_connect", block("octave", "keys") + "zmq_connect", 1)
    out, _ = start("octave", code, tmp_path).communicate(timeout=PATIENCE_S)
    assert out == "1 stimulus on\n"


def test_every_page_is_listed() -> None:
    listed = set(re.findall(r"\]\((\S+\.md)\)", (DOCS / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in DOCS.glob("*.md")} - {"README.md"} <= listed
