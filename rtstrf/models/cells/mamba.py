"""The selective state space layer (Mamba), one block without residual or norm."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu, softplus

from rtstrf.models.activations import inverse_softplus
from rtstrf.models.scan import CHUNK_FRAMES, linear_scan
from rtstrf.stream import State, StreamModule

STATES = 16
TAPS = 4


class Mamba(StreamModule):
    """A selective state space layer: what it remembers, and for how long, depends on the sound.

    [x; z] = W_in u; x = silu(causal depthwise convolution of x over 4 frames); (d, B, C) = W_x x;
    delta = softplus(W_dt d + b); h = exp(delta A) h + delta x B, with A = -exp(A_log); y = h C + D x;
    output = W_out (y silu(z)).

    Parameters
    ----------
    inputs, hidden : int
        Width of the input and of the output; the two are equal in a StateNet, and must be.

    Notes
    -----
    Input (B, H, T), output (B, H, T); inside, E = 2 H channels of 16 states each. State: ``past`` (B, E, 3), the last
    frames before the convolution, and ``h`` (B, E, 16); zeros at the start. No delay. Weights named as in mambapy 1.2:
    ``in_proj.weight`` (2E, H), ``conv1d.{weight (E, 1, 4),bias}``, ``x_proj.weight`` (R + 32, E),
    ``dt_proj.{weight (E, R),bias}``, ``A_log`` (E, 16), ``D`` (E,), ``out_proj.weight`` (H, E), R = ceil(H / 16).

    The recurrence of many frames is a scan (`rtstrf.models.scan.linear_scan`), a chunk of them at a time; its decays
    are below 1, so it forgets its rounding errors.

    Source: Gu and Dao 2023, arXiv 10.48550/arXiv.2312.00752.

    Examples
    --------
    >>> Mamba(6, 6)(torch.zeros(2, 6, 3)).shape
    torch.Size([2, 6, 3])
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        channels = 2 * hidden
        self.rank = math.ceil(hidden / 16)
        self.in_proj = nn.Linear(inputs, 2 * channels, bias=False)
        self.conv1d = nn.Conv1d(channels, channels, TAPS, groups=channels)
        self.x_proj = nn.Linear(channels, self.rank + 2 * STATES, bias=False)
        self.dt_proj = nn.Linear(self.rank, channels)
        self.A_log = nn.Parameter(torch.arange(1.0, STATES + 1).log().repeat(channels, 1))
        self.D = nn.Parameter(torch.ones(channels))
        self.out_proj = nn.Linear(channels, hidden, bias=False)
        # Time steps spread evenly in their logarithm over 0.001 to 0.1, as the paper starts them.
        steps = torch.exp(torch.empty(channels).uniform_(math.log(1e-3), math.log(1e-1)))
        with torch.no_grad():
            self.dt_proj.weight.uniform_(-(self.rank**-0.5), self.rank**-0.5)
            self.dt_proj.bias.copy_(inverse_softplus(steps))

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"small": lambda: cls(6, 6), "two-ranks": lambda: cls(20, 20)}

    @property
    def channels(self) -> int:
        """Inner channels E."""
        return self.D.shape[0]

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.in_proj.in_features, frames)

    def initial_state(self, streams: int) -> State:
        return {
            "past": self.D.new_zeros(streams, self.channels, TAPS - 1),
            "h": self.D.new_zeros(streams, self.channels, STATES),
        }

    def step(self, u: Tensor, state: State) -> tuple[Tensor, State]:
        frames = u.shape[-1]
        x, gate = self.in_proj(u.transpose(1, 2)).chunk(2, dim=-1)  # (B, H, T) -> (B, T, E) twice
        line = torch.cat([state["past"], x.transpose(1, 2)], dim=-1)  # (B, E, 3 + T)
        windows = line.unfold(-1, TAPS, 1)  # -> (B, E, T, 4)
        x = (windows * self.conv1d.weight).sum(-1).transpose(1, 2)  # (E, 1, 4) -> (B, T, E)
        x = silu(x + self.conv1d.bias)  # type: ignore[operator]
        d, b, c = self.x_proj(x).split([self.rank, STATES, STATES], dim=-1)  # (B, T, R), (B, T, 16) twice
        delta = softplus(linear(d, self.dt_proj.weight, self.dt_proj.bias))  # (B, T, E)
        h, parts = state["h"], []
        rates = -self.A_log.exp()  # (E, 16)
        for some in range(0, frames, CHUNK_FRAMES):
            now = slice(some, some + CHUNK_FRAMES)
            decay = torch.exp(delta[:, now].unsqueeze(-1) * rates)  # (B, n, E, 16)
            terms = (delta[:, now] * x[:, now]).unsqueeze(-1) * b[:, now].unsqueeze(-2)  # (B, n, E, 16)
            states = linear_scan(decay, terms, h)
            h = states[:, -1]
            parts.append((states @ c[:, now].unsqueeze(-1)).squeeze(-1))  # (B, n, E, 16) (B, n, 16, 1) -> (B, n, E)
        y = torch.cat(parts, dim=1) + self.D * x  # (B, T, E)
        out = self.out_proj(y * silu(gate)).transpose(1, 2).contiguous()  # -> (B, H, T)
        return out, {"past": line[..., frames:].clone(), "h": h.clone()}
