"""Hidden units that fade: what each says lingers with a time constant of its own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d

from rtstrf.errors import ConfigError
from rtstrf.models.derived import Derived
from rtstrf.stream import State, StreamModule, per_stream


class ExponentialDecay(StreamModule):
    """Each hidden unit is summed over its last K frames, the current one included, with weights that fall off.

    z_t = s sum_{j=0}^{K-1} r^j h_{t-j}, r = 1 - 1 / (1 + d^2); s = 1 / (1 + d^2) with `decay_input`, so that K without
    end would have gain 1, otherwise 1.

    Parameters
    ----------
    hidden : int
        Hidden units H.
    init_tau : float
        Initial time constant in frames, above 1: r = 1 - 1 / tau. It also sets K = round(7 tau), for good.
    decay_input : bool
        Scale the sum so that a steady input comes out as it went in.

    Notes
    -----
    Input and output (B, H, T). State: ``line`` (B, H, K - 1), the last frames, and ``started`` (B,); before the first
    frame the past is taken to equal it. No delay. Weight ``d`` (H,).

    Source: Rahman, Willmore, King, Harper 2019, doi 10.1371/journal.pcbi.1006618, with the sum cut off as in deepSTRF
    0.1.0. With as few taps as these the sum itself costs less than a recursion, and a NaN leaves it again.

    Raises
    ------
    ConfigError
        If init_tau is 1 or less.

    Examples
    --------
    >>> ExponentialDecay(20)(torch.zeros(1, 20, 2)).shape
    torch.Size([1, 20, 2])
    """

    def __init__(self, hidden: int, *, init_tau: float = 2.0, decay_input: bool = True) -> None:
        super().__init__()
        if not 1 < init_tau < float("inf"):
            raise ConfigError(f"init_tau {init_tau:g} of a decay", remedy="a time constant of more than 1 frame")
        self.taps = round(7 * init_tau)
        self.decay_input = decay_input
        self.d = nn.Parameter(torch.full((hidden,), (init_tau - 1) ** 0.5))
        self._weights = Derived(lambda stage: stage.weights())

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"unit-gain": lambda: cls(4), "long-sum": lambda: cls(3, init_tau=4.0, decay_input=False)}

    def weights(self) -> Tensor:
        """Return what each of the last K frames counts, oldest first, shape (H, K)."""
        rate = 1 / (1 + self.d.square())  # (H,)
        ages = torch.arange(self.taps - 1, -1, -1, device=self.d.device)
        counts = (1 - rate).unsqueeze(-1).pow(ages)  # (H, K)
        return counts * rate.unsqueeze(-1) if self.decay_input else counts

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, len(self.d), frames)

    def initial_state(self, streams: int) -> State:
        return {
            "line": self.d.new_zeros(streams, len(self.d), self.taps - 1),
            "started": torch.zeros(streams, dtype=torch.bool, device=self.d.device),
        }

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        line = torch.where(per_stream(state["started"], x), state["line"], x[..., :1])
        joined = torch.cat([line, x], dim=-1)  # (B, H, K - 1 + T)
        weights = self._weights(self)  # (H, K)
        if x.shape[-1] == 1:  # written out, a twentieth of a convolution's cost
            y = (joined * weights).sum(-1, keepdim=True)
        else:
            y = conv1d(joined, weights.unsqueeze(1), groups=len(weights))  # -> (B, H, T)
        kept = joined[..., x.shape[-1] :].clone()
        return y, {"line": kept, "started": torch.ones_like(state["started"])}
