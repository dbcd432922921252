"""A gammatone filterbank: the shape of the ear's own filters, their envelopes once a hop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rtstrf.errors import ConfigError
from rtstrf.spectrogram import erb
from rtstrf.spectrogram.filtering import AudioRateFrontEnd, filtered, pool_past, pooled, power_of, samples_of
from rtstrf.spectrogram.pcen import normalised, smoothed
from rtstrf.stream import Delay, State, StreamModule

COMPRESSIONS = ("log", "cuberoot", "pcen", "none")


# deepSTRF 0.1.0 looks for the peak gain of a gammatone in so many points, and takes no less than this for it.
DEEPSTRF_POINTS, DEEPSTRF_LEAST_GAIN = 4096, 1e-12


def gammatones(
    frequency_hz: np.ndarray, rate_hz: int, taps: int, order: int, b_factor: float, *, deepstrf_gain: bool = False
) -> np.ndarray:
    """Return impulse responses t^(order - 1) exp(-2 pi b ERB t) cos(2 pi f t), each of peak gain 1.

    Parameters
    ----------
    frequency_hz : ndarray, shape (F,)
    rate_hz, taps, order : int
    b_factor : float
        Bandwidth b in units of the ear's.
    deepstrf_gain : bool
        Scale them as deepSTRF 0.1.0 does, see `Gammatone`.

    Returns
    -------
    responses : ndarray, shape (F, taps), float64
        Forward in time.
    """
    t = np.arange(taps) / rate_hz
    centre = frequency_hz[:, None]
    envelope = t ** (order - 1) * np.exp(-2 * np.pi * b_factor * erb.bandwidth_hz(centre) * t)
    responses = envelope * np.cos(2 * np.pi * centre * t)
    points = (
        DEEPSTRF_POINTS if deepstrf_gain else 4 * 2 ** int(np.ceil(np.log2(max(taps, 1024))))
    )  # finer than a filter
    peaks = np.abs(np.fft.rfft(responses, points)).max(axis=1, keepdims=True)
    return responses / (peaks.clip(min=DEEPSTRF_LEAST_GAIN) if deepstrf_gain else peaks)


class Gammatone(AudioRateFrontEnd):
    """Waveform to the compressed envelopes of gammatone filters, one frame a hop.

    Each filter's output is rectified, averaged over a window that ends with the bin, and compressed.

    Parameters
    ----------
    rate_hz : int
        Sample rate of the waveform.
    bin_ms : float
        Bin width; together with the rate it must make a whole hop, unless `hop_samples` is given.
    n_filters : int
        Bands F, spaced equally in bandwidths.
    f_min_hz, f_max_hz : float
        Centre of the first and the last filter; the upper one is brought down to Nyquist, which None stands for.
    order : int
        Of the filters.
    b_factor : float
        Their bandwidth, in units of the ear's.
    kernel_ms : float
        Length of the impulse responses, at least a hop.
    rectify : {"halfwave", "full"}
    env_window_ms : float, optional
        Window of the average; by default two bins.
    compression : {"log", "cuberoot", "pcen", "none"}
        ``log``: log(max(E, log_floor)); ``pcen``: see `rtstrf.spectrogram.pcen`.
    log_floor, pcen_s, pcen_alpha, pcen_delta, pcen_r, pcen_eps : float
    hop_samples : int, optional
        For checkpoints whose bin was rounded.
    time_reversed : bool
        Design the filters as deepSTRF 0.1.0 has them, which runs every gammatone backwards: causal still, but with a
        delay of nearly the whole kernel instead of a few milliseconds. The weights hold the kernels as they meet the
        sound, so a checkpoint of either kind gives the same output here and there whatever this says.
    deepstrf_gain : bool
        Scale the filters as deepSTRF 0.1.0 does, whose peak gain is not always 1: it looks at the first 4096 samples
        of a kernel only (1.035 for 120 ms at 48 kHz), and takes any gain before scaling for at least 1e-12, which it is
        not for an order of 5 at high frequencies. Set when its weights, which hold the kernels, are loaded.

    Notes
    -----
    Input (B, 1, samples) float, pascals; output (B, 1, F, T). State: ``samples`` (B, 1, K - 1); ``envelope``, the
    rectified columns (B, F, window - hop) that the next window still reaches; with PCEN ``mean`` (B, F) float64; zeros
    at the start. Wait: none beyond the hop. Group delay: the centroid of the filters, mean over the bands, and half
    the window. Weights (buffers) ``_kernels`` (F, 1, K), last tap on the newest sample, and ``_fc`` (F,), hertz.

    Source: Patterson et al. 1992, doi 10.1016/B978-0-08-041847-6.50054-X; Slaney 1993, Apple TR 35.

    Raises
    ------
    ConfigError
        If an option has an unknown name or leaves nothing to filter with.

    Examples
    --------
    >>> Gammatone(48000, 5.0)(torch.zeros(2, 1, 960)).shape
    torch.Size([2, 1, 34, 4])
    """

    _kernels: Tensor
    _fc: Tensor

    def __init__(
        self,
        rate_hz: int,
        bin_ms: float,
        *,
        n_filters: int = 34,
        f_min_hz: float = 500.0,
        f_max_hz: float | None = 22627.0,
        order: int = 4,
        b_factor: float = 1.019,
        kernel_ms: float = 20.0,
        rectify: str = "halfwave",
        env_window_ms: float | None = None,
        compression: str = "log",
        log_floor: float = 1e-4,
        pcen_s: float = 0.025,
        pcen_alpha: float = 0.98,
        pcen_delta: float = 2.0,
        pcen_r: float = 0.5,
        pcen_eps: float = 1e-6,
        hop_samples: int | None = None,
        time_reversed: bool = False,
        deepstrf_gain: bool = False,
    ) -> None:
        taps = samples_of("kernel_ms", kernel_ms, rate_hz)
        super().__init__(rate_hz, bin_ms, n_filters, hop_samples=hop_samples, work_per_sample=taps)
        for name, value, allowed in (
            ("rectify", rectify, ("halfwave", "full")),
            ("compression", compression, COMPRESSIONS),
        ):
            if value not in allowed:
                raise ConfigError(f"{name} {value!r} of a gammatone filterbank", remedy=f"one of {', '.join(allowed)}")
        f_max_hz = rate_hz / 2 if f_max_hz is None else min(f_max_hz, rate_hz / 2)
        if order < 1 or not b_factor > 0 or not 0 < f_min_hz <= f_max_hz:
            raise ConfigError(
                f"gammatones of order {order} and bandwidth {b_factor:g} from {f_min_hz:g} to {f_max_hz:g} Hz",
                remedy="an order of at least 1, a bandwidth above 0, and 0 < f_min_hz <= f_max_hz",
            )
        self.window = samples_of("env_window_ms", 2 * bin_ms if env_window_ms is None else env_window_ms, rate_hz)
        self.rectify = rectify
        self.compression = compression
        self.log_floor = log_floor
        self.pcen_s, self.pcen_eps = pcen_s, pcen_eps
        self.pcen_alpha, self.pcen_delta, self.pcen_r = pcen_alpha, pcen_delta, pcen_r
        centres = erb.spaced(f_min_hz, f_max_hz, np.linspace(0, 1, n_filters))
        kernels = gammatones(centres, rate_hz, max(taps, self.hop), order, b_factor, deepstrf_gain=deepstrf_gain)
        kernels = kernels if time_reversed else kernels[:, ::-1].copy()
        self.register_buffer("_kernels", torch.tensor(kernels, dtype=torch.float32).unsqueeze(1))  # (F, 1, K)
        self.register_buffer("_fc", torch.tensor(centres, dtype=torch.float32))

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "log": lambda: cls(4000, 5.0, n_filters=4),
            "pcen-full-one-bin": lambda: cls(
                4000, 5.0, n_filters=4, compression="pcen", rectify="full", env_window_ms=5.0
            ),
            "short-window-reversed": lambda: cls(
                4000,
                5.0,
                n_filters=3,
                compression="cuberoot",
                env_window_ms=3.0,
                time_reversed=True,
                deepstrf_gain=True,
            ),
        }

    def band_frequencies_hz(self) -> np.ndarray:
        """Return the centre frequency of each band, shape (F,), hertz."""
        return self._fc.detach().cpu().double().numpy()

    def delays(self) -> list[Delay]:
        energy = self._kernels.squeeze(1).double().square()  # (F, K)
        age = torch.arange(energy.shape[-1] - 1, -1, -1, dtype=torch.float64, device=energy.device)
        centroid = float(((energy * age).sum(-1) / energy.sum(-1)).mean())
        return [Delay("gammatone", group_delay_ms=1e3 * (centroid + (self.window - 1) / 2) / self.rate_hz)]

    def initial_state(self, streams: int) -> State:
        state = {
            "samples": self._kernels.new_zeros(streams, 1, self._kernels.shape[-1] - 1),
            "envelope": pool_past(streams, self.n_filters, self.window, self.hop, self._kernels),
        }
        if self.compression == "pcen":
            state["mean"] = self._kernels.new_zeros(streams, self.n_filters, dtype=torch.float64)
        return state

    def advance(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        new: State = {}
        waves, new["samples"] = filtered(x, state["samples"], self._kernels.squeeze(1))  # (B, F, samples)
        rectified = torch.relu(waves) if self.rectify == "halfwave" else waves.abs()
        energy, new["envelope"] = pooled(rectified, state["envelope"], self.window, self.hop)  # -> (B, F, T)
        if self.compression == "pcen":
            rate = torch.full_like(self._fc, self.pcen_s, dtype=torch.float64)
            mean, new["mean"] = smoothed(energy, rate, state["mean"])
            return normalised(energy, mean, self.pcen_alpha, self.pcen_delta, self.pcen_r, self.pcen_eps), new
        if self.compression == "log":
            return energy.clamp_min(self.log_floor).log(), new
        return power_of(energy, 1 / 3) if self.compression == "cuberoot" else energy, new
