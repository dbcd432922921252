"""The structured state space layer (S4): many linear memories side by side, mixed at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, glu

from rtstrf.errors import ConfigError
from rtstrf.models.cells.dplr import CHUNK_FRAMES, Chunked, Discrete, chunked, discretise, legendre_dplr, uncut
from rtstrf.models.derived import Derived
from rtstrf.stream import State, StreamModule

STATES = 64


class SSMKernel(nn.Module):
    """The weights of H state space models of 1 input and 1 output; the keys of a checkpoint have its name.

    Attributes
    ----------
    inv_dt : Parameter, shape (H, 1)
        Logarithm of the time step.
    A_real, A_imag : Parameter, shape (H, N / 2)
        The diagonal of A is -exp(A_real) - i A_imag, for one of each conjugate pair.
    B, C, P : Parameter, shape (1, H, N / 2, 2)
        Real and imaginary parts.
    l_kernel : Tensor, scalar int64
        0 where C is C; otherwise the length L of the clip for which deepSTRF last prepared it, and C holds
        C (I - dA^L).
    """

    l_kernel: Tensor

    def __init__(self, hidden: int, states: int) -> None:
        super().__init__()
        steps = torch.empty(hidden, 1).uniform_(math.log(1e-3), math.log(1e-1))
        diagonal, low_rank, b = (part.unsqueeze(0).expand(hidden, -1) for part in legendre_dplr(states))
        self.inv_dt = nn.Parameter(steps)
        self.A_real = nn.Parameter((-diagonal.real).log().float().contiguous())
        self.A_imag = nn.Parameter((-diagonal.imag).float().contiguous())
        self.P = nn.Parameter(torch.view_as_real(low_rank.contiguous()).float().unsqueeze(0))
        self.B = nn.Parameter(torch.view_as_real(b.contiguous()).float().unsqueeze(0))
        self.C = nn.Parameter(torch.randn(1, hidden, states // 2, 2) * 0.5**0.5)
        self.register_buffer("l_kernel", torch.tensor(0, dtype=torch.int64))
        self.prepared_frames = 0

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        # Kept on the host as well: a step must not ask the device for the exponent of a matrix power.
        self.prepared_frames = int(self.l_kernel)

    def discrete(self) -> Discrete:
        """Return the systems for one frame, in float64."""
        pairs = [torch.view_as_complex(part.double()).squeeze(0) for part in (self.B, self.C, self.P)]
        b, c, p = pairs  # (H, N / 2)
        diagonal = torch.complex(-self.A_real.double().exp(), -self.A_imag.double())
        system = discretise(diagonal, p, b, c, self.inv_dt.double().exp())
        return uncut(system, self.prepared_frames) if self.prepared_frames else system

    def chunk(self) -> Chunked:
        """Return the same systems for a chunk of frames."""
        return chunked(self.discrete(), CHUNK_FRAMES)


class SSM(nn.Module):
    """The state space models and their direct path; the keys of a checkpoint have its name."""

    def __init__(self, hidden: int, states: int) -> None:
        super().__init__()
        self.kernel = SSMKernel(hidden, states)
        self.D = nn.Parameter(torch.randn(1, hidden))


class S4(StreamModule):
    """A structured state space layer: in each channel s = dA s + dB u, y = C s + D u; then a gated mix of channels.

    A is diagonal minus rank one, Lambda - P P^H, discretised by the bilinear rule with a time step of each channel's
    own; the output is GLU(W gelu(y) + b).

    Parameters
    ----------
    inputs, hidden : int
        Width of the input and of the output; the two must be equal.
    states : int
        Complex states N of a channel; even, because only one of each conjugate pair is kept.

    Notes
    -----
    Input (B, H, T), output (B, H, T). State: ``s`` (B, H, N / 2, 2), real and imaginary parts, in float64: the memory
    is long and far from normal. Zeros at the start. No delay. Weights ``layer.kernel.{inv_dt,A_real,A_imag,B,C,P,
    l_kernel}``, ``layer.D``, ``output_linear.0.{weight,bias}``.

    Where we differ: deepSTRF 0.1.0 transforms the whole clip with an FFT, through which the future leaks at rounding
    level and a NaN everywhere, and rewrites C and l_kernel for the length of the clip. Here the recurrence itself is
    run, a frame or a chunk of frames at a time, and no weight changes; C is restored from what l_kernel says of it.

    Source: Gu, Goel, Re 2022, arXiv 10.48550/arXiv.2111.00396; HiPPO-LegS start: Gu et al. 2020,
    arXiv 10.48550/arXiv.2008.07669.

    Raises
    ------
    ConfigError
        If the widths differ or N is odd.

    Examples
    --------
    >>> S4(6, 6)(torch.zeros(2, 6, 3)).shape
    torch.Size([2, 6, 3])
    """

    def __init__(self, inputs: int, hidden: int, *, states: int = STATES) -> None:
        super().__init__()
        if inputs != hidden:
            raise ConfigError(f"an S4 layer from {inputs} to {hidden} channels", remedy="make the two equal")
        if states < 2 or states % 2:
            raise ConfigError(f"{states} states of S4", remedy="an even number: they come in conjugate pairs")
        self.layer = SSM(hidden, states)
        self.output_linear = nn.Sequential(nn.Linear(hidden, 2 * hidden))
        self._discrete = Derived(lambda cell: cell.layer.kernel.discrete())
        self._chunk = Derived(lambda cell: cell.layer.kernel.chunk())

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"deepstrf": lambda: cls(5, 5), "small": lambda: cls(3, 3, states=4)}

    @property
    def hidden(self) -> int:
        """Channels H."""
        return self.layer.D.shape[1]

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.hidden, frames)

    def initial_state(self, streams: int) -> State:
        pairs = self.layer.kernel.A_real.shape[1]
        return {"s": self.layer.D.new_zeros(streams, self.hidden, pairs, 2, dtype=torch.float64)}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        frames = x.shape[-1]
        u = x.double()
        s = torch.view_as_complex(state["s"])  # (B, H, N / 2)
        parts = []
        whole = frames - frames % CHUNK_FRAMES
        if whole:
            y, s = self._chunk(self).run(u[..., :whole], s)
            parts.append(y)
        if frames > whole:
            y, s = self._discrete(self).run(u[..., whole:], s)
            parts.append(y)
        y = (torch.cat(parts, dim=-1) + self.layer.D.double().T * u).to(x.dtype)  # (B, H, T)
        mixed = glu(self.output_linear(gelu(y.transpose(1, 2))), dim=-1)  # (B, T, 2H) -> (B, T, H)
        return mixed.transpose(1, 2).contiguous(), {"s": torch.view_as_real(s).clone()}
