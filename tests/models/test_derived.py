"""What is computed from weights once follows every change of them."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from rtstrf.models.derived import Derived


def doubled(module: nn.Module) -> torch.Tensor:
    return 2 * module.weight  # type: ignore[operator, return-value]


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.register_buffer("scale", torch.ones(1))
        self.twice = Derived(doubled)


@pytest.fixture
def layer() -> Layer:
    return Layer().requires_grad_(False)


def test_it_is_computed_once(layer: Layer) -> None:
    assert layer.twice(layer) is layer.twice(layer)


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: layer.weight.add_(1),
        lambda layer: layer.load_state_dict({"weight": torch.full((3,), 5.0), "scale": torch.ones(1)}),
        lambda layer: layer.scale.mul_(2),
        lambda layer: layer.double(),
        lambda layer: setattr(layer, "weight", nn.Parameter(torch.zeros(3), requires_grad=False)),
    ],
    ids=["in place", "load", "a buffer", "another dtype", "another parameter"],
)
def test_any_change_of_a_weight_is_noticed(layer: Layer, change) -> None:
    before = layer.twice(layer)
    change(layer)
    after = layer.twice(layer)
    assert after is not before
    assert torch.equal(after, 2 * layer.weight)


def test_an_optimiser_s_step_is_noticed() -> None:
    layer = Layer()
    with torch.no_grad():
        before = layer.twice(layer).clone()
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.5)
    layer.twice(layer).sum().backward()
    optimiser.step()
    with torch.no_grad():
        assert torch.equal(layer.twice(layer), before - 2.0)


def test_while_gradients_are_recorded_it_is_part_of_the_graph() -> None:
    layer = Layer()
    with torch.inference_mode():
        layer.twice(layer)
    layer.twice(layer).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [2.0] * 3


def test_what_inference_kept_can_meet_a_recording_call(layer: Layer) -> None:
    with torch.inference_mode():
        layer.twice(layer)
    x = torch.ones(3, requires_grad=True)
    (x * layer.twice(layer)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0] * 3


def test_weights_made_in_inference_mode_are_never_taken_for_unchanged() -> None:
    with torch.inference_mode():
        layer = Layer()
        layer.twice(layer)
        layer.weight.add_(1)
        assert torch.equal(layer.twice(layer), 2 * layer.weight)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_has_its_own(layer: Layer, duplicate) -> None:
    layer.twice(layer)
    other = duplicate(layer)
    other.weight.add_(1)
    assert torch.equal(other.twice(other), 2 * other.weight)
    assert torch.equal(layer.twice(layer), 2 * layer.weight)
