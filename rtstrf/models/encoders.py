"""How a StateNet sees one frame: a small network over frequency, with no memory.

Three layouts, of which the keys of a checkpoint tell which: LC (locally connected: a kernel of its own at every
place), CONV (one kernel for all places) and FC (every band to every hidden unit). Each ends in a layer norm over the
channels at a place, and a sigmoid.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rtstrf.errors import ConfigError
from rtstrf.stream import Stateless, StreamModule

CONNECTIVITIES = ("LC", "FC", "CONV")


class LocallyConnected1d(nn.Module):
    """A convolution over frequency whose kernel differs from place to place.

    Parameters
    ----------
    channels_in, channels_out, kernel, stride, places : int
        Places L = (F - kernel) // stride + 1.

    Notes
    -----
    Input (n, C, F), output (n, O, L). Weights ``weights`` (O, C K, L), ``biases`` (O, L).
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, places: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        bound = (channels_in * kernel) ** -0.5
        self.weights = nn.Parameter(torch.empty(channels_out, channels_in * kernel, places).uniform_(-bound, bound))
        self.biases = nn.Parameter(torch.empty(channels_out, places).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        patches = x.unfold(-1, self.kernel, self.stride)  # (n, C, F) -> (n, C, L, K)
        patches = patches.permute(2, 0, 1, 3).flatten(2)  # -> (L, n, C K)
        summed = torch.bmm(patches, self.weights.permute(2, 1, 0))  # (L, n, C K) (L, C K, O) -> (L, n, O)
        return summed.permute(1, 2, 0) + self.biases  # -> (n, O, L)


class ChannelNorm(nn.Module):
    """Layer norm over the channels at each place: (n, O, L) -> (n, O, L)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.ln(x.transpose(1, 2)).transpose(1, 2)


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
        layers: list[nn.Module]
        if connectivity == "LC":
            layers = [LocallyConnected1d(channels_in, hidden_channels, kernel_size, stride, self.places)]
        elif connectivity == "CONV":
            layers = [nn.Conv1d(channels_in, hidden_channels, kernel_size, stride)]
        else:
            dense = nn.Linear(channels_in * bands, self.hidden)
            layers = [nn.Flatten(), dense, nn.Unflatten(1, (hidden_channels, self.places))]
        for index, layer in enumerate([*layers, ChannelNorm(hidden_channels)]):
            self.add_module(str(index), layer)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "lc": lambda: cls(1, 12, 3, 5, 2, "LC"),
            "fc-onoff": lambda: cls(2, 12, 3, 5, 2, "FC"),
            "conv-onoff": lambda: cls(2, 12, 3, 5, 2, "CONV"),
        }

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.channels_in, self.bands, frames)

    def apply_frames(self, x: Tensor) -> Tensor:
        streams, frames = x.shape[0], x.shape[-1]
        y = x.permute(0, 3, 1, 2).reshape(streams * frames, self.channels_in, self.bands)  # -> (B T, C, F)
        for layer in self.children():
            y = layer(y)
        y = torch.sigmoid(y).reshape(streams, frames, self.hidden)  # (B T, O, L) -> (B, T, O L)
        return y.transpose(1, 2).contiguous()  # -> (B, O L, T)
