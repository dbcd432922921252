"""Every stage once more, in plain loops over float64 numpy, from its formula alone: slow, and nothing shared."""

from __future__ import annotations

import math

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


# ---- mel ------------------------------------------------------------------------------------------------------------


def hz_of_mel(mel: float, scale: str) -> float:
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    if mel < 15.0:
        return mel * 200.0 / 3.0
    return 1000.0 * 6.4 ** ((mel - 15.0) / 27.0)


def mel_of_hz(hz: float, scale: str) -> float:
    if scale == "htk":
        return 2595.0 * math.log10(1.0 + hz / 700.0)
    if hz < 1000.0:
        return hz * 3.0 / 200.0
    return 15.0 + 27.0 * math.log(hz / 1000.0) / math.log(6.4)


def hann(win: int) -> np.ndarray:
    return np.array([0.5 - 0.5 * math.cos(2 * math.pi * n / (win - 1)) for n in range(win)])


def triangles(labels_hz: list[float], bands: int, f_min_hz: float, f_max_hz: float, scale: str) -> np.ndarray:
    """Return (bins, bands): straight lines up to each band's centre and down to the next."""
    low, high = mel_of_hz(f_min_hz, scale), mel_of_hz(f_max_hz, scale)
    corners = [hz_of_mel(low + (high - low) * k / (bands + 1), scale) for k in range(bands + 2)]
    bank = np.zeros((len(labels_hz), bands))
    for row, hz in enumerate(labels_hz):
        for band in range(bands):
            left, centre, right = corners[band : band + 3]
            if left < hz <= centre:
                bank[row, band] = (hz - left) / (centre - left)
            elif centre < hz < right:
                bank[row, band] = (right - hz) / (right - centre)
    return bank


def mel(samples: np.ndarray, hop: int, window: np.ndarray, bank: np.ndarray, *, magnitude: str, compress) -> np.ndarray:
    """Return (bands, frames): the discrete Fourier transform by its definition, zeros before the sound."""
    win = len(window)
    frames = len(samples) // hop
    out = np.zeros((bank.shape[1], frames))
    for t in range(frames):
        piece = [samples[i] if i >= 0 else 0.0 for i in range((t + 1) * hop - win, (t + 1) * hop)]
        for k in range(win // 2 + 1):
            real = sum(piece[n] * window[n] * math.cos(2 * math.pi * k * n / win) for n in range(win))
            imaginary = sum(-piece[n] * window[n] * math.sin(2 * math.pi * k * n / win) for n in range(win))
            energy = real * real + imaginary * imaginary
            out[:, t] += bank[k] * (energy if magnitude == "power" else math.sqrt(energy))
        for band in range(len(out)):
            out[band, t] = compress(out[band, t])
    return out


# ---- AdapTrans ------------------------------------------------------------------------------------------------------


def adaptrans(x: np.ndarray, a_on: np.ndarray, a_off: np.ndarray, w: np.ndarray, taps: int) -> np.ndarray:
    """Return (2, bands, frames): each mean summed anew over its taps, the first frame repeated before the sound."""
    bands, frames = x.shape
    out = np.zeros((2, bands, frames))
    for f in range(bands):
        for t in range(frames):
            means = []
            for a in (a_on[f], a_off[f]):
                weighted = weights = 0.0
                for i in range(taps - 1):
                    weighted += a**i * x[f, max(t - 1 - i, 0)]
                    weights += a**i
                means.append(weighted / weights)
            out[0, f, t] = max(0.0, x[f, t] - w[f] * means[0])
            out[1, f, t] = max(0.0, means[1] - w[f] * x[f, t])
    return out


# ---- StateNet -------------------------------------------------------------------------------------------------------


def normalise(channels: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    mean = sum(channels) / len(channels)
    variance = sum((c - mean) ** 2 for c in channels) / len(channels)
    return (channels - mean) / math.sqrt(variance + 1e-5) * weight + bias


def encode(frame: np.ndarray, p: dict[str, np.ndarray], connectivity: str, kernel: int, stride: int) -> np.ndarray:
    """Return the hidden inputs (O L,) of one frame (C, F), channel-major."""
    channels, bands = frame.shape
    places = (bands - kernel) // stride + 1
    norm = "encoder_layers.3.ln" if connectivity == "FC" else "encoder_layers.1.ln"
    out_channels = len(p[f"{norm}.weight"])
    y = np.zeros((out_channels, places))
    for o in range(out_channels):
        for place in range(places):
            if connectivity == "FC":
                row = o * places + place
                total = p["encoder_layers.1.bias"][row]
                for c in range(channels):
                    for f in range(bands):
                        total += p["encoder_layers.1.weight"][row, c * bands + f] * frame[c, f]
            else:
                lc = connectivity == "LC"
                total = p["encoder_layers.0.biases"][o, place] if lc else p["encoder_layers.0.bias"][o]
                for c in range(channels):
                    for k in range(kernel):
                        if lc:
                            weight = p["encoder_layers.0.weights"][o, c * kernel + k, place]
                        else:
                            weight = p["encoder_layers.0.weight"][o, c, k]
                        total += weight * frame[c, place * stride + k]
            y[o, place] = total
    for place in range(places):
        y[:, place] = normalise(y[:, place], p[f"{norm}.weight"], p[f"{norm}.bias"])
    return sigmoid(y).reshape(-1)


def gru(inputs: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    """Return (frames, hidden) of inputs (frames, inputs): gates in the order r, z, n; the state starts at zero."""
    hidden = p["weight_hh_l0"].shape[1]
    h = np.zeros(hidden)
    out = []
    for x in inputs:
        from_input = [sum(w * v for w, v in zip(row, x, strict=True)) for row in p["weight_ih_l0"]] + p["bias_ih_l0"]
        from_state = [sum(w * v for w, v in zip(row, h, strict=True)) for row in p["weight_hh_l0"]] + p["bias_hh_l0"]
        r = sigmoid(from_input[:hidden] + from_state[:hidden])
        z = sigmoid(from_input[hidden : 2 * hidden] + from_state[hidden : 2 * hidden])
        n = np.tanh(from_input[2 * hidden :] + r * from_state[2 * hidden :])
        h = (1 - z) * n + z * h
        out.append(h)
    return np.array(out)


def softplus(x: float) -> float:
    return x if x > 20 else math.log1p(math.exp(x))  # torch's, which is the identity above 20


def parametric_softplus(x: np.ndarray, raw_beta: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Return (units, frames) of (units, frames)."""
    out = np.zeros_like(x)
    for n in range(x.shape[0]):
        beta = softplus(raw_beta[n])
        for t in range(x.shape[1]):
            out[n, t] = softplus(beta * x[n, t]) / beta + baseline[n]
    return out


def readout(hidden: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    """Return (units, frames) of the states (frames, hidden)."""
    sums = np.array(
        [
            [sum(w * v for w, v in zip(row, h, strict=True)) + b for h in hidden]
            for row, b in zip(p["fc.weight"], p["fc.bias"], strict=True)
        ]
    )
    baseline = np.array([softplus(raw) for raw in p["activation._raw_b"]])
    return parametric_softplus(sums, p["activation._raw_beta"], baseline)
