"""Kernels against their formulas, and what can be written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rtstrf.errors import ConfigError
from rtstrf.models.kernels import ParametricSTRF, SeparableSTRF, make_kernel, written_out
from tests.models.test_statenet import weights
from tests.support import loops_strf as loops


@pytest.mark.parametrize("gaussians", [1, 3])
def test_gaussians_are_bells_on_the_grid_each_of_sum_one(gaussians: int) -> None:
    torch.manual_seed(0)
    kernel = ParametricSTRF(7, 5, 2, 3, num_gaussians=gaussians).double()
    with torch.no_grad():
        kernel.P.add_(torch.randn_like(kernel.P))
        kernel.SIG.mul_(torch.randn_like(kernel.SIG))  # widths of either sign, and narrow ones
    expected = loops.gaussians(weights(kernel), 7, 5)
    assert np.abs(kernel.strf().detach().numpy() - expected).max() <= 1e-12


def test_a_fresh_gaussian_lies_on_the_grid() -> None:
    kernel = ParametricSTRF(7, 5, 2, 3, num_gaussians=20)
    for axis, points in ((0, 7), (1, 5)):
        assert 0 <= float(kernel.P[axis].detach().min()) <= float(kernel.P[axis].detach().max()) <= points - 1


def test_a_separable_kernel_is_a_tuning_times_a_time_course() -> None:
    kernel = SeparableSTRF(7, 5, 2, 3).double()
    p = weights(kernel)
    strf = kernel.strf().detach().numpy()
    assert strf.shape == (3, 2, 7, 5)
    for o, c, f, t in np.ndindex(strf.shape):
        assert strf[o, c, f, t] == p["weight_f"][o, c, f, 0] * p["weight_t"][o, c, 0, t]


@pytest.mark.parametrize("kind", ["dcls", "separable"])
def test_a_kernel_is_made_by_name_with_or_without_bias(kind: str) -> None:
    with_bias = make_kernel(kind, bands=7, frames=5, channels_in=2, channels_out=3)
    without = make_kernel(kind, bands=7, frames=5, channels_in=2, channels_out=3, bias=False)
    assert set(with_bias.state_dict()) - set(without.state_dict()) == {"bias"}
    assert written_out(without)[1] is None
    assert written_out(with_bias)[0].shape == (3, 2, 7, 5)


def test_an_unknown_kernel_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown kernel 'gabor'"):
        make_kernel("gabor")


@pytest.mark.parametrize("size", [(0, 5), (7, 0), (7, 5, 0), (7, 5, 1, 0)])
@pytest.mark.parametrize("kind", [ParametricSTRF, SeparableSTRF])
def test_a_kernel_of_no_size_is_refused(kind: type[nn.Module], size: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="every size must be at least 1"):
        kind(*size)


@pytest.mark.parametrize(
    "kernel",
    [
        nn.Linear(3, 4),
        nn.Conv2d(2, 2, 3, groups=2),
        nn.Sequential(nn.Conv2d(1, 2, (3, 1)), nn.ReLU()),
        nn.Sequential(nn.Conv2d(1, 2, (3, 1))),
    ],
)
def test_a_module_that_is_no_kernel_is_refused(kernel: nn.Module) -> None:
    with pytest.raises(ConfigError, match="not one that rtstrf can write out"):
        written_out(kernel)
