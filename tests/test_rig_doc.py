"""docs/rig.md is true: its commands run, in their order, between two machines (two network namespaces of this one)."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import rtstrf

DOC = (Path(__file__).parents[1] / "docs" / "rig.md").read_text(encoding="utf-8")
SOURCES = Path(rtstrf.__file__).resolve().parents[1]
PATIENCE_S = 120.0
ADDRESSES = {"server": "10.77.0.1", "client": "10.77.0.2"}


def namespaces_work() -> bool:
    """Tell whether this user may make network namespaces with a cable between them."""
    if shutil.which("ip") is None or getattr(os, "geteuid", lambda: 1)() != 0:
        return False
    name = f"rtstrf-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "del", name], check=True, capture_output=True)
    return made


pytestmark = pytest.mark.skipif(not namespaces_work(), reason="network namespaces need root on Linux, and iproute2")


class Machine:
    """One end of the cable, with a home of its own."""

    def __init__(self, role: str, home: Path, closing: ExitStack) -> None:
        self.name = f"rtstrf-{role}-{os.getpid()}"
        self.home = home
        self.environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(SOURCES), "OMP_NUM_THREADS": "1"}
        home.mkdir()
        ip("netns", "add", self.name)
        closing.callback(ip, "netns", "del", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")

    def command(self, line: str) -> list[str]:
        words = shlex.split(line)
        assert words[0] == "rtstrf"
        return ["ip", "netns", "exec", self.name, sys.executable, "-m", "rtstrf", *words[1:]]

    def run(self, line: str) -> str:
        done = subprocess.run(
            self.command(line), capture_output=True, text=True, timeout=PATIENCE_S, env=self.environment, cwd=self.home
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout

    def fails(self, line: str) -> str:
        done = subprocess.run(
            self.command(line), capture_output=True, text=True, timeout=PATIENCE_S, env=self.environment, cwd=self.home
        )
        assert done.returncode == 2, f"{line}: {done.stdout}"
        return done.stderr


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def machines(closing: ExitStack, tmp_path: Path) -> dict[str, Machine]:
    both = {role: Machine(role, tmp_path / role, closing) for role in ADDRESSES}
    ends = {role: f"rt{role[0]}{os.getpid() % 10**7}" for role in ADDRESSES}
    near, far = both["server"].name, both["client"].name
    ip(*f"link add {ends['server']} netns {near} type veth peer name {ends['client']} netns {far}".split())
    for role, machine in both.items():
        ip("-n", machine.name, "addr", "add", f"{ADDRESSES[role]}/24", "dev", ends[role])
        ip("-n", machine.name, "link", "set", ends[role], "up")
    return both


def test_a_stranger_can_follow_the_page(machines: dict[str, Machine], closing: ExitStack) -> None:
    steps = re.findall(r"^```(server|client|python)\n(.*?)\n```$", DOC, re.MULTILINE | re.DOTALL)
    assert [language for language, _ in steps] == [
        "server", "client", "server", "server", "server", "client", "python", "server",
    ]  # fmt: skip
    server, client = machines["server"], machines["client"]
    texts = iter(text for _, text in steps)

    server_key = server.run(next(texts)).splitlines()[-1]
    made = client.run(next(texts).replace("SERVER KEY", server_key))
    client_key = shlex.split(made.splitlines()[-1])[4]
    server.run(next(texts).replace("CLIENT KEY", client_key))
    assert f"read-write  {client_key}  booth" in server.run(next(texts)).splitlines()

    live = server.command(next(texts))
    session = subprocess.Popen(live, stderr=subprocess.PIPE, text=True, env=server.environment, cwd=server.home)
    closing.callback(end, session)
    told = session.stderr.readline()
    assert "rates on tcp://10.77.0.1:5590" in told, told + session.stderr.read()

    lines = [json.loads(line) for line in client.run(next(texts)).splitlines()]
    assert sum(line["kind"] == "rates" for line in lines) == 3
    intruder = client.fails("rtstrf listen tcp://10.77.0.1:5590 --timeout-s 2")
    assert "the server wants a key" in intruder

    script = client.home / "client.py"
    script.write_text(next(texts))
    python = ["ip", "netns", "exec", client.name, sys.executable, str(script)]
    done = subprocess.run(
        python, capture_output=True, text=True, timeout=PATIENCE_S, env=client.environment, cwd=client.home
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"CURVE\nclock known to \d+\.\d+ ms\nstimulus on True\nTrue 119 0\n", done.stdout), done.stdout

    assert "let in no more" in server.run(next(texts))
    assert "does not allow this key" in client.fails(
        "rtstrf listen tcp://10.77.0.1:5590 --keys booth.key --timeout-s 2"
    )


def test_without_keys_the_ports_stay_closed_to_the_network(machines: dict[str, Machine]) -> None:
    told = machines["server"].fails("rtstrf live --source scene --set wire.data=tcp://10.77.0.1:5590")
    assert "could be reached from other machines" in told
    assert "rtstrf keys" in told


def end(process: subprocess.Popen) -> None:
    process.terminate()
    process.communicate(timeout=PATIENCE_S)
