"""ICNet's way from the waveform: sinc filters at the rate of the sound, and convolutions each slower than the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, linear

from rtstrf.models.derived import Derived
from rtstrf.spectrogram.sinc_kernel import sinc_edges, sinc_filters, sinc_taps, symlog
from rtstrf.stream import Chain, Delay, State, StreamModule

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
