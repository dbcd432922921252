"""A step as a program of tensor operations: the same numbers as the stage, for every stage there is."""

from __future__ import annotations

import pytest
import torch

from rtstrf.backends.program import StepProgram
from rtstrf.models.derived import fix_derived
from rtstrf.stream import StreamModule, leaves
from tests.support.stages import build, sound, stages

FRAMES, STREAMS = 6, 2


def fixed(name: str) -> StreamModule:
    """Return an example as a runner holds it."""
    module = build(stages()[name], torch.float32).requires_grad_(False)
    fix_derived(module)
    return module


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", stages())
def test_the_exported_step_is_bitwise_the_stage_and_advances_the_state_where_it_lies(name: str) -> None:
    module = fixed(name)
    program = StepProgram(module, STREAMS)
    run = program.export().module()
    x = sound(module, STREAMS, FRAMES, torch.float32)
    ours, theirs = module.initial_state(STREAMS), program.initial_leaves()
    places = [leaf.data_ptr() for leaf in theirs]
    for hop in x.split(module.samples_per_frame, dim=-1):
        y, ours = module.step(hop.contiguous(), ours)
        flat = run(hop.contiguous(), *theirs)
        for wanted, got in zip(leaves(y), flat, strict=True):
            torch.testing.assert_close(got, wanted[1], rtol=0, atol=0, equal_nan=True)
    for (path, wanted), got in zip(leaves(ours), theirs, strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=0, equal_nan=True, msg=path)
    assert [leaf.data_ptr() for leaf in theirs] == places
