"""A virtual sound card for the tests that listen."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pulse import PulseServer, missing_programs, virtual_sound_card


@pytest.fixture(scope="module")
def sound_card() -> Iterator[PulseServer]:
    """A stereo card at 48 kHz; skipped where what it needs is not installed."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with (
        tempfile.TemporaryDirectory(prefix="card") as directory,
        virtual_sound_card(Path(directory), channels=2) as server,
    ):
        yield server
