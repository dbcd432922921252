"""SincNet: band-pass filters of which only the edges are learned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from rtstrf.errors import ConfigError
from rtstrf.models.derived import Derived
from rtstrf.spectrogram.filtering import AudioRateFrontEnd, filtered, pool_past, pooled, samples_of
from rtstrf.spectrogram.sinc_kernel import sinc_edges, sinc_filters, sinc_taps, symlog
from rtstrf.stream import Delay, State, StreamModule

ACTIVATIONS = ("logabs", "symlog", "none")


class SincNet(AudioRateFrontEnd):
    """Waveform through learned band-pass filters, one frame a hop.

    Strided, the default, each filter is applied once a hop, and the sign of its output kept or not as the activation
    has it. With `envelope` it is applied at every sample, and the mean of its absolute value taken over a window.

    Parameters
    ----------
    rate_hz : int
        Sample rate of the waveform.
    bin_ms : float
        Bin width; together with the rate it must make a whole hop, unless `hop_samples` is given.
    n_filters : int
        Bands F.
    kernel_size : int
        Taps K. Strided, with fewer taps than a hop only the first K samples of each bin are heard.
    f_min_hz, f_max_hz : float
        Range of the initial bands, side by side; the upper one is brought down to Nyquist, which None stands for.
    init : {"mel", "linear"}
        Whether they are equally wide in mel or in hertz.
    activation : {"logabs", "symlog", "none"}
        ``logabs``: log(1 + |y|); ``symlog``: sign(y) log(1 + |y|).
    envelope : bool
    env_window_ms : float, optional
        Window of the envelope; by default one bin.
    hop_samples : int, optional
        For checkpoints whose bin was rounded.

    Notes
    -----
    Input (B, 1, samples) float, pascals; output (B, 1, F, T). State: ``samples``, those before the bin that the
    kernel reaches: strided max(0, K - hop) of them, else K - 1; with an envelope also ``envelope``, the rectified
    columns (B, F, window - hop) that the next window still reaches; zeros at the start. Wait: none beyond the hop.
    Group delay: half the kernel, whose middle is its centre, and half the envelope's window. Weights ``low_hz_``,
    ``band_hz_`` (F,), learned; buffers ``_n``, ``_window`` (1, K).

    Source: Ravanelli & Bengio 2018, doi 10.1109/SLT.2018.8639585.

    Raises
    ------
    ConfigError
        If an option has an unknown name or leaves nothing to filter with.

    Examples
    --------
    >>> SincNet(48000, 5.0)(torch.zeros(2, 1, 960)).shape
    torch.Size([2, 1, 34, 4])
    """

    _n: Tensor
    _window: Tensor

    def __init__(
        self,
        rate_hz: int,
        bin_ms: float,
        *,
        n_filters: int = 34,
        kernel_size: int = 251,
        f_min_hz: float = 300.0,
        f_max_hz: float | None = None,
        init: str = "mel",
        activation: str = "logabs",
        envelope: bool = False,
        env_window_ms: float | None = None,
        hop_samples: int | None = None,
    ) -> None:
        n, window = sinc_taps(kernel_size)
        super().__init__(rate_hz, bin_ms, n_filters, hop_samples=hop_samples, work_per_sample=kernel_size)
        if activation not in ACTIVATIONS:
            raise ConfigError(f"activation {activation!r} of SincNet", remedy=f"one of {', '.join(ACTIVATIONS)}")
        f_max_hz = rate_hz / 2 if f_max_hz is None else min(f_max_hz, rate_hz / 2)
        low_hz, band_hz = sinc_edges(n_filters, f_min_hz, f_max_hz, rate_hz, init)
        self.kernel_size = kernel_size
        self.activation = activation
        self.envelope = envelope
        self.window = self.hop if env_window_ms is None else samples_of("env_window_ms", env_window_ms, rate_hz)
        self.low_hz_, self.band_hz_ = nn.Parameter(low_hz), nn.Parameter(band_hz)
        self.register_buffer("_n", n)
        self.register_buffer("_window", window)
        self._kernels = Derived(lambda stage: stage.kernels())

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        small = {"n_filters": 3, "f_min_hz": 100.0}
        return {
            "strided": lambda: cls(4000, 5.0, kernel_size=51, **small),  # type: ignore[arg-type]
            "strided-short": lambda: cls(4000, 5.0, kernel_size=12, activation="symlog", **small),  # type: ignore[arg-type]
            "envelope": lambda: cls(4000, 5.0, kernel_size=31, envelope=True, env_window_ms=12.0, **small),  # type: ignore[arg-type]
        }

    def kernels(self) -> Tensor:
        """Return the kernels, shape (F, K), last tap on the newest sample.

        Computed in float64: in float32 the phase of a high band far from the middle is off by 2e-5.
        """
        low_hz, band_hz, n, window = (fact.double() for fact in (self.low_hz_, self.band_hz_, self._n, self._window))
        return sinc_filters(low_hz, band_hz, n, window, self.rate_hz).to(self._n.dtype)

    def band_frequencies_hz(self) -> np.ndarray:
        """Return the middle of each band as it is now, shape (F,), hertz."""
        with torch.no_grad():
            low = self.low_hz_.double().abs().clamp(1.0, self.rate_hz / 2 - 1)
            high = (low + self.band_hz_.double().abs()).clamp_max(self.rate_hz / 2)
            return ((low + high) / 2).cpu().numpy()

    def delays(self) -> list[Delay]:
        behind = (self.kernel_size - 1) / 2
        if self.envelope:
            behind += (self.window - 1) / 2
        else:
            behind += max(0, self.hop - self.kernel_size)  # a short kernel lies at the beginning of the bin
        return [Delay("SincNet", group_delay_ms=1e3 * behind / self.rate_hz)]

    def initial_state(self, streams: int) -> State:
        if not self.envelope:
            return {"samples": self._n.new_zeros(streams, 1, max(0, self.kernel_size - self.hop))}
        return {
            "samples": self._n.new_zeros(streams, 1, self.kernel_size - 1),
            "envelope": pool_past(streams, self.n_filters, self.window, self.hop, self._n),
        }

    def advance(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        kernels: Tensor = self._kernels(self)
        new: State = {}
        if self.envelope:
            waves, new["samples"] = filtered(x, state["samples"], kernels)  # (B, F, samples)
            y, new["envelope"] = pooled(waves.abs(), state["envelope"], self.window, self.hop)  # -> (B, F, T)
        else:
            joined = torch.cat([state["samples"], x], dim=-1)
            windows = joined.squeeze(1).unfold(-1, self.kernel_size, self.hop)  # (B, T, K)
            y = (windows @ kernels.T).transpose(1, 2)  # -> (B, F, T)
            new["samples"] = joined[..., x.shape[-1] :].clone()
        if self.activation == "logabs":
            return y.abs().log1p(), new
        return symlog(y) if self.activation == "symlog" else y, new
