"""The Legendre memory unit: a linear memory of a sliding window, read and written by nonlinear units."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rtstrf.errors import ConfigError
from rtstrf.stream import State, StreamModule

MEMORY = 128
THETA_FRAMES = 99.0


def legendre_delay(order: int, theta_frames: float) -> tuple[Tensor, Tensor]:
    """Return the memory's matrices for one frame, under a zero-order hold.

    The continuous system theta m' = A m + B u keeps the last theta frames of u as Legendre coefficients:
    A_ij = (2 i + 1) (-1 if i < j else (-1)^(i - j + 1)), B_i = (2 i + 1) (-1)^i.

    Parameters
    ----------
    order : int
        Coefficients M.
    theta_frames : float
        Length of the window.

    Returns
    -------
    A, B : Tensor, shapes (M, M) and (M, 1), float64
    """
    i = torch.arange(order, dtype=torch.float64).unsqueeze(1)
    j = i.T
    sign = torch.where(i < j, -1.0, torch.where((i - j) % 2 == 0, -1.0, 1.0))
    rate = (2 * i + 1) / theta_frames
    held = torch.zeros(order + 1, order + 1, dtype=torch.float64)  # [[A, B], [0, 0]]: its exponential holds both
    held[:order, :order] = rate * sign
    held[:order, order:] = rate * torch.where(i % 2 == 0, 1.0, -1.0)
    exponential = torch.linalg.matrix_exp(held)
    return exponential[:order, :order], exponential[:order, order:]


class LMUCell(nn.Module):
    """The weights of a Legendre memory unit; the keys of a checkpoint have its name."""

    A: Tensor
    B: Tensor

    def __init__(self, inputs: int, hidden: int, memory: int, theta_frames: float) -> None:
        super().__init__()
        a, b = legendre_delay(memory, theta_frames)
        self.register_buffer("A", a.float())
        self.register_buffer("B", b.float())
        self.e_x = nn.Parameter(torch.randn(1, inputs) * inputs**-0.5)
        self.e_h = nn.Parameter(torch.randn(1, hidden) * hidden**-0.5)
        self.e_m = nn.Parameter(torch.zeros(1, memory))
        self.W_x = nn.Parameter(nn.init.xavier_normal_(torch.empty(hidden, inputs)))
        self.W_h = nn.Parameter(nn.init.xavier_normal_(torch.empty(hidden, hidden)))
        self.W_m = nn.Parameter(nn.init.xavier_normal_(torch.empty(hidden, memory)))


class LMU(StreamModule):
    """A layer of nonlinear units around a Legendre memory of one signal.

    u = e_x x + e_h h + e_m m, m = A m + B u, h = tanh(W_x x + W_h h + W_m m), with h and m of the frame before in u and
    in W_h h, and the new m in W_m m.

    Parameters
    ----------
    inputs, hidden : int
        Width of the input and of the units.
    memory : int
        Legendre coefficients M.
    theta_frames : float
        Length of the window remembered.

    Notes
    -----
    Input (B, inputs, T), output (B, hidden, T): h after each frame. State: ``h`` (B, hidden), and ``m`` (B, M) in
    float64: A is far from normal, so that what should cancel in m does not in float32. Zeros at the start. No delay.
    Weights ``cell.{A,B,e_x,e_h,e_m,W_x,W_h,W_m}``; A and B are buffers.

    Frames follow one another through a tanh, so no form over many frames exists; only the products with the input are
    taken for all frames at once.

    Source: Voelker, Kajic, Eliasmith 2019, "Legendre Memory Units", NeurIPS 32 (no DOI).

    Raises
    ------
    ConfigError
        If the memory or its window is empty.

    Examples
    --------
    >>> LMU(5, 7)(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 7, 3])
    """

    def __init__(self, inputs: int, hidden: int, *, memory: int = MEMORY, theta_frames: float = THETA_FRAMES) -> None:
        super().__init__()
        if memory < 1 or theta_frames <= 0:
            raise ConfigError(
                f"a Legendre memory of {memory} coefficients over {theta_frames:g} frames",
                remedy="give at least 1 coefficient and a window longer than 0",
            )
        self.cell = LMUCell(inputs, hidden, memory, theta_frames)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"deepstrf": lambda: cls(6, 6), "short": lambda: cls(3, 8, memory=6, theta_frames=20.0)}

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.cell.W_x.shape[1], frames)

    def initial_state(self, streams: int) -> State:
        cell = self.cell
        return {
            "h": cell.W_h.new_zeros(streams, cell.W_h.shape[1]),
            "m": cell.A.new_zeros(streams, cell.A.shape[0], dtype=torch.float64),
        }

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        cell = self.cell
        h, m = state["h"], state["m"]
        frames_first = x.transpose(1, 2)  # (B, inputs, T) -> (B, T, inputs)
        written = linear(frames_first, cell.e_x).double()  # (B, T, 1)
        driven = linear(frames_first, cell.W_x)  # (B, T, H)
        a, b, from_memory = cell.A.double(), cell.B.double().squeeze(1), cell.e_m.double()
        outputs = []
        for t in range(x.shape[-1]):
            u = written[:, t] + linear(h, cell.e_h).double() + linear(m, from_memory)  # (B, 1)
            m = linear(m, a) + u * b  # (B, M)
            h = torch.tanh(driven[:, t] + linear(h, cell.W_h) + linear(m.to(h.dtype), cell.W_m))  # (B, H)
            outputs.append(h)
        return torch.stack(outputs, dim=-1), {"h": h.clone(), "m": m}
