"""Linear and LinearNonlinear: one spectro-temporal receptive field a unit, and what the unit makes of its sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rtstrf.errors import StreamError
from rtstrf.models.activations import ParametricSoftplus
from rtstrf.models.derived import Derived
from rtstrf.models.kernels import ParametricSTRF, SeparableSTRF
from rtstrf.models.model import AuditoryModel
from rtstrf.models.slots import channels_into_core, check_sizes, or_default
from rtstrf.models.strf import CausalSTRFConv, convolve, kernel_or_free
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.spectrogram.mel import MelSpectrogram
from rtstrf.stream import State, StreamModule


class STRFReadout(StreamModule):
    """Receptive field, batch norm, activation: each unit straight from the spectrogram.

    Parameters
    ----------
    kernel : nn.Module
        See `rtstrf.models.kernels`; its outputs are the units N.
    activation : nn.Module
        Applied to (B, N, T).

    Notes
    -----
    Input (B, C, F, T), output (B, N, T). State: ``past``, as of `CausalSTRFConv`. No delay. Weights ``strf.kernel.*``,
    ``bn.*``, ``activation.*``. In evaluation mode the norm is a scale and a shift, taken into the kernel.

    Raises
    ------
    StreamError
        From `step` in training mode: the norm then uses the mean over the batch and the clip, the future included.

    Examples
    --------
    >>> STRFReadout(nn.Conv2d(1, 3, (34, 9)), nn.ReLU()).eval()(torch.zeros(1, 1, 34, 2)).shape
    torch.Size([1, 3, 2])
    """

    def __init__(self, kernel: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.strf = CausalSTRFConv(kernel)
        self.bn = nn.BatchNorm1d(self.strf.channels_out)
        self.activation = activation
        self._filters = Derived(lambda stage: stage._normed())

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "free": lambda: cls(nn.Conv2d(1, 3, (6, 5)), ParametricSoftplus(3)),
            "gaussians-no-bias": lambda: cls(ParametricSTRF(6, 5, 2, 3, bias=False), nn.Identity()),
        }

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return self.strf.input_shape(streams, frames)

    def initial_state(self, streams: int) -> State:
        return self.strf.initial_state(streams)

    def _normed(self) -> tuple[Tensor, Tensor]:
        """Return the kernel and the bias with the norm's scale and shift in them."""
        mean, variance = self.bn.running_mean, self.bn.running_var
        assert mean is not None and variance is not None  # noqa: PT018 - a BatchNorm1d that tracks has both
        weight, bias = self.strf.filters()
        scale = self.bn.weight * torch.rsqrt(variance + self.bn.eps)  # (N,)
        shift = self.bn.bias - scale * (mean if bias is None else mean - bias)
        return weight * scale.reshape(-1, 1, 1, 1), shift

    def filters(self) -> tuple[Tensor, Tensor]:
        """Return the kernel (N, C, F, T) and the bias (N,), with the norm's scale and shift in them."""
        return self._filters(self)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        if self.training:
            raise StreamError(
                "batch norm in training mode cannot stream: it uses the mean over the whole batch and clip, the future "
                "included",
                remedy="call model.eval() before you stream; to fit, call model(x) on whole clips",
            )
        y, state = convolve(x, state, *self.filters())
        return self.activation(y), state

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        y, _ = self.strf.step(x, self.initial_state(x.shape[0]))
        return self.activation(self.bn(y))


class _OneFieldAUnit(AuditoryModel):
    """What Linear and LinearNonlinear share: all but the default activation."""

    def __init__(
        self,
        n_frequency_bands: int,
        out_neurons: int,
        temporal_window_size: int,
        activation: nn.Module,
        kernel: nn.Module | None,
        prefiltering: StreamModule | None,
        wav2spec: StreamModule | None,
    ) -> None:
        sizes = {
            "n_frequency_bands": n_frequency_bands,
            "out_neurons": out_neurons,
            "temporal_window_size": temporal_window_size,
        }
        check_sizes(type(self).__name__, **sizes)
        channels = channels_into_core(n_frequency_bands, wav2spec, prefiltering)
        field = kernel_or_free(kernel, channels, n_frequency_bands, temporal_window_size, out_neurons)
        super().__init__(
            {"readout": STRFReadout(field, activation)},
            wav2spec=wav2spec,
            prefiltering=prefiltering,
            out_neurons=out_neurons,
            options=sizes,
        )

    def forward(self, x: Tensor) -> Tensor:
        # By the stages' own forward, not by step: in training mode the norm accepts whole clips only.
        for _, stage in self.stages():
            x = stage(x)
        return x


