"""A real window on a virtual screen, joined to a real server."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.image
import numpy as np
import pytest

from rtstrf.display import qt
from rtstrf.display.app import run
from rtstrf.wire.server import WireServer
from tests.display.conftest import BANDS_HZ, BIN_S, UNIT_TABLE, Stream

pytestmark = pytest.mark.window

CODE = "import sys; from rtstrf.display.app import run; sys.exit(run(sys.argv[1], {options}))"


class RunClock:
    def __init__(self) -> None:
        self.start_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        return time.monotonic_ns() - self.start_ns

    def anchor(self) -> dict[str, str]:
        return {"monotonic_ns": str(self.start_ns), "utc": "2026-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def screen() -> Iterator[dict[str, str]]:
    """Start a virtual screen; return the environment that reaches it."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    kept = {name: value for name, value in os.environ.items() if name not in ("QT_QPA_PLATFORM", "XDG_RUNTIME_DIR")}
    environment = kept | {"DISPLAY": f":{number}"}
    try:
        probe = subprocess.run(
            [sys.executable, "-c", "from rtstrf.display.qt import screen_problem; print(screen_problem() or '')"],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
        if probe.stdout.strip():
            pytest.skip(f"no window can be opened here: {probe.stdout.strip()}")
        yield environment
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def server() -> Iterator[WireServer]:
    """Return a server that greets as an engine does."""
    made = WireServer(
        "tcp://127.0.0.1:*",
        "tcp://127.0.0.1:*",
        clock=RunClock(),
        hello=lambda: {"model": "m", "bin_s": BIN_S, "units": UNIT_TABLE, "bands_hz": BANDS_HZ.tolist()},
        status=lambda: {"state": "running"},
        handle=lambda cmd, args: {},
    )
    made.start()
    yield made
    made.stop()


def publish(server: WireServer, i0: int, n: int, flags: int = 0) -> None:
    for message in Stream().bins(i0, n, flags=flags):
        told = {"n": n, "m": message.array.shape[1], "dtype": "<f4", "i0": i0, "flags": flags, "t_cap": 0, "load": 0.1}
        server.submit(message.kind, told, message.array)


def publish_until_read(server: WireServer, process: subprocess.Popen, bins: int = 20) -> int:
    """Publish, ten times faster than the sound, until the display listens; return the next bin."""
    i0, deadline_s = 0, time.monotonic() + 60
    while not server.clients and process.poll() is None and time.monotonic() < deadline_s:
        publish(server, i0, bins)
        i0 += bins
        time.sleep(bins * BIN_S / 10)
    return i0


@contextmanager
def display(server: WireServer, screen: dict[str, str], options: str = "") -> Iterator[subprocess.Popen]:
    """Open the display in a process of its own, which does not outlive the test."""
    command = [sys.executable, "-c", CODE.format(options=options), server.data_endpoint]
    process = subprocess.Popen(command, env=screen, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_window_shows_the_stream_saves_its_picture_and_closes_when_the_run_ends(server, screen, tmp_path):
    path = tmp_path / "picture.png"
    with display(server, screen, f"screenshot={str(path)!r}, exit_when_last=True") as process:
        i0 = publish_until_read(server, process)
        for _ in range(100):
            publish(server, i0, 20)
            i0 += 20
            time.sleep(0.01)
        publish(server, i0, 1, flags=128)
        told, _ = process.communicate(timeout=60)
        assert (process.returncode, told) == (0, "")
    picture = matplotlib.image.imread(path)
    assert picture.shape[:2] == (1000, 1600)
    assert len(np.unique((picture[..., :3] * 255).astype(int).reshape(-1, 3), axis=0)) > 100
    assert os.listdir(tmp_path) == ["picture.png"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_ctrl_c_closes_the_window_without_a_traceback(server, screen, name):
    with display(server, screen) as process:
        publish_until_read(server, process)
        process.send_signal(getattr(signal, name))
        told, _ = process.communicate(timeout=60)
        assert (process.returncode, told) == (0, "")


def test_without_a_screen_it_says_so_and_names_the_terminal(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells by its environment that there is no screen")
    with pytest.raises(qt.NoScreenError, match=r"(?s)no screen.*rtstrf view --terminal"):
        run("tcp://127.0.0.1:5590")


def test_a_screen_that_does_not_answer_is_told_and_does_not_end_the_program(monkeypatch):
    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
    monkeypatch.setenv("DISPLAY", ":987")
    assert qt.screen_problem() is not None
