"""Sources by name."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from rtstrf.errors import ConfigError
from rtstrf.sound import SOURCES, open_source, source_options


@pytest.mark.parametrize("kind", ["tone", "sweep", "noise", "clicks", "scene", "silence", "stdin"])
def test_every_source_that_needs_nothing_opens_by_its_name(kind: str) -> None:
    with open_source(kind) as source:
        assert source.info.kind == kind


def test_options_reach_the_source() -> None:
    assert open_source("tone", frequency_hz=2500.0, rate_hz=44100).info.rate_hz == 44100


def test_an_unknown_source_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=re.escape("no source 'mic'\n  -> one of microphone, file, tone, sweep")):
        open_source("mic")


@pytest.mark.parametrize("kind", SOURCES)
def test_an_unknown_option_is_answered_with_those_there_are(kind: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_source(kind, volume=11)
    assert f"the source {kind!r} has no option 'volume'" in str(caught.value)
    assert ", ".join(source_options(kind)) in str(caught.value)


@pytest.mark.parametrize("options", [{}, {"path": None}, {"path": ""}])
def test_a_file_without_a_path_is_a_mistake_in_the_configuration(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="the source 'file' needs a path"):
        open_source("file", **options)


def test_importing_the_sources_loads_no_sound_library() -> None:
    program = (
        "import sys, rtstrf.sound, rtstrf.sound.devices; "
        "print([name for name in ('sounddevice', 'soundfile', 'scipy', 'zmq', 'PyQt6') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
