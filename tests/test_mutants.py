"""The guarantees find every seeded mistake, and none in the healthy stage."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from rtstrf.stream import StreamModule
from rtstrf.verify import measure
from tests.mutants import MUTANTS, Healthy
from tests.support.stages import sound


def findings(module: StreamModule) -> list[str]:
    """Return the names of the guarantees that the stage breaks."""
    rng = np.random.default_rng(0)
    two, four = sound(module, 2, 41, torch.float32), sound(module, 4, 41, torch.float32)
    checks: dict[str, Callable[[], float]] = {
        "chunking": lambda: measure.chunking_error(module, two, rng),
        "snapshot": lambda: measure.snapshot_error(module, two),
        "lanes": lambda: measure.lanes_error(module, four, rng),
        "batch": lambda: measure.batch_error(module, four, rng),
        "future": lambda: measure.future_leak(module, two, rng),
        "state": lambda: 0.0 if measure.state_is_stable(module, two) else math.inf,
    }
    return [name for name, check in checks.items() if not check() <= measure.BOUND[torch.float32]]


def test_the_healthy_stage_passes() -> None:
    assert findings(Healthy()) == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda cls: cls.__name__)
def test_the_mutant_is_killed(mutant: type[StreamModule]) -> None:
    assert findings(mutant())
