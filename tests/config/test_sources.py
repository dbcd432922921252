"""The source section follows the sources themselves."""

from __future__ import annotations

import pytest

from rtstrf.config.sources import HAS_OWN_CLOCK, NOT_FOR_CONFIGS, SECTIONS
from rtstrf.sound.make import SOURCES, source_options


@pytest.mark.parametrize("kind", SOURCES)
def test_every_option_of_a_source_can_be_configured_and_is_documented(kind: str) -> None:
    fields = dict(SECTIONS[kind].model_fields)
    assert fields.pop("kind").default == kind
    assert ("speed" in fields) == (kind not in HAS_OWN_CLOCK)
    fields.pop("speed", None)
    assert list(fields) == [name for name in source_options(kind) if name not in NOT_FOR_CONFIGS]
