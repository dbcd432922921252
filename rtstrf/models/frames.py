"""Stages that look at one frame at a time and are the same for every kind of frame: norm, activation, flattening."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from rtstrf.stream import Stateless, StreamModule


class ChannelLayerNorm(Stateless):
    """Layer norm over the channels, at each frame (and at each band, where there are any).

    Parameters
    ----------
    channels : int
        Channels C.
    bands : int, optional
        Bands F of the input, where it has an axis of bands.

    Notes
    -----
    Input and output (B, C, T), or (B, C, F, T). Biased variance, eps 1e-5. No state, no delay. Weights ``ln.weight``,
    ``ln.bias`` (C,). Source: Ba, Kiros, Hinton 2016, arXiv 1607.06450.

    Examples
    --------
    >>> import torch
    >>> ChannelLayerNorm(3)(torch.rand(1, 3, 2)).sum(1).abs().max() < 1e-5
    tensor(True)
    """

    def __init__(self, channels: int, bands: int | None = None) -> None:
        super().__init__()
        self.bands = bands
        self.ln = nn.LayerNorm(channels)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"hidden": lambda: cls(4), "over-bands": lambda: cls(3, bands=5)}

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        bands = () if self.bands is None else (self.bands,)
        return (streams, self.ln.normalized_shape[0], *bands, frames)

    def apply_frames(self, x: Tensor) -> Tensor:
        return self.ln(x.transpose(1, -1)).transpose(1, -1)  # the channels last, and back


class Pointwise(Stateless):
    """A function of one number, applied to every one: tanh, sigmoid and their like.

    Parameters
    ----------
    function : nn.Module
    shape : tuple of int
        The input's, without streams and frames.

    Notes
    -----
    Input and output (B, \\*shape, T). No state, no delay.

    Examples
    --------
    >>> import torch
    >>> Pointwise(nn.ReLU(), (2,))(torch.tensor([[[-1.0], [2.0]]])).flatten().tolist()
    [0.0, 2.0]
    """

    def __init__(self, function: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.function = function
        self.shape = shape

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"tanh": lambda: cls(nn.Tanh(), (4,)), "leaky": lambda: cls(nn.LeakyReLU(0.1), (2, 3))}

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, *self.shape, frames)

    def apply_frames(self, x: Tensor) -> Tensor:
        return self.function(x)


class FlattenBands(Stateless):
    """Channels and bands to one axis of units, channel by channel.

    Parameters
    ----------
    channels, bands : int

    Notes
    -----
    Input (B, C, F, T), output (B, C F, T). No state, no delay.

    Examples
    --------
    >>> import torch
    >>> FlattenBands(2, 3)(torch.arange(6.0).reshape(1, 2, 3, 1)).flatten().tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """

    def __init__(self, channels: int, bands: int) -> None:
        super().__init__()
        self.channels, self.bands = channels, bands

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"small": lambda: cls(2, 3)}

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.channels, self.bands, frames)

    def apply_frames(self, x: Tensor) -> Tensor:
        return x.flatten(1, 2).clone()
