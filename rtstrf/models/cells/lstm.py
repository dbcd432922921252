"""The long short-term memory, one layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rtstrf.stream import State, StreamModule


class LSTM(StreamModule):
    """A layer of long short-term memory units.

    i, f, o = sigmoid(W x + b + U h + d), g = tanh(W_g x + b_g + U_g h + d_g), c = f c + i g, h = o tanh(c).

    Parameters
    ----------
    inputs, hidden : int
        Width of the input and of the state.

    Notes
    -----
    Input (B, inputs, T), output (B, hidden, T): h after each frame. State: ``h`` and ``c`` (B, hidden), zeros at the
    start. No delay. Weights named as in ``torch.nn.LSTM``: ``weight_ih_l0`` (4H, inputs), ``weight_hh_l0`` (4H, H),
    ``bias_ih_l0``, ``bias_hh_l0``, gates in the order i, f, g, o.

    A single frame is computed from the equations above, longer runs through torch's sequence kernel, as in
    `rtstrf.models.cells.gru.GRU`.

    Source: Hochreiter and Schmidhuber 1997, doi 10.1162/neco.1997.9.8.1735, with the forget gate of Gers et al. 2000,
    doi 10.1162/089976600300015015.

    Examples
    --------
    >>> LSTM(5, 7)(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 7, 3])
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        bound = hidden**-0.5
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden, inputs).uniform_(-bound, bound))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * hidden, hidden).uniform_(-bound, bound))
        self.bias_ih_l0 = nn.Parameter(torch.empty(4 * hidden).uniform_(-bound, bound))
        self.bias_hh_l0 = nn.Parameter(torch.empty(4 * hidden).uniform_(-bound, bound))

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
        zeros = self.weight_hh_l0.new_zeros(streams, self.hidden)
        return {"h": zeros, "c": zeros.clone()}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        h, c = state["h"], state["c"]
        if x.shape[-1] == 1:
            sums = linear(x.squeeze(-1), self.weight_ih_l0, self.bias_ih_l0)  # (B, 4H)
            sums = sums + linear(h, self.weight_hh_l0, self.bias_hh_l0)
            i, f, g, o = sums.chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            return h.unsqueeze(-1).clone(), {"h": h, "c": c}
        weights: list[Tensor] = [self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0]
        frames_first = x.transpose(1, 2).contiguous()  # (B, inputs, T) -> (B, T, inputs)
        before = (h.unsqueeze(0), c.unsqueeze(0))
        hidden, h, c = torch.lstm(frames_first, before, weights, True, 1, 0.0, False, False, True)
        return hidden.transpose(1, 2).contiguous(), {"h": h.squeeze(0).clone(), "c": c.squeeze(0).clone()}
