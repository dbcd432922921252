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

Check = Callable[[StreamModule, torch.Tensor, torch.Tensor, np.random.Generator], float]

# Each is given the stage, two streams and four.
CHECKS: dict[str, Check] = {
    "chunking": lambda module, two, four, rng: measure.chunking_error(module, two, rng),
    "snapshot": lambda module, two, four, rng: measure.snapshot_error(module, two),
    "lanes": lambda module, two, four, rng: measure.lanes_error(module, four, rng),
    "batch": lambda module, two, four, rng: measure.batch_error(module, four, rng),
    "future": lambda module, two, four, rng: measure.future_leak(module, two, rng),
    "age": lambda module, two, four, rng: measure.age_error(module, two),
    "state": lambda module, two, four, rng: 0.0 if measure.state_is_stable(module, two) else math.inf,
}


def findings(stage: type[StreamModule]) -> set[str]:
    """Return the names of the checks that find something in the stage, each on a fresh one."""
    found = set()
    for name, check in CHECKS.items():
        module = stage()
        two, four = sound(module, 2, 41, torch.float32), sound(module, 4, 41, torch.float32)
        if not check(module, two, four, np.random.default_rng(0)) <= measure.BOUND[torch.float32]:
            found.add(name)
    return found


def test_the_healthy_stage_passes() -> None:
    assert findings(Healthy) == set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda cls: cls.__name__)
def test_the_mutant_is_found_by_the_checks_that_are_to_find_it(mutant: type[StreamModule]) -> None:
    assert findings(mutant) == MUTANTS[mutant]


@pytest.mark.parametrize("check", CHECKS)
def test_no_check_is_redundant(check: str) -> None:
    assert {check} in MUTANTS.values(), f"nothing is found by {check} alone"


def test_every_mutant_is_listed() -> None:
    assert set(MUTANTS) == set(Healthy.__subclasses__())
