"""`rtstrf demo`: what is refused before anything is played."""

from __future__ import annotations

import socket
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
