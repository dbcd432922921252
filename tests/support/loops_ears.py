"""The front-ends that filter every sample, in plain loops over float64 numpy, from their formulas alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tests.support.loops import sigmoid, softplus

Weights = dict[str, np.ndarray]


def correlate(samples: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return (samples,): the kernel's last tap on each sample, zeros before the sound."""
    taps = len(kernel)
    out = np.zeros(len(samples))
    for n in range(len(samples)):
        out[n] = sum(kernel[j] * samples[n - (taps - 1) + j] for j in range(taps) if n - (taps - 1) + j >= 0)
    return out


def pool(column: np.ndarray, hop: int, weights: np.ndarray) -> np.ndarray:
    """Return one weighted sum a hop over the window that ends with it, newest last, zeros before the sound."""
    width = len(weights)
    out = []
    for end in range(hop, len(column) + 1, hop):
        places = [(end - width + j, weights[j]) for j in range(width)]
        out.append(sum(weight * column[at] for at, weight in places if at >= 0))
    return np.array(out)


def pcen(energy: np.ndarray, s: float, alpha: float, delta: float, root: float) -> np.ndarray:
    """Return (frames,) of one band."""
    mean, out = 0.0, []
    for e in energy:
        mean = (1 - s) * mean + s * e
        out.append((e / (1e-6 + mean) ** alpha + delta) ** root - delta**root)
    return np.array(out)


def gammatone(
    samples: np.ndarray,
    kernels: np.ndarray,
    hop: int,
    window: int,
    rectify: Callable[[np.ndarray], np.ndarray],
    compress: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return (bands, frames); `compress` takes the energies of one band."""
    box = np.full(window, 1 / window)
    return np.array([compress(pool(rectify(correlate(samples, kernel)), hop, box)) for kernel in kernels])


def biquad(x: np.ndarray, b: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the recursion b0 x_n + b1 x_{n-1} + b2 x_{n-2} - a1 y_{n-1} - a2 y_{n-2}, all over a0."""
    y = np.zeros(len(x))
    for n in range(len(x)):
        total = 0.0
        for k in range(3):
            if n - k >= 0:
                total += b[k] * x[n - k]
                if k:
                    total -= a[k] * y[n - k]
        y[n] = total / a[0]
    return y


def gammatonegram(
    samples: np.ndarray, p: Weights, hop: int, window: int, compress: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return (bands, frames): sample by sample through four sections, then the mean square of each bin's beginning."""
    out = []
    for f in range(len(p["gain"])):
        y = samples
        for section in ("b1", "b2", "b3", "b4"):
            y = biquad(y, p[section][f], p["a_coeffs"][f])
        y = y / p["gain"][f]
        begins = range(0, len(samples), hop)
        out.append(compress(np.array([math.sqrt(sum(y[at : at + window] ** 2) / window) for at in begins])))
    return np.array(out)


def sinc(p: Weights, rate_hz: float) -> np.ndarray:
    """Return (bands, taps)."""
    taps = p["_n"].shape[1]
    out = np.zeros((len(p["low_hz_"]), taps))
    for f in range(len(out)):
        f1 = min(max(abs(p["low_hz_"][f]), 1.0), rate_hz / 2 - 1)
        f2 = min(f1 + abs(p["band_hz_"][f]), rate_hz / 2)
        for j in range(taps):
            n = j - (taps - 1) / 2
            if n == 0:
                h = 2 * (f2 - f1) / rate_hz
            else:
                h = (math.sin(2 * math.pi * f2 * n / rate_hz) - math.sin(2 * math.pi * f1 * n / rate_hz)) / (
                    math.pi * n
                )
            out[f, j] = h * p["_window"][0, j]
    return out


def strided(samples: np.ndarray, kernel: np.ndarray, hop: int) -> np.ndarray:
    """Return one product a hop: with the window that ends with the bin, or a shorter one at its beginning."""
    taps = len(kernel)
    out = []
    for begin in range(0, len(samples), hop):
        first = begin + hop - taps if taps >= hop else begin
        out.append(sum(kernel[j] * samples[first + j] for j in range(taps) if first + j >= 0))
    return np.array(out)


def leaf(samples: np.ndarray, p: Weights, hop: int) -> np.ndarray:
    """Return (bands, frames)."""
    taps, width = p["_n"].shape[1], p["_pool_j"].shape[1]
    out = []
    for f in range(len(p["center_freq_"])):
        sigma = max(softplus(p["gabor_sigma_raw"][f]), 1.0)
        omega = min(max(p["center_freq_"][f], 0.01), math.pi)
        n = [j - (taps - 1) / 2 for j in range(taps)]
        bell = np.array([math.exp(-(k**2) / (2 * sigma**2)) for k in n])
        bell = bell / max(bell.sum(), 1e-8)
        real = correlate(samples, bell * np.array([math.cos(omega * k) for k in n]))
        imaginary = correlate(samples, bell * np.array([math.sin(omega * k) for k in n]))
        spread = max(softplus(p["pool_sigma_raw"][f]), 0.5)
        weights = np.array([math.exp(-(((width - 1 - j) / spread) ** 2) / 2) for j in range(width)])
        energy = pool(np.sqrt(real**2 + imaginary**2 + 1e-9), hop, weights / weights.sum())
        out.append(
            pcen(
                energy,
                float(sigmoid(p["pcen_s_logit"][f])),
                softplus(p["pcen_alpha_raw"][f]),
                softplus(p["pcen_delta_raw"][f]),
                max(softplus(p["pcen_root_raw"][f]), 1e-3),
            )
        )
    return np.array(out)
