"""ICNet once more, sample by sample in float64 numpy from its formulas: slow, and nothing shared."""

from __future__ import annotations

import math

import numpy as np

from tests.support.loops import softplus
from tests.support.loops_transformer import under

Weights = dict[str, np.ndarray]


def hamming(taps: int) -> np.ndarray:
    return np.array([0.54 - 0.46 * math.cos(2 * math.pi * k / (taps - 1)) for k in range(taps)])


def sinc_kernels(low_hz: np.ndarray, band_hz: np.ndarray, rate_hz: int, window: np.ndarray) -> np.ndarray:
    """Return (F, taps): the difference of two low-pass filters, under a window."""
    taps = len(window)
    out = np.zeros((len(low_hz), taps))
    for band in range(len(low_hz)):
        f1 = min(max(abs(low_hz[band]), 1.0), rate_hz / 2 - 1.0)
        f2 = min(f1 + abs(band_hz[band]), rate_hz / 2)
        for k in range(taps):
            n = k - (taps - 1) / 2
            if n == 0:
                value = 2 * (f2 - f1) / rate_hz
            else:
                upper, lower = math.sin(2 * math.pi * f2 * n / rate_hz), math.sin(2 * math.pi * f1 * n / rate_hz)
                value = (upper - lower) / (math.pi * n)
            out[band, k] = value * window[k]
    return out


def symlog(x: float) -> float:
    return math.copysign(math.log1p(abs(x)), x)


def strided(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """Return (O, frames // stride) of (C, frames): zeros before the start, the kernel ends where the group does.

    Where the kernel is shorter than the stride it begins where the group does instead.
    """
    outputs, channels, taps = weight.shape
    pad = max(0, taps - stride)
    out = np.zeros((outputs, x.shape[1] // stride))
    for t in range(out.shape[1]):
        for o in range(outputs):
            total = bias[o]
            for c in range(channels):
                for k in range(taps):
                    at = t * stride - pad + k
                    total += weight[o, c, k] * (x[c, at] if at >= 0 else 0.0)
            out[o, t] = total
    return out


def prelu(x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    return np.array([[v if v >= 0 else slope[c] * v for v in row] for c, row in enumerate(x)])


def block(x: np.ndarray, p: Weights, stride: int) -> np.ndarray:
    return prelu(strided(x, p["conv.weight"], p["conv.bias"], stride), p["activation.weight"])


def icnet(sound: np.ndarray, p: Weights, *, rate_hz: int, strides: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the bottleneck (C, frames) and the responses (units, frames) of a sound (samples,)."""
    sinc = under(p, "wav2spec.sincnet.")
    kernels = sinc_kernels(sinc["low_hz_"], sinc["band_hz_"], rate_hz, sinc["_window"][0])
    y = strided(sound[None], kernels[:, None], np.zeros(len(kernels)), 1)
    y = np.array([[symlog(v) for v in row] for row in y])
    for i, stride in enumerate(strides):
        y = block(y, under(p, f"wav2spec.encoder.{i}."), stride)
    bottleneck = block(y, under(p, "wav2spec.bottleneck."), 1)
    sums = p["decoder.weight"] @ bottleneck + p["decoder.bias"][:, None]
    return bottleneck, np.array([[softplus(v) for v in row] for row in sums])
