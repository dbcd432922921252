"""Spectro-temporal receptive fields: ways to write down the weights of a kernel over frequency, time and channel.

Each is a module from whose parameters the whole kernel follows, so all are applied in the same way:
`torch.nn.Conv2d` (every weight free), `ParametricSTRF` (a mixture of Gaussians), `SeparableSTRF` (frequency times
time), and `torch.nn.Sequential` of a convolution over frequency and one over time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rtstrf.errors import ConfigError


class ParametricSTRF(nn.Module):
    """A kernel made of Gaussians whose places, widths and weights are learned.

    sigma = |SIG| + 0.27; g(f, t) = exp(-((f - P_0) / sigma_0)^2 / 2 - ((t - P_1) / sigma_1)^2 / 2), divided by its sum
    over the grid + 1e-7; W[o, c] = the sum of weight g over the Gaussians.

    Parameters
    ----------
    bands, frames : int
        Size of the grid F x T; the last frame is the current one.
    channels_in, channels_out : int
        Channels C of the spectrogram and O of the output.
    num_gaussians : int
        Gaussians G of each pair of channels.
    bias : bool

    Notes
    -----
    Weights ``P`` (2, O, C, G), places on the grid, frequency then time; ``SIG`` (2, O, C, G); ``weight`` (O, C, G);
    ``bias`` (O,). Source: dilated convolution with learnable spacings, Khalfaoui-Hassani, Masquelier, Pellegrini 2023,
    arXiv 2306.00817.

    Examples
    --------
    >>> ParametricSTRF(34, 9, 2, 5, num_gaussians=3).strf().shape
    torch.Size([5, 2, 34, 9])
    """

    bias: Tensor | None

    def __init__(
        self,
        bands: int,
        frames: int,
        channels_in: int = 1,
        channels_out: int = 1,
        *,
        num_gaussians: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        _check_size("a Gaussian kernel", bands, frames, channels_in, channels_out, num_gaussians)
        self.bands, self.frames = bands, frames
        each = (channels_out, channels_in, num_gaussians)
        grid = torch.tensor([bands - 1.0, frames - 1.0]).reshape(2, 1, 1, 1)
        self.P = nn.Parameter(torch.rand(2, *each) * grid)
        self.SIG = nn.Parameter((grid / 8).clamp_min(0.5).expand(2, *each).clone())
        self.weight = nn.Parameter(torch.randn(each) * (channels_in * num_gaussians) ** -0.5)
        self.register_parameter("bias", nn.Parameter(torch.zeros(channels_out)) if bias else None)

    def strf(self) -> Tensor:
        """Return the kernel, shape (O, C, F, T)."""
        over_frequency = self._bell(0, self.bands)  # (O, C, G, F)
        over_time = self._bell(1, self.frames)  # (O, C, G, T)
        total = over_frequency.sum(-1) * over_time.sum(-1) + 1e-7  # a product of sums is the sum over the grid
        return torch.einsum("ocg,ocgf,ocgt->ocft", self.weight / total, over_frequency, over_time)

    def _bell(self, axis: int, points: int) -> Tensor:
        at = torch.arange(points, dtype=self.P.dtype, device=self.P.device)
        away = (at - self.P[axis].unsqueeze(-1)) / (self.SIG[axis].abs() + 0.27).unsqueeze(-1)
        return torch.exp(-0.5 * away.square())


class SeparableSTRF(nn.Module):
    """A kernel that is a tuning curve times a time course: W[o, c, f, t] = weight_f[o, c, f] weight_t[o, c, t].

    Parameters
    ----------
    bands, frames, channels_in, channels_out : int
        As for `ParametricSTRF`.
    bias : bool

    Notes
    -----
    Weights ``weight_f`` (O, C, F, 1), ``weight_t`` (O, C, 1, T), ``bias`` (O,). Source: rank-one receptive fields,
    as in Thorson, Lienard, David 2015, doi 10.1371/journal.pcbi.1004628.

    Examples
    --------
    >>> SeparableSTRF(34, 9, 1, 5).strf().shape
    torch.Size([5, 1, 34, 9])
    """

    bias: Tensor | None

    def __init__(
        self, bands: int, frames: int, channels_in: int = 1, channels_out: int = 1, *, bias: bool = True
    ) -> None:
        super().__init__()
        _check_size("a separable kernel", bands, frames, channels_in, channels_out)
        self.weight_f = nn.Parameter(torch.randn(channels_out, channels_in, bands, 1) * (channels_in * bands) ** -0.5)
        self.weight_t = nn.Parameter(torch.randn(channels_out, channels_in, 1, frames) * frames**-0.5)
        self.register_parameter("bias", nn.Parameter(torch.zeros(channels_out)) if bias else None)

    def strf(self) -> Tensor:
        """Return the kernel, shape (O, C, F, T)."""
        return self.weight_f * self.weight_t


# Kernels by name, as a sidecar names them. A kernel whose every weight is free is the default and needs no name.
KERNELS: dict[str, Callable[..., nn.Module]] = {"dcls": ParametricSTRF, "separable": SeparableSTRF}


def make_kernel(kind: str, **options: Any) -> nn.Module:
    """Build a kernel by name.

    Parameters
    ----------
    kind : {"dcls", "separable"}
    **options
        Those of its class.

    Raises
    ------
    ConfigError
        If there is no such kernel.

    Examples
    --------
    >>> make_kernel("separable", bands=34, frames=9).strf().shape
    torch.Size([1, 1, 34, 9])
    """
    if kind not in KERNELS:
        raise ConfigError(f"unknown kernel {kind!r}", remedy=f"one of {', '.join(KERNELS)}, or none for a free one")
    return KERNELS[kind](**options)


def written_out(kernel: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Return the whole kernel (O, C, F, T) and the bias (O,), if there is one, that a kernel module stands for.

    Raises
    ------
    ConfigError
        If it is none of the modules named at the top of this file.

    Examples
    --------
    >>> pair = nn.Sequential(nn.Conv2d(1, 4, (34, 1)), nn.Conv2d(4, 4, (1, 9), groups=4))
    >>> [tuple(part.shape) for part in written_out(pair)]
    [(4, 1, 34, 9), (4,)]
    """
    if isinstance(kernel, ParametricSTRF | SeparableSTRF):
        return kernel.strf(), kernel.bias
    if isinstance(kernel, nn.Conv2d) and kernel.groups == 1:
        return kernel.weight, kernel.bias
    if isinstance(kernel, nn.Sequential) and len(kernel) == 2:
        spectral, temporal = kernel
        if isinstance(spectral, nn.Conv2d) and isinstance(temporal, nn.Conv2d) and spectral.groups == 1:
            return _composed(spectral, temporal)
    raise ConfigError(
        f"a kernel of type {type(kernel).__name__} is not one that rtstrf can write out",
        remedy="give nn.Conv2d, ParametricSTRF, SeparableSTRF, or nn.Sequential of a Conv2d (F, 1) and a Conv2d (1, T)",
    )


def _composed(spectral: nn.Conv2d, temporal: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    """Return the kernel and bias of a convolution over frequency followed by one over time.

    The sound is padded before both, so the silence before it reaches the second one as the first one's bias; that is
    what a single bias for the pair amounts to, from the first frame on.
    """
    groups = temporal.groups
    over_time = temporal.weight.squeeze(2).unflatten(0, (groups, -1))  # (g, O / g, M / g, T)
    over_frequency = spectral.weight.squeeze(-1).unflatten(0, (groups, -1))  # (g, M / g, C, F)
    weight = torch.einsum("gomt,gmcf->gocft", over_time, over_frequency).flatten(0, 1)  # (O, C, F, T)
    if spectral.bias is None:
        return weight, temporal.bias
    bias = torch.einsum("gomt,gm->go", over_time, spectral.bias.unflatten(0, (groups, -1))).flatten()
    return weight, bias if temporal.bias is None else bias + temporal.bias


def _check_size(what: str, *sizes: int) -> None:
    if min(sizes) < 1:
        raise ConfigError(f"{what} of {' x '.join(map(str, sizes))}", remedy="every size must be at least 1")
