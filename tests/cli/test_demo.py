"""`rtstrf demo`: what is refused before anything is played, and the whole of it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rtstrf.cli import demo
from tests.support.command import Command, assert_refused


def test_a_picture_that_could_not_be_saved_is_refused_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for picture in (tmp_path / "no-such-folder" / "x.png", tmp_path):
        assert_refused(Command(capsys)("demo", "--picture", picture), str(picture))


def test_free_ports_are_taken_where_the_usual_ones_are_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(demo, "DEFAULT_PORTS", (taken.getsockname()[1], 0))
        data, control = demo.choose_ports()
        assert taken.getsockname()[1] not in (data, control)
        assert data != control


@pytest.mark.slow
def test_the_demo_plays_to_its_end_without_a_screen_and_leaves_a_picture(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rtstrf", "demo", "--terminal", "--picture", str(tmp_path / "demo.png")]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "4000 bins published, 0 missing" in done.stderr
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
