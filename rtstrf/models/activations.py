"""What turns a readout's sum into a response that is never negative."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from rtstrf.models.derived import Derived
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
    torch's, which is the identity above beta x = 20. Source: deepSTRF 0.1.0 (the formula); a sharp start, beta = 5,
    fits spiking responses far better than 1 (see docs/fitting.md).

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
        self._columns = Derived(ParametricSoftplus.columns)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"rates": lambda: cls(4), "signed": lambda: cls(4, beta=1.0, non_negative=False)}

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, len(self._raw_b), frames)

    def columns(self) -> tuple[Tensor, Tensor]:
        """Return beta and b as (N, 1), to meet (B, N, T)."""
        baseline = softplus(self._raw_b) if self.non_negative else self._raw_b
        return softplus(self._raw_beta).unsqueeze(-1), baseline.unsqueeze(-1)

    def apply_frames(self, x: Tensor) -> Tensor:
        beta, baseline = self._columns(self)
        return softplus(beta * x) / beta + baseline


class ParametricSigmoid(Stateless):
    """A sigmoid with a threshold, a slope, a height and a baseline for each unit: b sigmoid((x - c) / d) + a.

    Parameters
    ----------
    units : int
        Units N.
    bias : bool
        Whether there is a baseline a.
    non_negative : bool
        Keep height and baseline positive: b = softplus(_raw_b), a = softplus(_raw_a); otherwise they are as they are.
    height, baseline : float
        Initial b and a, in the units of the response; positive.

    Notes
    -----
    Input and output (B, N, T). Weights ``c``, ``d``, ``_raw_b`` and, with a baseline, ``_raw_a`` (N,). No state, no
    delay. Source: deepSTRF 0.1.0 (the formula).

    Examples
    --------
    >>> ParametricSigmoid(3)(torch.zeros(1, 3, 2)).shape
    torch.Size([1, 3, 2])
    """

    _raw_a: Tensor | None

    def __init__(
        self,
        units: int,
        *,
        bias: bool = True,
        non_negative: bool = True,
        height: float = 1.0,
        baseline: float = 0.01,
    ) -> None:
        super().__init__()
        self.non_negative = non_negative
        self.c = nn.Parameter(torch.zeros(units))
        self.d = nn.Parameter(torch.ones(units))
        self._raw_b = nn.Parameter(_raw(units, height, non_negative))
        self.register_parameter("_raw_a", nn.Parameter(_raw(units, baseline, non_negative)) if bias else None)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"rates": lambda: cls(4), "signed-no-baseline": lambda: cls(4, bias=False, non_negative=False)}

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, len(self.c), frames)

    def apply_frames(self, x: Tensor) -> Tensor:
        rising = torch.sigmoid((x - self.c.unsqueeze(-1)) / self.d.unsqueeze(-1))
        return _scaled(rising, self._raw_b, self._raw_a, self.non_negative)


class ParametricDoubleExponential(Stateless):
    """A double exponential with a slope, a threshold, a height and a baseline for each unit: a exp(-exp(k x - s)) + b.

    Parameters
    ----------
    units : int
        Units N.
    bias, non_negative, height, baseline
        As for `ParametricSigmoid`; here the height is a and the baseline b.

    Notes
    -----
    Input and output (B, N, T). Weights ``k``, ``s``, ``_raw_a`` and, with a baseline, ``_raw_b`` (N,). It falls with
    k x; a fresh one starts with k = -1 and so rises. No state, no delay. Source: Thorson, Lienard, David 2015,
    doi 10.1371/journal.pcbi.1004628.

    Examples
    --------
    >>> ParametricDoubleExponential(3)(torch.zeros(1, 3, 2)).shape
    torch.Size([1, 3, 2])
    """

    _raw_b: Tensor | None

    def __init__(
        self,
        units: int,
        *,
        bias: bool = True,
        non_negative: bool = True,
        height: float = 1.0,
        baseline: float = 0.01,
    ) -> None:
        super().__init__()
        self.non_negative = non_negative
        self.k = nn.Parameter(-torch.ones(units))
        self.s = nn.Parameter(torch.zeros(units))
        self._raw_a = nn.Parameter(_raw(units, height, non_negative))
        self.register_parameter("_raw_b", nn.Parameter(_raw(units, baseline, non_negative)) if bias else None)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"rates": lambda: cls(4), "signed-no-baseline": lambda: cls(4, bias=False, non_negative=False)}

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, len(self.k), frames)

    def apply_frames(self, x: Tensor) -> Tensor:
        exponent = self.k.unsqueeze(-1) * x - self.s.unsqueeze(-1)
        # exp(-exp(50)) is 0 in every precision; beyond, exp would overflow and the gradient be NaN, not 0.
        falling = torch.exp(-torch.exp(exponent.clamp_max(50.0)))
        return _scaled(falling, self._raw_a, self._raw_b, self.non_negative)


def _raw(units: int, value: float, non_negative: bool) -> Tensor:
    initial = torch.full((units,), float(value))
    return inverse_softplus(initial) if non_negative else initial


def _scaled(shape: Tensor, raw_height: Tensor, raw_baseline: Tensor | None, non_negative: bool) -> Tensor:
    """Return height shape + baseline, for (B, N, T) and (N,)."""
    height = softplus(raw_height) if non_negative else raw_height
    scaled = height.unsqueeze(-1) * shape
    if raw_baseline is None:
        return scaled
    return scaled + (softplus(raw_baseline) if non_negative else raw_baseline).unsqueeze(-1)
