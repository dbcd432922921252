"""LEAF: a front-end all of whose parts are learned: Gabor filters, pooling windows, normalisation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from rtstrf.errors import ConfigError
from rtstrf.models.activations import inverse_softplus
from rtstrf.models.derived import Derived
from rtstrf.spectrogram.filtering import AudioRateFrontEnd, filtered, pool_past, pooled, samples_of
from rtstrf.spectrogram.mel import hz_to_mel, mel_to_hz
from rtstrf.spectrogram.pcen import normalised, smoothed
from rtstrf.stream import Delay, State, StreamModule

PCEN_EPS = 1e-6


class Leaf(AudioRateFrontEnd):
    """Waveform through learned Gabor filters, learned low-pass pooling and learned energy normalisation.

    g[n] = exp(-n^2 / (2 sigma^2)) / max(sum, 1e-8), the filters' real and imaginary parts g cos(omega n) and
    g sin(omega n); their length sqrt(re^2 + im^2 + 1e-9) at every sample; averaged once a hop with weights
    exp(-(d / s)^2 / 2) of the distance d to the newest sample; and PCEN (`rtstrf.spectrogram.pcen`) of each band.

    Parameters
    ----------
    rate_hz : int
        Sample rate of the waveform.
    bin_ms : float
        Bin width; together with the rate it must make a whole hop, unless `hop_samples` is given.
    n_filters : int
        Bands F.
    f_min_hz, f_max_hz : float
        Range of the initial bands, equally spaced and wide in mel; the upper one is brought down to Nyquist, which
        None stands for.
    kernel_ms : float
        Length of the filters; made an odd number of taps K, at least a hop.
    pool_ms : float, optional
        Length of the pooling window, at least a hop; by default four bins.
    learn_filters, learn_pooling, learn_pcen : bool
        Whether a fit may change the filters, the pooling window, the normalisation.
    hop_samples : int, optional
        For checkpoints whose bin was rounded.

    Notes
    -----
    Input (B, 1, samples) float, pascals; output (B, 1, F, T). State: ``samples`` (B, 1, K - 1); ``envelope``, the
    lengths (B, F, window - hop) that the next window still reaches; ``mean`` (B, F) float64 of PCEN; zeros at the
    start. What is long past counts through that mean, over about 1 / s frames. Wait: none beyond the hop. Group delay:
    half the filter, whose middle is its centre, and the centroid of the pooling window, mean over the bands.

    Weights, learned unless told otherwise, (F,): ``center_freq_`` (omega, within [0.01, pi]), ``gabor_sigma_raw``
    (sigma = max(softplus, 1)), ``pool_sigma_raw`` (s = max(softplus, 0.5)), ``pcen_alpha_raw``, ``pcen_delta_raw``
    (softplus), ``pcen_root_raw`` (max(softplus, 1e-3)), ``pcen_s_logit`` (sigmoid); buffers ``_n`` (1, K),
    ``_pool_j`` (1, window).

    Source: Zeghidour, Teboul, de Chaumont Quitry, Tagliasacchi 2021, arXiv 2101.08596; the one-sided pooling window,
    which makes it causal, and the length instead of the square are deepSTRF 0.1.0's.

    Raises
    ------
    ConfigError
        If an option leaves nothing to filter with.

    Examples
    --------
    >>> Leaf(16000, 5.0)(torch.zeros(2, 1, 320)).shape
    torch.Size([2, 1, 34, 4])
    """

    center_freq_: nn.Parameter
    gabor_sigma_raw: nn.Parameter
    pool_sigma_raw: nn.Parameter
    pcen_alpha_raw: nn.Parameter
    pcen_delta_raw: nn.Parameter
    pcen_root_raw: nn.Parameter
    pcen_s_logit: nn.Parameter
    _n: Tensor
    _pool_j: Tensor

    def __init__(
        self,
        rate_hz: int,
        bin_ms: float,
        *,
        n_filters: int = 34,
        f_min_hz: float = 60.0,
        f_max_hz: float | None = 22627.0,
        kernel_ms: float = 15.0,
        pool_ms: float | None = None,
        learn_filters: bool = True,
        learn_pooling: bool = True,
        learn_pcen: bool = True,
        hop_samples: int | None = None,
    ) -> None:
        taps = samples_of("kernel_ms", kernel_ms, rate_hz)
        super().__init__(rate_hz, bin_ms, n_filters, hop_samples=hop_samples, work_per_sample=2 * taps)
        taps = max(taps, self.hop)
        taps += 1 - taps % 2
        f_max_hz = rate_hz / 2 if f_max_hz is None else min(f_max_hz, rate_hz / 2)
        if not 0 < f_min_hz < f_max_hz:
            raise ConfigError(f"LEAF from {f_min_hz:g} to {f_max_hz:g} Hz", remedy="give 0 < f_min_hz < f_max_hz")
        window = max(self.hop, samples_of("pool_ms", 4 * bin_ms if pool_ms is None else pool_ms, rate_hz))
        corners = mel_to_hz(np.linspace(hz_to_mel(f_min_hz), hz_to_mel(f_max_hz), n_filters + 2))
        half_width_hz = (corners[2:] - corners[:-2]) / 2  # of a triangle at half its height, as wide as the filter is
        sigma = np.sqrt(2 * np.log(2)) * rate_hz / (np.pi * half_width_hz)  # samples

        def raw(values: np.ndarray | float) -> np.ndarray:
            return inverse_softplus(torch.as_tensor(values, dtype=torch.float64)).numpy()

        starts = {
            "center_freq_": (2 * np.pi * corners[1:-1] / rate_hz, learn_filters),
            "gabor_sigma_raw": (raw(np.clip(sigma, 1.0, taps / 2)), learn_filters),
            "pool_sigma_raw": (raw(max(window / 4, 0.5)), learn_pooling),
            "pcen_alpha_raw": (raw(0.96), learn_pcen),
            "pcen_delta_raw": (raw(2.0), learn_pcen),
            "pcen_root_raw": (raw(0.5), learn_pcen),
            "pcen_s_logit": (np.log(0.04 / 0.96), learn_pcen),
        }
        for name, (start, learns) in starts.items():
            values = torch.as_tensor(np.broadcast_to(start, n_filters).copy(), dtype=torch.float32)
            self.register_parameter(name, nn.Parameter(values, requires_grad=learns))
        self.register_buffer("_n", (torch.arange(taps, dtype=torch.float32) - (taps - 1) / 2).unsqueeze(0))
        self.register_buffer("_pool_j", torch.arange(window, dtype=torch.float32).unsqueeze(0))
        self._filters = Derived(lambda stage: (stage.kernels(), stage.pooling()))

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "default": lambda: cls(4000, 5.0, n_filters=3),
            "short": lambda: cls(4000, 5.0, n_filters=3, kernel_ms=6.0, pool_ms=5.0, f_max_hz=1500.0),
        }

    def kernels(self) -> Tensor:
        """Return the real parts, then the imaginary ones, shape (2 F, K); computed in float64, as the phases want."""
        n = self._n.double()
        sigma = softplus(self.gabor_sigma_raw.double()).clamp_min(1.0).unsqueeze(-1)  # (F, 1)
        bell = torch.exp(-0.5 * (n / sigma).square())
        bell = bell / bell.sum(-1, keepdim=True).clamp_min(1e-8)
        phase = self.center_freq_.double().clamp(0.01, torch.pi).unsqueeze(-1) * n
        return torch.cat([bell * torch.cos(phase), bell * torch.sin(phase)]).to(self._n.dtype)

    def pooling(self) -> Tensor:
        """Return the weights of the pooling window, shape (F, window), newest last, of sum 1."""
        age = self._pool_j.shape[-1] - 1 - self._pool_j.double()  # the buffer counts from the oldest
        spread = softplus(self.pool_sigma_raw.double()).clamp_min(0.5).unsqueeze(-1)
        weights = torch.exp(-0.5 * (age / spread).square())
        return (weights / weights.sum(-1, keepdim=True)).to(self._n.dtype)

    def band_frequencies_hz(self) -> np.ndarray:
        """Return the centre frequency of each band as it is now, shape (F,), hertz."""
        omega = self.center_freq_.detach().cpu().double().clamp(0.01, torch.pi)
        return omega.numpy() * self.rate_hz / (2 * np.pi)

    def delays(self) -> list[Delay]:
        with torch.no_grad():
            weights = self.pooling().double()
            age = torch.arange(weights.shape[-1] - 1, -1, -1, dtype=torch.float64, device=weights.device)
            behind = (self._n.shape[-1] - 1) / 2 + float((weights * age).sum(-1).mean())
        return [Delay("LEAF", group_delay_ms=1e3 * behind / self.rate_hz)]

    def initial_state(self, streams: int) -> State:
        return {
            "samples": self._n.new_zeros(streams, 1, self._n.shape[-1] - 1),
            "envelope": pool_past(streams, self.n_filters, self._pool_j.shape[-1], self.hop, self._n),
            "mean": self._n.new_zeros(streams, self.n_filters, dtype=torch.float64),
        }

    def advance(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        kernels, weights = self._filters(self)
        new: State = {}
        waves, new["samples"] = filtered(x, state["samples"], kernels)  # (B, 2 F, samples)
        real, imaginary = waves.chunk(2, dim=1)
        lengths = torch.sqrt(real.square() + imaginary.square() + 1e-9)  # (B, F, samples)
        energy, new["envelope"] = pooled(lengths, state["envelope"], weights, self.hop)  # -> (B, F, T)
        mean, new["mean"] = smoothed(energy, torch.sigmoid(self.pcen_s_logit.double()), state["mean"])
        alpha, delta = softplus(self.pcen_alpha_raw).unsqueeze(-1), softplus(self.pcen_delta_raw).unsqueeze(-1)
        root = softplus(self.pcen_root_raw).clamp_min(1e-3).unsqueeze(-1)  # (F, 1)
        return normalised(energy, mean, alpha, delta, root, PCEN_EPS), new
