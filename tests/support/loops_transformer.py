"""The Transformer once more, frame by frame in float64 numpy from its formulas: slow, and nothing shared."""

from __future__ import annotations

import math

import numpy as np

from tests.support.loops import normalise
from tests.support.loops_cells import matvec

Weights = dict[str, np.ndarray]


def patchify(x: np.ndarray, p: Weights) -> np.ndarray:
    """Return tokens (frames, E F_p) of a spectrogram (C, F, frames); zeros before it."""
    numbers, channels, per_patch, per_token = p["weight"].shape
    patches = x.shape[1] // per_patch
    out = np.zeros((x.shape[2], numbers * patches))
    for t in range(x.shape[2]):
        for e in range(numbers):
            for patch in range(patches):
                total = p["bias"][e]
                for c in range(channels):
                    for f in range(per_patch):
                        for k in range(per_token):
                            at = t - (per_token - 1) + k
                            total += p["weight"][e, c, f, k] * (x[c, patch * per_patch + f, at] if at >= 0 else 0.0)
                out[t, e * patches + patch] = total
    return out


def positions(frames: int, div_term: np.ndarray, first: int = 0) -> np.ndarray:
    """Return (frames, D) of sines and cosines in turn."""
    out = np.zeros((frames, 2 * len(div_term)))
    for t in range(frames):
        for i, rate in enumerate(div_term):
            out[t, 2 * i] = math.sin((first + t) * rate)
            out[t, 2 * i + 1] = math.cos((first + t) * rate)
    return out


def attention(x: np.ndarray, p: Weights, heads: int, window: int | None) -> np.ndarray:
    """Return (frames, D) of tokens (frames, D); frame i sees j where 0 <= i - j < window, or all j <= i."""
    frames, width = x.shape
    per_head = width // heads
    qkv = np.array([matvec(p["in_proj_weight"], row) + p["in_proj_bias"] for row in x])
    out = np.zeros_like(x)
    for i in range(frames):
        read = np.zeros(width)
        for head in range(heads):
            own = slice(head * per_head, (head + 1) * per_head)
            q = qkv[i, :width][own]
            seen = range(0 if window is None else max(0, i - window + 1), i + 1)
            scores = [float(q @ qkv[j, width : 2 * width][own]) / math.sqrt(per_head) for j in seen]
            largest = max(scores)
            shares = [math.exp(score - largest) for score in scores]
            for share, j in zip(shares, seen, strict=True):
                read[own] += share / sum(shares) * qkv[j, 2 * width :][own]
        out[i] = matvec(p["out_proj.weight"], read) + p["out_proj.bias"]
    return out


def layer(x: np.ndarray, p: Weights, heads: int, window: int | None) -> np.ndarray:
    y = x + attention(x, under(p, "self_attn."), heads, window)
    y = np.array([normalise(row, p["norm1.weight"], p["norm1.bias"]) for row in y])
    out = []
    for row in y:
        inner = np.maximum(0.0, matvec(p["linear1.weight"], row) + p["linear1.bias"])
        outer = row + matvec(p["linear2.weight"], inner) + p["linear2.bias"]
        out.append(normalise(outer, p["norm2.weight"], p["norm2.bias"]))
    return np.array(out)


def transformer(
    x: np.ndarray, p: Weights, *, heads: int, layers: int, window: int | None, first: int = 0
) -> np.ndarray:
    """Return sums (units, frames) before any activation, of a spectrogram (C, F, frames) whose frame 0 is `first`."""
    y = patchify(x, under(p, "patchify."))
    y = y + positions(len(y), p["pos_encoding.div_term"], first)
    for i in range(layers):
        y = layer(y, under(p, f"tsfm.layers.{i}."), heads, window)
    return np.array([matvec(p["readout.fc.weight"], row) + p["readout.fc.bias"] for row in y]).T


def under(p: Weights, prefix: str) -> Weights:
    return {key.removeprefix(prefix): value for key, value in p.items() if key.startswith(prefix)}
