"""What turns a readout's sum into a response that is never negative."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from rtstrf.stream import Stateless, StreamModule


def inverse_softplus(value: Tensor) -> Tensor:
    """Return x with softplus(x) = value, for positive values."""
    return value + torch.log(-torch.expm1(-value))


class ParametricSoftplus(Stateless):
    """A softplus with a sharpness and a baseline for each unit: softplus(beta x) / beta + b.

    Parameters
    ----------
    units : int
        Units N.
    beta : float
        Initial sharpness; positive. Large values come close to a rectifier.
    baseline : float
        Initial b, in the units of the response; positive.
    non_negative : bool
        Keep the baseline positive, as a rate must be: b = softplus(_raw_b); otherwise b = _raw_b.

    Notes
    -----
    Input and output (B, N, T). Weights ``_raw_beta``, ``_raw_b`` (N,). No state, no delay. The softplus is
    torch's, which is the identity above beta x = 20. Source: deepSTRF 0.1.0 (the formula); a sharp start, beta = 5, fits spiking
    responses far better than 1 (see docs/fitting.md).

    Examples
    --------
    >>> ParametricSoftplus(3)(torch.zeros(1, 3, 2)).shape
    torch.Size([1, 3, 2])
    """

    def __init__(self, units: int, *, beta: float = 5.0, baseline: float = 0.01, non_negative: bool = True) -> None:
        super().__init__()
        self.non_negative = non_negative
        self._raw_beta = nn.Parameter(inverse_softplus(torch.full((units,), float(beta))))
        raw = torch.full((units,), float(baseline))
        self._raw_b = nn.Parameter(inverse_softplus(raw) if non_negative else raw)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"rates": lambda: cls(4), "signed": lambda: cls(4, beta=1.0, non_negative=False)}

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, len(self._raw_b), frames)

    def apply_frames(self, x: Tensor) -> Tensor:
        beta = softplus(self._raw_beta).unsqueeze(-1)  # (N, 1)
        baseline = softplus(self._raw_b) if self.non_negative else self._raw_b
        return softplus(beta * x) / beta + baseline.unsqueeze(-1)
