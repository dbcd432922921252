"""Where a frame lies in its sound, told to a model that would not know otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rtstrf.errors import ConfigError
from rtstrf.stream import State, StreamModule


class SinusoidalPositions(StreamModule):
    """Add sines and cosines of the frame's number since the start of its stream.

    pe[2 i] = sin(t d_i), pe[2 i + 1] = cos(t d_i), d_i = 10000^(-2 i / D).

    Parameters
    ----------
    width : int
        Length D of a token; even.
    deepstrf_phase : bool
        Multiply t by d_i in the model's own precision, as deepSTRF 0.1.0 does: in float32 2.4e-4 wrong after a minute
        at 5 ms, and meaningless after a day. False: the product and its sine are taken in float64, the cast comes last.

    Notes
    -----
    Input and output (B, D, T). State: ``t`` (B,) int64, the frames so far, 0 at the start; it counts for longer than a
    lab exists. No delay. Weights: the buffer ``div_term`` (D / 2,), the d_i.

    Source: Vaswani et al. 2017, arXiv 10.48550/arXiv.1706.03762.

    Raises
    ------
    ConfigError
        If D is odd.

    Examples
    --------
    >>> SinusoidalPositions(4)(torch.zeros(1, 4, 2))[0, :, 0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """

    div_term: Tensor

    def __init__(self, width: int, *, deepstrf_phase: bool = False) -> None:
        super().__init__()
        if width < 2 or width % 2:
            raise ConfigError(f"tokens of length {width}", remedy="an even number: each sine has its cosine")
        self.deepstrf_phase = deepstrf_phase
        self.register_buffer("div_term", torch.exp(torch.arange(0, width, 2) * (-math.log(1e4) / width)))

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"exact": lambda: cls(6), "deepstrf": lambda: cls(6, deepstrf_phase=True)}

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, 2 * self.div_term.shape[0], frames)

    def initial_state(self, streams: int) -> State:
        return {"t": torch.zeros(streams, dtype=torch.int64, device=self.div_term.device)}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        frames = x.shape[-1]
        t = state["t"].unsqueeze(-1) + torch.arange(frames, device=x.device)  # (B, T)
        exact = self.div_term if self.deepstrf_phase else self.div_term.double()
        phase = exact.unsqueeze(-1) * t.to(exact.dtype).unsqueeze(1)  # (D / 2, 1) * (B, 1, T) -> (B, D / 2, T)
        waves = torch.stack([phase.sin(), phase.cos()], dim=2).flatten(1, 2)  # -> (B, D, T)
        return x + waves.to(x.dtype), {"t": state["t"] + frames}
