"""The source section follows the sources themselves, and so does the page that explains it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rtstrf.config.sources import HAS_OWN_CLOCK, NOT_FOR_CONFIGS, SECTIONS
from rtstrf.sound.make import SOURCES, source_options

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", SOURCES)
def test_every_option_of_a_source_can_be_configured_and_is_documented(kind: str) -> None:
    fields = dict(SECTIONS[kind].model_fields)
    assert fields.pop("kind").default == kind
    assert ("speed" in fields) == (kind not in HAS_OWN_CLOCK)
    assert all(field.description for field in fields.values())
    fields.pop("speed", None)
    assert list(fields) == [name for name in source_options(kind) if name not in NOT_FOR_CONFIGS]


def test_the_page_of_all_keys_is_up_to_date() -> None:
    tool = [sys.executable, str(ROOT / "tools" / "make_configuration_page.py"), "--check"]
    assert subprocess.run(tool, check=False).returncode == 0, "run: python tools/make_configuration_page.py"
