"""Sigmoid and double exponential against their formulas (the softplus is tested with StateNet)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rtstrf.models.activations import ParametricDoubleExponential, ParametricSigmoid
from rtstrf.models.readout import LinearReadout
from tests.models.test_statenet import EXACT, normal, weights
from tests.support import loops_strf as loops
from tests.support.stages import build

FORMULAS = {ParametricSigmoid: loops.parametric_sigmoid, ParametricDoubleExponential: loops.double_exponential}
each_kind = pytest.mark.parametrize("kind", FORMULAS, ids=lambda kind: kind.__name__)
each_bias = pytest.mark.parametrize("bias", [True, False])
each_sign = pytest.mark.parametrize("positive", [True, False])


@each_kind
@each_bias
@each_sign
def test_it_is_its_formula(kind: type, bias: bool, positive: bool) -> None:
    stage = build(lambda: kind(3, bias=bias, non_negative=positive), torch.float64)
    x = normal(1, 3, 7) * 3
    expected = FORMULAS[kind](x[0].numpy(), weights(stage), positive)
    assert np.abs(stage(x)[0].detach().numpy() - expected).max() <= EXACT


@each_kind
def test_a_fresh_one_rises_from_its_baseline_to_its_height_above_it(kind: type) -> None:
    stage = kind(1, height=2.0, baseline=0.5).double()
    x = torch.linspace(-40, 40, 81, dtype=torch.float64).reshape(1, 1, -1)
    y = stage(x).flatten()
    assert (y.diff() >= 0).all()
    assert y[[0, -1]].tolist() == pytest.approx([0.5, 2.5], rel=1e-6)


@each_kind
def test_far_out_neither_value_nor_gradient_is_lost(kind: type) -> None:
    stage = kind(1)
    x = torch.tensor([[[-1e4, 1e4]]], requires_grad=True)
    y = stage(x)
    gradients = torch.autograd.grad(y.sum(), [x, *stage.parameters()])
    assert y.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_readout_may_have_a_layer_in_between() -> None:
    stage = build(lambda: LinearReadout(6, 4, torch.nn.Identity(), layer=5), torch.float64)
    p, x = weights(stage), normal(1, 6, 7)
    between = loops.leaky(loops.dense(x[0].numpy(), p["fc.0.weight"], p["fc.0.bias"]))
    expected = loops.dense(between, p["fc.2.weight"], p["fc.2.bias"])
    assert np.abs(stage(x)[0].detach().numpy() - expected).max() <= EXACT
