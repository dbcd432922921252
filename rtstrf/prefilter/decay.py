"""The truncated exponential mean that adaptation subtracts, one frame at a time and exact.

    m_t = sum_{i=0}^{n-1} a^i x_{t-1-i} / sum_{i=0}^{n-1} a^i            (n taps, the current frame excluded)

Written as a recursion it costs the same whatever n is, but dropping the tail needs the frame that falls out of the
window, hence a delay line of n frames:

    S_{t+1} = a S_t + x_t - a^n x_{t-n}

The sum is kept in float64 even in a float32 model: the recursion adds and subtracts for hours, and in float32 what
should cancel does not. Without the delay line it would be another filter (5 % off at a bin of 1 ms).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rtstrf.stream import State, per_stream


def initial_decay_state(streams: int, channels: int, bands: int, taps: int, like: Tensor) -> State:
    """Return the state of `exponential_mean` before the first frame.

    The line and the sum start at zero and are overwritten on a stream's first frame (replicate start), which is why
    each stream carries its own `started`.
    """
    return {
        "line": like.new_zeros(streams, bands, taps),
        "sum": torch.zeros(streams, channels, bands, dtype=torch.float64, device=like.device),
        "started": torch.zeros(streams, dtype=torch.bool, device=like.device),
    }


@dataclass(frozen=True, slots=True)
class TruncatedDecay:
    """How much of the past counts, and what follows from that alone.

    Attributes
    ----------
    decay : Tensor, shape (C, F), float64
        Decay a per frame of each channel and band, in (0, 1].
    taps : int
        Frames n of the past that count.
    total : Tensor, shape (C, F), float64
        Their weights' sum.
    beyond : Tensor, shape (C, F), float64
        a^n, the weight at which a frame falls out of the window.
    """

    decay: Tensor
    taps: int
    total: Tensor
    beyond: Tensor

    @classmethod
    def of(cls, decay: Tensor, taps: int) -> TruncatedDecay:
        """Return it for decays, shape (C, F), float64."""
        # By addition, so that it also holds at a = 1.
        total = decay.unsqueeze(-1).pow(torch.arange(taps, device=decay.device)).sum(-1)
        return cls(decay, taps, total, decay.pow(taps))


def exponential_mean(x: Tensor, past: TruncatedDecay, state: State) -> tuple[Tensor, State]:
    """Return the mean of the past that each channel remembers, for every frame.

    Parameters
    ----------
    x : Tensor, shape (B, F, T), float
        Frames.
    past : TruncatedDecay
        Of C channels and F bands.
    state : dict
        ``line`` (B, F, n) in the dtype of x, ``sum`` (B, C, F) float64, ``started`` (B,) bool.

    Returns
    -------
    mean : Tensor, shape (B, C, F, T), dtype of x
        m_t; before the first frame the past is taken to equal it.
    state : dict
    """
    frames = x.shape[-1]
    first = x[..., :1]  # (B, F, 1)
    started = state["started"]
    line = torch.where(per_stream(started, state["line"]), state["line"], first)
    fresh = first.squeeze(-1).double().unsqueeze(1) * past.total  # (B, 1, F) * (C, F) -> (B, C, F)
    running = torch.where(per_stream(started, state["sum"]), state["sum"], fresh)

    line = torch.cat([line, x], dim=-1)  # (B, F, n + T)
    leaving = line[..., :frames].double().unsqueeze(1) * past.beyond.unsqueeze(-1)  # -> (B, C, F, T)
    change = x.double().unsqueeze(1) - leaving  # what enters and what falls out, (B, C, F, T)
    sums = decayed_sums(torch.cat([running.unsqueeze(-1), change], dim=-1), past.decay)  # (B, C, F, T + 1)
    mean = sums[..., :frames] / past.total.unsqueeze(-1)  # (B, C, F, T)
    new_state = {
        "line": line[..., frames:].clone(),
        "sum": sums[..., frames].clone(),
        "started": torch.ones_like(started),
    }
    return mean.to(x.dtype), new_state


def decayed_sums(terms: Tensor, decay: Tensor) -> Tensor:
    """Return S_k = sum_{j<=k} a^(k-j) terms_j along the last axis, by doubling: log2(T) steps instead of T.

    Shifts and additions only: a matrix of powers would multiply later frames by zero, and so let a NaN flow backwards.

    Parameters
    ----------
    terms : Tensor, shape (B, C, F, T), float64
    decay : Tensor, shape (C, F), float64

    Returns
    -------
    sums : Tensor, shape (B, C, F, T), float64
    """
    shift, weight = 1, decay.unsqueeze(-1)
    while shift < terms.shape[-1]:
        terms = torch.cat([terms[..., :shift], terms[..., shift:] + weight * terms[..., :-shift]], dim=-1)
        shift, weight = 2 * shift, weight.square()
    return terms


def taps_for(tau_ms: float, bin_ms: float) -> int:
    """Return the frames of past that three time constants span, at least one.

    Examples
    --------
    >>> taps_for(216.6, 5.0)
    130
    """
    return max(1, round(3 * tau_ms / bin_ms))
