"""A causal convolution with spectro-temporal receptive fields: where most models of auditory cortex begin."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d

from rtstrf.errors import ConfigError
from rtstrf.models.derived import Derived
from rtstrf.models.kernels import ParametricSTRF, SeparableSTRF, written_out
from rtstrf.stream import State, StreamModule


class CausalSTRFConv(StreamModule):
    """Each output is a weighted sum of the last T frames, the current one included.

    y[o, t] = b[o] + sum over c, f, k of W[o, c, f, k] x[c, f, t - (T - 1) + k].

    Parameters
    ----------
    kernel : nn.Module
        One of those of `rtstrf.models.kernels`, whose weights give (O, C, F, T).

    Notes
    -----
    Input (B, C, F, T), output (B, O, T). State: ``past`` (B, C, F, T - 1), the last frames, zeros at the start. No
    delay. Weights ``kernel.*``.

    Source: Aertsen & Johannesma 1981, doi 10.1007/BF00336731 (the receptive field); the zeros before the sound stand
    after the prefilter, as in deepSTRF 0.1.0.

    Examples
    --------
    >>> CausalSTRFConv(nn.Conv2d(1, 5, (34, 9)))(torch.zeros(1, 1, 34, 2)).shape
    torch.Size([1, 5, 2])
    """

    def __init__(self, kernel: nn.Module) -> None:
        super().__init__()
        self.kernel = kernel
        weight, _ = written_out(kernel)
        self.channels_out, self.channels_in, self.bands, self.frames = weight.shape
        self._filters = Derived(lambda conv: written_out(conv.kernel))

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "free": lambda: cls(nn.Conv2d(1, 3, (6, 5))),
            "one-frame": lambda: cls(nn.Conv2d(2, 3, (6, 1), bias=False)),
            "gaussians": lambda: cls(ParametricSTRF(6, 5, 2, 3, num_gaussians=2)),
            "separable": lambda: cls(SeparableSTRF(6, 5, 2, 3, bias=False)),
            "in-a-row": lambda: cls(nn.Sequential(nn.Conv2d(2, 4, (6, 1)), nn.Conv2d(4, 4, (1, 5), groups=4))),
        }

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.channels_in, self.bands, frames)

    def initial_state(self, streams: int) -> State:
        like = next(self.parameters())
        return {"past": like.new_zeros(streams, self.channels_in, self.bands, self.frames - 1)}

    def filters(self) -> tuple[Tensor, Tensor | None]:
        """Return the kernel (O, C, F, T), last frame the current one, and the bias (O,)."""
        return self._filters(self)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return convolve(x, state, *self.filters())


def convolve(x: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, State]:
    """Apply a kernel to frames and to those before them.

    Parameters
    ----------
    x : Tensor, shape (B, C, F, T)
    state : dict
        ``past`` (B, C, F, K - 1).
    weight : Tensor, shape (O, C, F, K)
    bias : Tensor, shape (O,), optional

    Returns
    -------
    y : Tensor, shape (B, O, T)
    state : dict
    """
    joined = torch.cat([state["past"], x], dim=-1)  # (B, C, F, K - 1 + T)
    # Bands and channels are summed alike: a convolution over time with C F channels.
    y = conv1d(joined.flatten(1, 2), weight.flatten(1, 2), bias)  # -> (B, O, T)
    return y, {"past": joined[..., x.shape[-1] :].clone()}


def kernel_or_free(kernel: nn.Module | None, channels: int, bands: int, frames: int, outputs: int) -> nn.Module:
    """Return the kernel given, if its size is the one wanted, or one with every weight free.

    Raises
    ------
    ConfigError
        If its size is another.
    """
    if kernel is None:
        if min(channels, bands, frames, outputs) < 1:
            raise ConfigError(
                f"a kernel of {bands} bands x {frames} frames, {channels} channels to {outputs}",
                remedy="every size must be at least 1",
            )
        return nn.Conv2d(channels, outputs, (bands, frames))
    size = tuple(written_out(kernel)[0].shape)
    wanted = (outputs, channels, bands, frames)
    if size != wanted:
        raise ConfigError(
            f"the kernel's size (out, in, bands, frames) is {size}, the model's {wanted}",
            remedy="give the kernel the model's bands, temporal window, prefilter channels and outputs",
        )
    return kernel
