"""The gated recurrent unit, one layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rtstrf.stream import State, StreamModule


class GRU(StreamModule):
    """A layer of gated recurrent units.

    r, z = sigmoid(W x + b + U h + c), n = tanh(W_n x + b_n + r (U_n h + c_n)), h = (1 - z) n + z h.

    Parameters
    ----------
    inputs, hidden : int
        Width of the input and of the state.

    Notes
    -----
    Input (B, inputs, T), output (B, hidden, T): the state after each frame. State: ``h`` (B, hidden), zeros at the
    start. No delay. Weights named as in ``torch.nn.GRU``: ``weight_ih_l0`` (3H, inputs), ``weight_hh_l0`` (3H, H),
    ``bias_ih_l0``, ``bias_hh_l0``, gates in the order r, z, n.

    A single frame is computed from the equations above, which costs a fifth of torch's fused sequence kernel for one
    frame; longer runs go through that kernel. Both are the same function of the same weights, and the guarantees
    compare them (chunks of one frame against the whole).

    Source: Cho et al. 2014, doi 10.3115/v1/D14-1179, in torch's variant (reset after the product).

    Examples
    --------
    >>> GRU(5, 7)(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 7, 3])
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        bound = hidden**-0.5
        self.weight_ih_l0 = nn.Parameter(torch.empty(3 * hidden, inputs).uniform_(-bound, bound))
        self.weight_hh_l0 = nn.Parameter(torch.empty(3 * hidden, hidden).uniform_(-bound, bound))
        self.bias_ih_l0 = nn.Parameter(torch.empty(3 * hidden).uniform_(-bound, bound))
        self.bias_hh_l0 = nn.Parameter(torch.empty(3 * hidden).uniform_(-bound, bound))

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
            from_input = linear(x.squeeze(-1), self.weight_ih_l0, self.bias_ih_l0)  # (B, 3H)
            from_state = linear(h, self.weight_hh_l0, self.bias_hh_l0)
            split = 2 * h.shape[1]
            reset, update = torch.sigmoid(from_input[:, :split] + from_state[:, :split]).chunk(2, dim=1)
            new = torch.tanh(torch.addcmul(from_input[:, split:], reset, from_state[:, split:]))
            h = torch.lerp(new, h, update)
            return h.unsqueeze(-1).clone(), {"h": h}
        weights: list[Tensor] = [self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0]
        frames_first = x.transpose(1, 2).contiguous()  # (B, inputs, T) -> (B, T, inputs)
        hidden, last = torch.gru(frames_first, h.unsqueeze(0), weights, True, 1, 0.0, False, False, True)
        return hidden.transpose(1, 2).contiguous(), {"h": last.squeeze(0).clone()}
