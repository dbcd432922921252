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

from rtstrf.stream import State


def initial_decay_state(streams: int, channels: int, bands: int, taps: int, like: Tensor) -> State:
    """Return the state of `exponential_mean` before the first frame.

    The delay line is a ring, frame by frame: a step touches only the frames that enter and those that fall out, so
    its cost does not grow with the window. Frames before a stream's first one are taken to equal it (replicate
    start); they are not written, but known by each stream's own count of frames.
    """
    return {
        "ring": like.new_zeros(streams, taps, bands),
        "first": like.new_zeros(streams, bands),
        "sum": torch.zeros(streams, channels, bands, dtype=torch.float64, device=like.device),
        "frames": torch.zeros(streams, dtype=torch.int64, device=like.device),
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
        ``ring`` (B, n, F) and ``first`` (B, F) in the dtype of x, ``sum`` (B, C, F) float64, ``frames`` (B,) int64.

    Returns
    -------
    mean : Tensor, shape (B, C, F, T), dtype of x
        m_t; before the first frame the past is taken to equal it.
    state : dict
    """
    frames = x.shape[-1]
    count = state["frames"]  # (B,), int64: exact for ever
    started = (count > 0).unsqueeze(-1)  # (B, 1)
    first = torch.where(started, state["first"], x[..., 0])  # (B, F)
    fresh = first.double().unsqueeze(1) * past.total  # (B, 1, F) * (C, F) -> (B, C, F)
    running = torch.where(started.unsqueeze(-1), state["sum"], fresh)
    leaving, ring = exchange(x, state["ring"], first, count)  # (B, F, T)
    # What enters and what falls out, (B, C, F, T).
    change = x.double().unsqueeze(1) - leaving.double().unsqueeze(1) * past.beyond.unsqueeze(-1)
    sums = decayed_sums(torch.cat([running.unsqueeze(-1), change], dim=-1), past.decay)  # (B, C, F, T + 1)
    mean = sums[..., :frames] / past.total.unsqueeze(-1)  # (B, C, F, T)
    new_state = {"ring": ring, "first": first.clone(), "sum": sums[..., frames].clone(), "frames": count + frames}
    return mean.to(x.dtype), new_state


def exchange(x: Tensor, ring: Tensor, first: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Let frames into a delay line and return those that fall out of it.

    Parameters
    ----------
    x : Tensor, shape (B, F, T)
        The frames that enter.
    ring : Tensor, shape (B, n, F)
        The last n frames; frame t lies at t mod n.
    first : Tensor, shape (B, F)
        Stands for the frames before the start.
    count : Tensor, shape (B,), int64
        Frames so far.

    Returns
    -------
    leaving : Tensor, shape (B, F, T)
        For each frame that enters, the one n frames before it.
    ring : Tensor, shape (B, n, F)
    """
    taps, frames = ring.shape[1], x.shape[-1]
    old = min(taps, frames)  # so many come from the ring, the rest from x itself
    lane = torch.arange(ring.shape[0], device=ring.device).unsqueeze(-1)  # (B, 1)
    reached = count.unsqueeze(-1) + torch.arange(old, device=ring.device)  # (B, old): their place in time, plus n
    kept = ring[lane, reached % taps]  # (B, old, F)
    kept = torch.where((reached >= taps).unsqueeze(-1), kept, first.unsqueeze(1))
    leaving = torch.cat([kept.transpose(1, 2), x[..., : frames - old]], dim=-1)
    entering = x[..., frames - old :].transpose(1, 2)  # (B, old, F)
    return leaving, ring.index_put((lane, (reached + frames - old) % taps), entering)


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
