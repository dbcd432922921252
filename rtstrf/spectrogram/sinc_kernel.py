"""Band-pass filters told by their two edges: the kernels of SincNet.

Source: Ravanelli & Bengio 2018, doi 10.1109/SLT.2018.8639585.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from rtstrf.errors import ConfigError
from rtstrf.spectrogram.mel import hz_to_mel, mel_to_hz

INITS = ("mel", "linear")


def sinc_edges(
    n_filters: int, f_min_hz: float, f_max_hz: float, rate_hz: int, init: str = "mel"
) -> tuple[Tensor, Tensor]:
    """Return the lower edge and the width of bands that tile a range, equally wide in mel or in hertz.

    Parameters
    ----------
    n_filters : int
        Bands F.
    f_min_hz, f_max_hz : float
        Lower edge of the first and upper edge of the last.
    rate_hz : int
        Sample rate; no edge may lie above half of it.
    init : {"mel", "linear"}

    Returns
    -------
    low_hz, band_hz : Tensor, shape (F,), float32

    Raises
    ------
    ConfigError
        If there is no band, or none between the edges.
    """
    if init not in INITS:
        raise ConfigError(f"init {init!r} of sinc filters", remedy=f"one of {', '.join(INITS)}")
    if n_filters < 1:
        raise ConfigError(f"{n_filters} sinc filters", remedy="give at least 1")
    if not 0 < f_min_hz < f_max_hz <= rate_hz / 2:
        raise ConfigError(
            f"sinc filters from {f_min_hz:g} to {f_max_hz:g} Hz at {rate_hz} Hz",
            remedy=f"edges above 0, in order, and at most {rate_hz / 2:g} Hz",
        )
    if init == "mel":
        edges = mel_to_hz(np.linspace(hz_to_mel(f_min_hz), hz_to_mel(f_max_hz), n_filters + 1))
    else:
        edges = np.linspace(f_min_hz, f_max_hz, n_filters + 1)
    return torch.tensor(edges[:-1], dtype=torch.float32), torch.tensor(np.diff(edges), dtype=torch.float32)


def sinc_taps(kernel_size: int) -> tuple[Tensor, Tensor]:
    """Return the taps' distances from the middle, in samples, and a Hamming window; both (1, K), float32."""
    if kernel_size < 2:
        raise ConfigError(f"a sinc kernel of {kernel_size} samples", remedy="give at least 2")
    n = torch.arange(kernel_size, dtype=torch.float32) - (kernel_size - 1) / 2
    window = torch.hamming_window(kernel_size, periodic=False, dtype=torch.float32)
    return n.unsqueeze(0), window.unsqueeze(0)


def sinc_filters(low_hz: Tensor, band_hz: Tensor, n: Tensor, window: Tensor, rate_hz: int) -> Tensor:
    """Return the kernels, windowed: h[n] = (sin(2 pi f2 n / fs) - sin(2 pi f1 n / fs)) / (pi n).

    Parameters
    ----------
    low_hz, band_hz : Tensor, shape (F,)
        f1 = |low_hz|, kept within 1 Hz of 0 and of half the rate; f2 = f1 + |band_hz|, at most half the rate.
    n, window : Tensor, shape (1, K)
        As of `sinc_taps`; at n = 0, which only an odd K has, h is 2 (f2 - f1) / fs.
    rate_hz : int

    Returns
    -------
    kernels : Tensor, shape (F, K), to be applied without flipping

    Examples
    --------
    >>> n, window = sinc_taps(5)
    >>> sinc_filters(torch.tensor([1000.0]), torch.tensor([500.0]), n, window, 16000)[0, 2].item()
    0.0625
    """
    low = low_hz.abs().clamp(1.0, rate_hz / 2 - 1.0)
    high = (low + band_hz.abs()).clamp(max=rate_hz / 2)
    low, high = low.unsqueeze(-1), high.unsqueeze(-1)  # (F, 1)
    middle = n == 0
    away = torch.where(middle, 1.0, n)  # no 0 / 0, in the gradient neither
    angle = 2 * math.pi * away / rate_hz  # (1, K)
    kernels = ((high * angle).sin() - (low * angle).sin()) / (math.pi * away)  # (F, K)
    return torch.where(middle, 2 * (high - low) / rate_hz, kernels) * window


def symlog(x: Tensor) -> Tensor:
    """Return sign(x) log(1 + |x|)."""
    return x.sign() * x.abs().log1p()
