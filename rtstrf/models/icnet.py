"""ICNet: from the waveform to a population by convolutions alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from rtstrf.errors import ConfigError
from rtstrf.models.icnet_encoder import ICNetEncoder
from rtstrf.models.model import AuditoryModel
from rtstrf.models.slots import check_sizes
from rtstrf.stream import Stateless, StreamModule
from rtstrf.units import hop_samples as whole_hop


class BottleneckDecoder(Stateless):
    """Each neuron is a softplus of a weighted sum of the bottleneck's channels.

    Notes
    -----
    Input (B, 1, C, T), output (B, N, T). No state, no delay. Weights ``weight`` (N, C), ``bias`` (N,).

    Examples
    --------
    >>> BottleneckDecoder(8, 3)(torch.zeros(1, 1, 8, 2)).shape
    torch.Size([1, 3, 2])
    """

    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        bound = channels**-0.5
        self.weight = nn.Parameter(torch.empty(units, channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(units).uniform_(-bound, bound))

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"small": lambda: cls(5, 3)}

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, 1, self.weight.shape[1], frames)

    def apply_frames(self, x: Tensor) -> Tensor:
        sums = linear(x.squeeze(1).transpose(1, 2), self.weight, self.bias)  # (B, 1, C, T) -> (B, T, N)
        return softplus(sums).transpose(1, 2).contiguous()


class ICNet(AuditoryModel):
    """A convolutional model of the inferior colliculus, from waveform to population.

    Parameters
    ----------
    audio_fs : int
        Sample rate of the sound in hertz.
    out_neurons : int
        Units N.
    dt_ms : float
        Bin width; together with the rate it must make a whole hop, unless `hop_samples` is given.
    n_filters, sincnet_kernel_size : int
        Sinc filters, and samples of their kernels.
    encoder_channels, encoder_kernel_size, n_encoder_layers : int
        Of the strided blocks.
    bottleneck_channels : int
    encoder_strides : sequence of int, optional
        One for each block; their product is the hop. By default 2 for as many blocks as divide, and what is left in the
        last.
    hop_samples : int, optional
        For checkpoints whose bin was rounded (deepSTRF: 220 samples for 5 ms at 44.1 kHz).

    Notes
    -----
    Input: waveform (B, 1, samples) in pascals, whole hops. Output (B, N, T). The encoder is the front-end, so that the
    bottleneck is shown where other models show their spectrogram. State: that of its stages. Delay: the sinc filters';
    those of the blocks are learned. Weights ``wav2spec.{sincnet,encoder.i,bottleneck}.*`` and ``decoder.*``. deepSTRF
    0.1.0 registers the decoder a second time, as ``readout.*``: a folder written here holds both, which its
    `from_pretrained` needs; one read may leave either out.

    Source: Drakopoulos et al. 2025, doi 10.1038/s42256-025-01104-9; the layout is that of deepSTRF 0.1.0.

    Raises
    ------
    ConfigError
        If the strides do not make a hop, or a size is below 1.

    Examples
    --------
    >>> ICNet(16000, 3, encoder_channels=4)(torch.zeros(1, 1, 160)).shape
    torch.Size([1, 3, 2])
    """

    config_slots = ()

    def __init__(
        self,
        audio_fs: int,
        out_neurons: int,
        *,
        dt_ms: float = 5.0,
        n_filters: int = 48,
        sincnet_kernel_size: int = 64,
        encoder_channels: int = 128,
        encoder_kernel_size: int = 64,
        n_encoder_layers: int = 5,
        bottleneck_channels: int = 64,
        encoder_strides: Sequence[int] | None = None,
        hop_samples: int | None = None,
    ) -> None:
        check_sizes(
            "ICNet",
            audio_fs=audio_fs,
            out_neurons=out_neurons,
            n_filters=n_filters,
            encoder_channels=encoder_channels,
            encoder_kernel_size=encoder_kernel_size,
            n_encoder_layers=n_encoder_layers,
            bottleneck_channels=bottleneck_channels,
        )
        hop = whole_hop(audio_fs, dt_ms) if hop_samples is None else hop_samples
        strides = halving_strides(hop, n_encoder_layers) if encoder_strides is None else tuple(encoder_strides)
        if len(strides) != n_encoder_layers or min(strides) < 1 or math.prod(strides) != hop:
            raise ConfigError(
                f"encoder_strides {list(strides)} for {n_encoder_layers} blocks and a hop of {hop} samples",
                remedy=f"give {n_encoder_layers} whole numbers whose product is {hop}, or leave them out",
            )
        encoder = ICNetEncoder(
            audio_fs,
            n_filters=n_filters,
            sincnet_kernel_size=sincnet_kernel_size,
            channels=encoder_channels,
            kernel_size=encoder_kernel_size,
            strides=strides,
            bottleneck_channels=bottleneck_channels,
        )
        options = {
            "audio_fs": audio_fs,
            "bottleneck_channels": bottleneck_channels,
            "dt_ms": dt_ms,
            "encoder_channels": encoder_channels,
            "encoder_kernel_size": encoder_kernel_size,
            "encoder_strides": None if encoder_strides is None else list(encoder_strides),
            "n_encoder_layers": n_encoder_layers,
            "n_filters": n_filters,
            "out_neurons": out_neurons,
            "sincnet_kernel_size": sincnet_kernel_size,
        }
        core = {"decoder": BottleneckDecoder(bottleneck_channels, out_neurons)}
        super().__init__(core, wav2spec=encoder, prefiltering=None, out_neurons=out_neurons, options=options)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        small: dict[str, Any] = {"n_filters": 3, "sincnet_kernel_size": 9, "encoder_channels": 4}
        small |= {"encoder_kernel_size": 6, "n_encoder_layers": 3, "bottleneck_channels": 3}
        return {"halving": lambda: cls(4000, 3, **small)}

    def weights_to_save(self) -> dict[str, Tensor]:
        weights = super().weights_to_save()
        twins = {f"readout.{name}": weights[f"decoder.{name}"].clone() for name in ("weight", "bias")}
        return {**weights, **twins}

    def weights_from(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        found = dict(weights)
        for name in ("weight", "bias"):
            twin, own = f"readout.{name}", f"decoder.{name}"
            # Where the two contradict one another the twin stays, and is refused as a key too many.
            if twin in found and (own not in found or torch.equal(found[twin], found[own])):
                found.setdefault(own, found[twin])
                del found[twin]
        return found


def halving_strides(hop: int, blocks: int) -> tuple[int, ...]:
    """Return strides whose product is the hop: twos while they divide it, then ones, and the rest in the last.

    Examples
    --------
    >>> halving_strides(80, 5), halving_strides(220, 5)
    ((2, 2, 2, 2, 5), (2, 2, 1, 1, 55))
    """
    strides, left = [], hop
    for _ in range(blocks - 1):
        strides.append(2 if left % 2 == 0 else 1)
        left //= strides[-1]
    return (*strides, left)
