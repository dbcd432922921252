"""The models with receptive fields once more, in plain loops over float64 numpy, from their formulas alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tests.support.loops import normalise, sigmoid, softplus

Weights = dict[str, np.ndarray]


def ic_adaptation(x: np.ndarray, a: np.ndarray, taps: int) -> np.ndarray:
    """Return (bands, frames): the mean summed anew over its taps, the first frame repeated before the sound."""
    out = np.zeros_like(x)
    for f in range(x.shape[0]):
        for t in range(x.shape[1]):
            weighted = weights = 0.0
            for i in range(taps - 1):
                weighted += a[f] ** i * x[f, max(t - 1 - i, 0)]
                weights += a[f] ** i
            out[f, t] = max(0.0, x[f, t] - weighted / weights)
    return out


def gaussians(p: Weights, bands: int, frames: int) -> np.ndarray:
    """Return (O, C, F, T) of the places, widths and weights of Gaussians on the grid."""
    outputs, channels, count = p["weight"].shape
    kernel = np.zeros((outputs, channels, bands, frames))
    for o in range(outputs):
        for c in range(channels):
            for g in range(count):
                bump = np.zeros((bands, frames))
                for f in range(bands):
                    for t in range(frames):
                        df = (f - p["P"][0, o, c, g]) / (abs(p["SIG"][0, o, c, g]) + 0.27)
                        dt = (t - p["P"][1, o, c, g]) / (abs(p["SIG"][1, o, c, g]) + 0.27)
                        bump[f, t] = math.exp(-(df**2) / 2 - dt**2 / 2)
                kernel[o, c] += p["weight"][o, c, g] * bump / (bump.sum() + 1e-7)
    return kernel


def strf(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return (O, frames) of (C, F, frames): the last column of the kernel meets the current frame."""
    outputs, channels, bands, window = kernel.shape
    out = np.zeros((outputs, x.shape[-1]))
    for o in range(outputs):
        for t in range(x.shape[-1]):
            total = bias[o]
            for k in range(window):
                at = t - (window - 1) + k
                if at >= 0:
                    for c in range(channels):
                        for f in range(bands):
                            total += kernel[o, c, f, k] * x[c, f, at]
            out[o, t] = total
    return out


def spectral_then_temporal(x: np.ndarray, p: Weights) -> np.ndarray:
    """Return (O, frames): zeros before the sound, then a convolution over frequency, then one over time for each."""
    over_frequency, over_time = p["0.weight"][..., 0], p["1.weight"][:, 0, 0]  # (M, C, F), (M, T)
    window = over_time.shape[1]
    padded = np.concatenate([np.zeros((*x.shape[:2], window - 1)), x], axis=-1)
    inner = np.zeros((len(over_frequency), padded.shape[-1]))
    for m in range(len(inner)):
        for t in range(padded.shape[-1]):
            inner[m, t] = p["0.bias"][m] + (over_frequency[m] * padded[:, :, t]).sum()
    out = np.zeros((len(inner), x.shape[-1]))
    for m in range(len(inner)):
        for t in range(x.shape[-1]):
            out[m, t] = p["1.bias"][m] + sum(over_time[m, k] * inner[m, t + k] for k in range(window))
    return out


def batch_norm(y: np.ndarray, p: Weights) -> np.ndarray:
    """Return (N, frames) through the norm's running mean and variance."""
    out = np.zeros_like(y)
    for n in range(len(y)):
        spread = math.sqrt(p["bn.running_var"][n] + 1e-5)
        out[n] = (y[n] - p["bn.running_mean"][n]) / spread * p["bn.weight"][n] + p["bn.bias"][n]
    return out


def layer_norm(y: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return (H, frames), each frame normed over its H channels."""
    return np.stack([normalise(y[:, t], weight, bias) for t in range(y.shape[1])], axis=1)


def decay(h: np.ndarray, d: np.ndarray, taps: int, decay_input: bool) -> np.ndarray:
    """Return (H, frames): each unit summed over its last taps, the first frame repeated before the sound."""
    out = np.zeros_like(h)
    for unit in range(len(h)):
        rate = 1 / (1 + d[unit] ** 2)
        for t in range(h.shape[1]):
            total = sum((1 - rate) ** j * h[unit, max(t - j, 0)] for j in range(taps))
            out[unit, t] = total * (rate if decay_input else 1.0)
    return out


def dense(h: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return (N, frames) of (H, frames)."""
    return np.array([[sum(row * h[:, t]) + b for t in range(h.shape[1])] for row, b in zip(weight, bias, strict=True)])


def leaky(y: np.ndarray) -> np.ndarray:
    return np.where(y > 0, y, 0.1 * y)


def conv_stack(x: np.ndarray, p: Weights) -> np.ndarray:
    """Return (C F', frames): all the zeros that three kernels need before the sound, then nothing but convolution."""
    over_frames = p["1.weight"].shape[-1]
    y = np.concatenate([np.zeros((*x.shape[:2], 3 * (over_frames - 1))), x], axis=-1)
    for layer in (1, 4, 7):
        y = _convolve(y, p[f"{layer}.weight"], p[f"{layer}.bias"])
        for f in range(y.shape[1]):
            y[:, f] = layer_norm(y[:, f], p[f"{layer + 1}.ln.weight"], p[f"{layer + 1}.ln.bias"])
        y = leaky(y)
    return y.reshape(-1, y.shape[-1])


def _convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    outputs, _, over_bands, over_frames = weight.shape
    y = np.zeros((outputs, x.shape[1] - over_bands + 1, x.shape[2] - over_frames + 1))
    for o in range(outputs):
        for f in range(y.shape[1]):
            for t in range(y.shape[2]):
                y[o, f, t] = (weight[o] * x[:, f : f + over_bands, t : t + over_frames]).sum() + bias[o]
    return y


def each(x: np.ndarray, function: Callable[[int, float], float]) -> np.ndarray:
    """Return (N, frames), the function given the unit and the number."""
    return np.array([[function(n, value) for value in row] for n, row in enumerate(x)])


def parametric_sigmoid(x: np.ndarray, p: Weights, positive: bool) -> np.ndarray:
    kept = softplus if positive else float
    base = [kept(raw) for raw in p["_raw_a"]] if "_raw_a" in p else [0.0] * len(x)
    return each(x, lambda n, v: kept(p["_raw_b"][n]) * sigmoid((v - p["c"][n]) / p["d"][n]) + base[n])


def double_exponential(x: np.ndarray, p: Weights, positive: bool) -> np.ndarray:
    kept = softplus if positive else float
    base = [kept(raw) for raw in p["_raw_b"]] if "_raw_b" in p else [0.0] * len(x)
    return each(x, lambda n, v: kept(p["_raw_a"][n]) * math.exp(-math.exp(p["k"][n] * v - p["s"][n])) + base[n])
