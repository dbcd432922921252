"""A small model that all tests of replay share."""

from __future__ import annotations

import pytest

from rtstrf.checkpoints.load import LoadedModel
from tests.support.models import tiny_loaded


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return tiny_loaded(tmp_path_factory.mktemp("models") / "tiny")
