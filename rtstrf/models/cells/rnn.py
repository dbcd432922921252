"""The simple recurrent network (Elman), one layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rtstrf.stream import State, StreamModule


class RNN(StreamModule):
    """A layer of simple recurrent units: h = tanh(W x + b + U h + c).

    Parameters
    ----------
    inputs, hidden : int
        Width of the input and of the state.

    Notes
    -----
    Input (B, inputs, T), output (B, hidden, T): the state after each frame. State: ``h`` (B, hidden), zeros at the
    start. No delay. Weights named as in ``torch.nn.RNN``: ``weight_ih_l0`` (H, inputs), ``weight_hh_l0`` (H, H),
    ``bias_ih_l0``, ``bias_hh_l0``.

    A single frame is computed from the equation above, longer runs through torch's sequence kernel, as in
    `rtstrf.models.cells.gru.GRU`.

    Source: Elman 1990, doi 10.1207/s15516709cog1402_1. deepSTRF calls it both ``RNN`` and ``vanilla``.

    Examples
    --------
    >>> RNN(5, 7)(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 7, 3])
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        bound = hidden**-0.5
        self.weight_ih_l0 = nn.Parameter(torch.empty(hidden, inputs).uniform_(-bound, bound))
        self.weight_hh_l0 = nn.Parameter(torch.empty(hidden, hidden).uniform_(-bound, bound))
        self.bias_ih_l0 = nn.Parameter(torch.empty(hidden).uniform_(-bound, bound))
        self.bias_hh_l0 = nn.Parameter(torch.empty(hidden).uniform_(-bound, bound))

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"square": lambda: cls(6, 6), "wide": lambda: cls(3, 8)}

    @property
    def hidden(self) -> int:
        """Width of the state."""
        return self.weight_hh_l0.shape[1]

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.weight_ih_l0.shape[1], frames)

    def initial_state(self, streams: int) -> State:
        return {"h": self.weight_hh_l0.new_zeros(streams, self.hidden)}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        h = state["h"]
        if x.shape[-1] == 1:
            sums = linear(x.squeeze(-1), self.weight_ih_l0, self.bias_ih_l0)  # (B, H)
            h = torch.tanh(sums + linear(h, self.weight_hh_l0, self.bias_hh_l0))
            return h.unsqueeze(-1).clone(), {"h": h}
        weights: list[Tensor] = [self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0]
        frames_first = x.transpose(1, 2).contiguous()  # (B, inputs, T) -> (B, T, inputs)
        hidden, last = torch.rnn_tanh(frames_first, h.unsqueeze(0), weights, True, 1, 0.0, False, False, True)
        return hidden.transpose(1, 2).contiguous(), {"h": last.squeeze(0).clone()}