class Linear(_OneFieldAUnit):
    """A population of linear units: receptive field, batch norm, and no rectifier unless one is given.

    Parameters
    ----------
    n_frequency_bands : int
        Bands F of the spectrogram.
    out_neurons : int
        Units N.
    temporal_window_size : int
        Frames of the receptive field, the current one included.
    output_activation : nn.Module, optional
        By default none, so responses may be negative.
    kernel : nn.Module, optional
        A kernel of `rtstrf.models.kernels` for F bands, these frames, the prefilter's channels and N outputs; by
        default every weight is free.
    prefiltering, wav2spec : StreamModule, optional
        Adaptation and front-end. Without a front-end the model takes spectrograms.

    Notes
    -----
    Input: waveform (B, 1, samples) in pascals with a front-end, otherwise spectrogram (B, 1, F, T). Output (B, N, T).
    State: that of its stages. Delay: that of its front-end. Streams in evaluation mode only, see `STRFReadout`.

    Source: Aertsen & Johannesma 1981, doi 10.1007/BF00336731; the reference implementation is deepSTRF 0.1.0.

    Raises
    ------
    ConfigError
        If a size is below 1, or front-end, prefilter or kernel have other sizes than the model.

    Examples
    --------
    >>> model = Linear(out_neurons=3, wav2spec=MelSpectrogram(48000, 5.0)).eval()
    >>> model(torch.zeros(1, 1, 2400)).shape
    torch.Size([1, 3, 10])
    """

    config_slots = ("kernel", "output_activation", "prefiltering", "wav2spec")

    def __init__(
        self,
        n_frequency_bands: int = 34,
        out_neurons: int = 1,
        *,
        temporal_window_size: int = 9,
        output_activation: nn.Module | None = None,
        kernel: nn.Module | None = None,
        prefiltering: StreamModule | None = None,
        wav2spec: StreamModule | None = None,
    ) -> None:
        activation = or_default(output_activation, nn.Identity())
        super().__init__(
            n_frequency_bands, out_neurons, temporal_window_size, activation, kernel, prefiltering, wav2spec
        )

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        def from_sound() -> StreamModule:
            mel = MelSpectrogram(16000, 5.0, n_mels=8, f_max_hz=8000.0)
            adaptation = AdapTrans.for_bands(8, dt_ms=5.0, max_freq_hz=8000.0)
            return cls(8, 3, kernel=ParametricSTRF(8, 9, 2, 3), prefiltering=adaptation, wav2spec=mel)

        return {"spectrogram": lambda: cls(6, 3, temporal_window_size=4), "gaussians-sound": from_sound}


class LinearNonlinear(_OneFieldAUnit):
    """A population of linear-nonlinear units: receptive field, batch norm, and a softplus of each unit's own.

    Parameters
    ----------
    n_frequency_bands, out_neurons, temporal_window_size, kernel, prefiltering, wav2spec
        As for `Linear`.
    output_activation : nn.Module, optional
        By default `ParametricSoftplus` of N units.

    Notes
    -----
    As for `Linear`. Source: Chichilnisky 2001, doi 10.1080/713663221; the reference implementation is deepSTRF 0.1.0.

    Raises
    ------
    ConfigError
        As for `Linear`.

    Examples
    --------
    >>> LinearNonlinear(out_neurons=3).eval()(torch.zeros(1, 1, 34, 2)).shape
    torch.Size([1, 3, 2])
    """

    config_slots = ("kernel", "output_activation", "prefiltering")

    def __init__(
        self,
        n_frequency_bands: int = 34,
        out_neurons: int = 1,
        *,
        temporal_window_size: int = 9,
        output_activation: nn.Module | None = None,
        kernel: nn.Module | None = None,
        prefiltering: StreamModule | None = None,
        wav2spec: StreamModule | None = None,
    ) -> None:
        activation = or_default(output_activation, ParametricSoftplus(out_neurons))
        super().__init__(
            n_frequency_bands, out_neurons, temporal_window_size, activation, kernel, prefiltering, wav2spec
        )

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        options: dict[str, Any] = {"temporal_window_size": 4}
        return {"separable": lambda: cls(6, 3, kernel=SeparableSTRF(6, 4, 1, 3), **options)}
