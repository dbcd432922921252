"""How a StateNet sees one frame: a small network over frequency, with no memory.

Three layouts, of which the keys of a checkpoint tell which: LC (locally connected: a kernel of its own at every
place), CONV (one kernel for all places) and FC (every band to every hidden unit). Each ends in a layer norm over the
channels at a place, and a sigmoid. All three are computed as one product with the whole frame: a matrix with many
zeros, but one call instead of six, and a frame is small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear, pad

from rtstrf.errors import ConfigError
from rtstrf.models.derived import Derived
from rtstrf.stream import Stateless, StreamModule

CONNECTIVITIES = ("LC", "FC", "CONV")


class LocallyConnected1d(nn.Module):
    """The weights of a convolution over frequency whose kernel differs from place to place.

    Parameters
    ----------
    channels_in, channels_out, kernel, stride, places : int
        Places L = (F - kernel) // stride + 1.

    Notes
    -----
    Weights ``weights`` (O, C K, L), ``biases`` (O, L).
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, places: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        bound = (channels_in * kernel) ** -0.5
        self.weights = nn.Parameter(torch.empty(channels_out, channels_in * kernel, places).uniform_(-bound, bound))
        self.biases = nn.Parameter(torch.empty(channels_out, places).uniform_(-bound, bound))

    def as_dense(self, channels_in: int, bands: int) -> tuple[Tensor, Tensor]:
        """Return the same map as one product: weights (L, O, C, F) and biases (L, O)."""
        kernels = self.weights.unflatten(1, (channels_in, self.kernel)).permute(3, 0, 1, 2)  # -> (L, O, C, K)
        return spread(kernels, self.stride, bands), self.biases.T


class Convolution(nn.Conv1d):
    """The weights of a convolution over frequency: ``weight`` (O, C, K), ``bias`` (O,)."""

    def as_dense(self, channels_in: int, bands: int) -> tuple[Tensor, Tensor]:
        """Return the same map as one product: weights (L, O, C, F) and biases (L, O)."""
        places = (bands - self.kernel_size[0]) // self.stride[0] + 1
        assert self.bias is not None
        return spread(self.weight.expand(places, -1, -1, -1), self.stride[0], bands), self.bias.expand(places, -1)


class Dense(nn.Linear):
    """Weights from every band to every hidden unit: ``weight`` (O L, C F), ``bias`` (O L,), channel-major."""

    def __init__(self, channels_in: int, bands: int, channels_out: int, places: int) -> None:
        super().__init__(channels_in * bands, channels_out * places)
        self.places = places

    def as_dense(self, channels_in: int, bands: int) -> tuple[Tensor, Tensor]:
        """Return the same map as one product: weights (L, O, C, F) and biases (L, O)."""
        weights = self.weight.unflatten(1, (channels_in, bands)).unflatten(0, (-1, self.places))  # -> (O, L, C, F)
        return weights.transpose(0, 1), self.bias.unflatten(0, (-1, self.places)).T


def spread(kernels: Tensor, stride: int, bands: int) -> Tensor:
    """Put the kernel of each place where it looks: (L, O, C, K) -> (L, O, C, F), zeros elsewhere."""
    places, _, _, width = kernels.shape
    rows = []
    for place in range(places):
        left = place * stride
        rows.append(pad(kernels[place], (left, bands - width - left)))
    return torch.stack(rows)


class ChannelNorm(nn.Module):
    """The weights of a layer norm over the channels at each place: ``ln.weight``, ``ln.bias`` (O,)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(channels)


class FrequencyEncoder(Stateless):
    """One frame of a spectrogram to the inputs of a recurrent layer.

    Parameters
    ----------
    channels_in : int
        Channels C of the prefilter: 1, or 2 after AdapTrans.
    bands : int
        Bands F.
    hidden_channels : int
        Channels O at each place.
    kernel_size, stride : int
        In bands.
    connectivity : {"LC", "FC", "CONV"}

    Notes
    -----
    Input (B, C, F, T), output (B, O L, T), channel-major, in (0, 1). No state, no delay.

    Raises
    ------
    ConfigError
        If the connectivity is unknown or the kernel is wider than the spectrogram.

    Examples
    --------
    >>> FrequencyEncoder(1, 34, 7, 7, 3, "LC")(torch.zeros(1, 1, 34, 2)).shape
    torch.Size([1, 70, 2])
    """

    def __init__(
        self, channels_in: int, bands: int, hidden_channels: int, kernel_size: int, stride: int, connectivity: str
    ) -> None:
        super().__init__()
        if connectivity not in CONNECTIVITIES:
            raise ConfigError(
                f"connectivity {connectivity!r} of StateNet", remedy="one of " + ", ".join(CONNECTIVITIES)
            )
        if not 1 <= kernel_size <= bands or stride < 1:
            raise ConfigError(
                f"kernel_size {kernel_size} and stride {stride} over {bands} bands",
                remedy="a kernel of 1 to as many bands as there are, and a stride of at least 1",
            )
        self.channels_in, self.bands = channels_in, bands
        self.places = (bands - kernel_size) // stride + 1
        self.hidden = self.places * hidden_channels
        # The position of each layer is part of its key in deepSTRF's checkpoints.
        self.map_at, self.norm_at = ("1", "3") if connectivity == "FC" else ("0", "1")
        frequency_map: nn.Module
        if connectivity == "LC":
            frequency_map = LocallyConnected1d(channels_in, hidden_channels, kernel_size, stride, self.places)
        elif connectivity == "CONV":
            frequency_map = Convolution(channels_in, hidden_channels, kernel_size, stride)
        else:
            frequency_map = Dense(channels_in, bands, hidden_channels, self.places)
        self.add_module(self.map_at, frequency_map)
        self.add_module(self.norm_at, ChannelNorm(hidden_channels))
        self._dense = Derived(FrequencyEncoder.dense)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "lc": lambda: cls(1, 12, 3, 5, 2, "LC"),
            "fc-onoff": lambda: cls(2, 12, 3, 5, 2, "FC"),
            "conv-onoff": lambda: cls(2, 12, 3, 5, 2, "CONV"),
        }

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.channels_in, self.bands, frames)

    def dense(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the map over frequency as one product, and the norm's scale and shift.

        Weights (L O, C F) and biases (L O,), place-major; scale and shift (O,).
        """
        frequency_map: Any = self.get_submodule(self.map_at)
        norm: Any = self.get_submodule(self.norm_at)
        weights, biases = frequency_map.as_dense(self.channels_in, self.bands)
        return weights.flatten(2).flatten(0, 1).contiguous(), biases.flatten(), norm.ln.weight, norm.ln.bias

    def apply_frames(self, x: Tensor) -> Tensor:
        weights, biases, scale, shift = self._dense(self)
        frames = x.flatten(1, 2).transpose(1, 2)  # (B, C, F, T) -> (B, T, C F)
        y = linear(frames, weights, biases).unflatten(-1, (self.places, -1))  # -> (B, T, L, O)
        y = torch.sigmoid(layer_norm(y, scale.shape, scale, shift))
        return y.transpose(2, 3).flatten(2).transpose(1, 2).contiguous()  # channel-major: -> (B, T, O L) -> (B, O L, T)
