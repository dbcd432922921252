"""ICNet: from the waveform to a population by convolutions alone, each at a slower rate than the one before."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, linear, softplus

from rtstrf.errors import ConfigError
from rtstrf.models.derived import Derived
from rtstrf.models.model import AuditoryModel
from rtstrf.models.slots import check_sizes
from rtstrf.spectrogram.sinc_kernel import sinc_edges, sinc_filters, sinc_taps, symlog
from rtstrf.stream import Chain, Delay, State, Stateless, StreamModule
from rtstrf.units import hop_samples as whole_hop

F_MIN_HZ = 300.0
# Up to here a convolution is done as one product with every window copied out, in a third of the time for a hop of the
# full-sized model; beyond, the copies would fill the memory.
FEW_FRAMES = 128


class SincFilterbank(StreamModule):
    """Band-pass filters at the rate of the sound, compressed: sign(y) log(1 + |y|).

    Parameters
    ----------
    rate_hz : int
        Sample rate.
    n_filters : int
        Bands F, from 300 Hz to half the rate, equally wide in mel at the start.
    kernel_size : int
        Samples K of a kernel.

    Notes
    -----
    Input (B, 1, samples), output (B, F, samples). State: ``samples``, the last K - 1, zeros at the start. Group delay:
    (K - 1) / 2 samples. Weights ``low_hz_``, ``band_hz_`` (F,), buffers ``_n``, ``_window`` (1, K).

    Source: Ravanelli & Bengio 2018, doi 10.1109/SLT.2018.8639585.

    Examples
    --------
    >>> SincFilterbank(16000, 12, 32)(torch.zeros(1, 1, 80)).shape
    torch.Size([1, 12, 80])
    """

    _n: Tensor
    _window: Tensor

    def __init__(self, rate_hz: int, n_filters: int, kernel_size: int) -> None:
        super().__init__()
        self.rate_hz = rate_hz
        low, band = sinc_edges(n_filters, F_MIN_HZ, rate_hz / 2, rate_hz)
        self.low_hz_, self.band_hz_ = nn.Parameter(low), nn.Parameter(band)
        n, window = sinc_taps(kernel_size)
        self.register_buffer("_n", n)
        self.register_buffer("_window", window)
        self._kernels = Derived(lambda bank: bank.kernels())

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"even": lambda: cls(16000, 3, 8), "odd": lambda: cls(16000, 3, 9)}

    def kernels(self) -> Tensor:
        """Return the filters, shape (F, 1, K), computed in float64: phases far from the middle lose digits."""
        low, band, n, window = (part.double() for part in (self.low_hz_, self.band_hz_, self._n, self._window))
        return sinc_filters(low, band, n, window, self.rate_hz).unsqueeze(1).to(self._n.dtype)

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, 1, frames)

    def initial_state(self, streams: int) -> State:
        return {"samples": self._n.new_zeros(streams, 1, self._n.shape[1] - 1)}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        samples = torch.cat([state["samples"], x], dim=-1)  # (B, 1, K - 1 + n)
        bands = conv1d(samples, self._kernels(self))  # -> (B, F, n)
        return symlog(bands), {"samples": samples[..., x.shape[-1] :].clone()}

    def delays(self) -> list[Delay]:
        return [Delay("sinc filters", group_delay_ms=1e3 * (self._n.shape[1] - 1) / 2 / self.rate_hz)]


class ConvBlock(StreamModule):
    """A convolution over time that keeps one of `stride` frames, and a rectifier with a slope for each channel.

    Parameters
    ----------
    channels_in, channels_out : int
    kernel_size : int
        Frames K of its input; where K is below the stride only the first K of every `stride` frames count.
    stride : int

    Notes
    -----
    Input (B, channels_in, stride T), output (B, channels_out, T). State: ``past``, the last max(0, K - stride) frames
    of the input, zeros at the start. No delay beyond the stride. Weights ``conv.{weight,bias}``, ``activation.weight``.

    Examples
    --------
    >>> ConvBlock(3, 4, 8, 2)(torch.zeros(1, 3, 10)).shape
    torch.Size([1, 4, 5])
    """

    def __init__(self, channels_in: int, channels_out: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels_out, kernel_size, stride)
        self.activation = nn.PReLU(channels_out)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "overlapping": lambda: cls(3, 4, 6, 2),
            "stride-1": lambda: cls(2, 3, 3, 1),
            "kernel-equals-stride": lambda: cls(2, 3, 4, 4),
            "kernel-below-stride": lambda: cls(2, 3, 2, 5),
        }

    @property
    def samples_per_frame(self) -> int:  # type: ignore[override]
        return self.conv.stride[0]

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.conv.in_channels, frames * self.samples_per_frame)

    def _convolved(self, joined: Tensor, frames: int) -> Tensor:
        if frames > FEW_FRAMES:
            return self.conv(joined)
        windows = joined.unfold(-1, self.conv.kernel_size[0], self.samples_per_frame)  # -> (B, C, T, K)
        rows = windows.transpose(1, 2).flatten(2)  # -> (B, T, C K)
        return linear(rows, self.conv.weight.flatten(1), self.conv.bias).transpose(1, 2)  # -> (B, O, T)

    @property
    def past_frames(self) -> int:
        """Frames of the input that are kept."""
        return max(0, self.conv.kernel_size[0] - self.samples_per_frame)

    def initial_state(self, streams: int) -> State:
        return {"past": self.conv.weight.new_zeros(streams, self.conv.in_channels, self.past_frames)}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        joined = torch.cat([state["past"], x], dim=-1)  # (B, C, max(0, K - s) + s T)
        y = self.activation(self._convolved(joined, x.shape[-1] // self.samples_per_frame))  # -> (B, O, T)
        return y, {"past": joined[..., joined.shape[-1] - self.past_frames :].clone()}


class ICNetEncoder(Chain):
    """Sinc filters, strided blocks and a bottleneck: the part of ICNet that all recordings share.

    Notes
    -----
    Input (B, 1, samples), output (B, 1, bottleneck channels, T): it stands where other models have their spectrogram,
    though its channels are no frequency bands. State and delay: those of its stages ``sincnet``, ``encoder.i`` and
    ``bottleneck``.

    Examples
    --------
    >>> from rtstrf.models.icnet import ICNet
    >>> ICNet(16000, 3, encoder_channels=4).wav2spec(torch.zeros(1, 1, 160)).shape
    torch.Size([1, 1, 64, 2])
    """

    def __init__(
        self,
        rate_hz: int,
        *,
        n_filters: int,
        sincnet_kernel_size: int,
        channels: int,
        kernel_size: int,
        strides: Sequence[int],
        bottleneck_channels: int,
    ) -> None:
        widths = [n_filters] + [channels] * len(strides)
        blocks = {str(i): ConvBlock(widths[i], widths[i + 1], kernel_size, stride) for i, stride in enumerate(strides)}
        super().__init__(
            {
                "sincnet": SincFilterbank(rate_hz, n_filters, sincnet_kernel_size),
                "encoder": Chain(blocks),
                "bottleneck": ConvBlock(channels, bottleneck_channels, kernel_size, 1),
            }
        )
        self.rate_hz = rate_hz
        self.out_channels = bottleneck_channels

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        sizes: dict[str, Any] = {"n_filters": 3, "sincnet_kernel_size": 8, "channels": 4, "bottleneck_channels": 3}
        return {"three-blocks": lambda: cls(8000, kernel_size=5, strides=(2, 3, 7), **sizes)}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        y, new = super().step(x, state)
        return y.unsqueeze(1), new  # (B, C, T) -> (B, 1, C, T)


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
