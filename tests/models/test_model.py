"""What all models share: states that are stepped from once."""

from __future__ import annotations

import pytest
import torch

from rtstrf.errors import StreamError
from rtstrf.runner import StepRunner
from rtstrf.stream import clone, leaves
from tests.support.models import HOP_SAMPLES, tiny_model


def sound(hops: int) -> torch.Tensor:
    return torch.randn(1, 1, hops * HOP_SAMPLES, generator=torch.Generator().manual_seed(0))


def test_a_state_that_was_stepped_from_is_refused_with_what_to_do() -> None:
    model = tiny_model().eval()
    state = model.initial_state(1)
    for _ in range(2):
        _, after = model.step(sound(2), state)
        with pytest.raises(StreamError, match=r"stepped from before\n  -> step from the state that .* clone\(state\)"):
            model.step(sound(2), state)
        state = after


def test_a_copy_may_be_stepped_from_again_and_again() -> None:
    model = tiny_model().eval()
    _, state = model.step(sound(3), model.initial_state(1))
    kept = clone(state)
    with torch.no_grad():
        first, second = (model.step(sound(1), kept)[0] for _ in range(2))
        assert torch.equal(first, second)
        assert torch.equal(first, model.step(sound(1), state)[0])


def test_a_state_that_a_step_refused_is_good_for_the_next() -> None:
    model = tiny_model().eval()
    state = model.initial_state(1)
    with pytest.raises(RuntimeError):
        model.step(torch.zeros(1, 2, HOP_SAMPLES), state)
    model.step(sound(1), state)


def test_a_runners_lane_cannot_be_consumed_from_outside() -> None:
    runner, alone = (StepRunner(tiny_model().eval(), lanes=2) for _ in range(2))
    x = sound(6).expand(2, -1, -1)
    alone.step(x[..., : 3 * HOP_SAMPLES])
    runner.step(x[..., : 3 * HOP_SAMPLES])
    for _, leaf in leaves(runner.state):
        leaf.fill_(torch.nan) if leaf.is_floating_point() else leaf.fill_(1)
    for at in range(3, 6):
        hop = x[..., at * HOP_SAMPLES : (at + 1) * HOP_SAMPLES]
        assert torch.equal(runner.step(hop), alone.step(hop))
