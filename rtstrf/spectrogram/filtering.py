"""What front-ends that filter every sample share: the clock, filtering, and pooling to one frame a hop."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import conv1d

from rtstrf.errors import ConfigError
from rtstrf.stream import State, StreamModule
from rtstrf.units import hop_samples as whole_hop

# Multiplications that are worth doing at once: what they read and write still lies in a processor's cache.
WORK_AT_ONCE = 400_000


class AudioRateFrontEnd(StreamModule):
    """A front-end whose filters run at the rate of the sound: subclasses define `advance`.

    Parameters
    ----------
    rate_hz : int
        Sample rate of the waveform.
    bin_ms : float
        Bin width; a whole hop, unless `hop_samples` is given.
    n_filters : int
        Bands F.
    hop_samples : int, optional
        For checkpoints whose bin was rounded.
    work_per_sample : int
        Multiplications of one filter for one sample. Long sounds are taken in pieces of so many frames that the
        filters' intermediate results stay small; the output is that of the whole.

    Notes
    -----
    Input (B, 1, samples) float, pascals; output (B, 1, F, T).
    """

    def __init__(
        self, rate_hz: int, bin_ms: float, n_filters: int, *, hop_samples: int | None, work_per_sample: int
    ) -> None:
        super().__init__()
        if n_filters < 1:
            raise ConfigError(f"{n_filters} filters of a front-end", remedy="at least 1")
        self.rate_hz = rate_hz
        self.hop = hop_samples if hop_samples is not None else whole_hop(rate_hz, bin_ms)
        self.n_filters = n_filters
        self.frames_at_once = max(1, WORK_AT_ONCE // (work_per_sample * self.hop))

    @property
    def samples_per_frame(self) -> int:  # type: ignore[override]
        return self.hop

    @property
    def out_channels(self) -> int:
        """Bands of the output."""
        return self.n_filters

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, 1, frames * self.hop)

    @abstractmethod
    def advance(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Advance by at most `frames_at_once` frames: (B, 1, samples) to (B, F, T)."""

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        parts = []
        for piece in x.split(self.frames_at_once * self.hop, dim=-1):
            y, state = self.advance(piece, state)
            parts.append(y)
        return torch.cat(parts, dim=-1).unsqueeze(1), state  # (B, F, T) -> (B, 1, F, T)


def samples_of(name: str, duration_ms: float, rate_hz: int) -> int:
    """Return the samples of a duration, at least one, or say which duration has none.

    Examples
    --------
    >>> samples_of("kernel_ms", 20.0, 44100)
    882
    """
    samples = round(rate_hz * duration_ms / 1000)
    if samples < 1:
        raise ConfigError(f"{name} of {duration_ms:g} ms is no sample at {rate_hz:g} Hz", remedy="make it longer")
    return samples


def filtered(x: Tensor, past: Tensor, kernels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sound through each kernel, at every sample, and the samples to keep.

    Parameters
    ----------
    x : Tensor, shape (B, 1, n)
    past : Tensor, shape (B, 1, K - 1)
        The samples before.
    kernels : Tensor, shape (G, K)
        As they meet the sound in order of time: the last tap meets the newest sample.

    Returns
    -------
    y : Tensor, shape (B, G, n)
    past : Tensor, shape (B, 1, K - 1)
    """
    joined = torch.cat([past, x], dim=-1)  # (B, 1, K - 1 + n)
    return conv1d(joined, kernels.unsqueeze(1)), joined[..., x.shape[-1] :].clone()


def pool_past(streams: int, bands: int, width: int, hop: int, like: Tensor) -> Tensor:
    """Return what `pooled` keeps before the first frame: zeros, as many columns as a window reaches over its bin."""
    return like.new_zeros(streams, bands, max(0, width - hop))


def pooled(columns: Tensor, past: Tensor, weights: Tensor | int, hop: int) -> tuple[Tensor, Tensor]:
    """Return one weighted sum a hop, over a window that ends with the hop, and the columns to keep.

    Parameters
    ----------
    columns : Tensor, shape (B, F, T hop)
    past : Tensor, shape (B, F, max(0, W - hop))
    weights : Tensor, shape (F, W), or int
        Newest last; an integer W stands for the mean.
    hop : int

    Returns
    -------
    y : Tensor, shape (B, F, T)
    past : Tensor
    """
    width = weights if isinstance(weights, int) else weights.shape[-1]
    joined = torch.cat([past, columns], dim=-1)
    windows = joined[..., max(0, hop - width) :].unfold(-1, width, hop)  # -> (B, F, T, W)
    y = windows.mean(-1) if isinstance(weights, int) else (windows @ weights.unsqueeze(-1)).squeeze(-1)
    return y, joined[..., columns.shape[-1] :].clone()


def power_of(energy: Tensor, exponent: float) -> Tensor:
    """Return energy^exponent for energies of 0 and more, with gradient 0, not infinite, at 0: silence is common.

    Examples
    --------
    >>> power_of(torch.tensor([0.0, 8.0]), 1 / 3).round(decimals=4)
    tensor([0., 2.])
    """
    silent = energy == 0  # not "energy > 0": a NaN must stay one
    powers = torch.where(silent, torch.ones_like(energy), energy).pow(exponent)
    return torch.where(silent, torch.zeros_like(energy), powers)
