"""The face that every way of running a step has, and the plainest of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rtstrf.stream import State, StreamModule, leaves, per_stream, tree_map, where


class Backend(ABC):
    """Runs a stage for some lanes; the runner owns the state and hands it over for each step.

    Attributes
    ----------
    name : str
        ``eager``, ``compiled`` or ``cuda-graph``.
    rows : int
        Lanes that the state has: those asked for, and idle ones that fill a bucket up.
    """

    name: str
    rows: int

    @abstractmethod
    def step(self, x: Tensor, state: State, mask: Tensor | None) -> tuple[Any, State]:
        """Advance the lanes that the mask names, all of them without one.

        Parameters
        ----------
        x : Tensor, shape (lanes, ...)
            On the backend's device, in its dtype. What idle lanes hold is nobody's business.
        state : dict
            Of `rows` lanes; consumed.
        mask : Tensor, shape (lanes,), bool, optional

        Returns
        -------
        y : what the stage returns, of `lanes` lanes; NaN in idle ones
        state : dict
            Of `rows` lanes.
        """

    def one_hop(self, state: State) -> Callable[[Tensor], Any] | None:
        """Return a shorter way to advance all lanes by one frame, for an input that fits as it is; None without one."""
        return None

    def replaced(self, state: State, new: State) -> State:
        """Return the state after the runner has changed it by itself: a reset, a snapshot put back."""
        return new


class Eager(Backend):
    """Call the stage itself, operation by operation: the reference that every other backend equals.

    Parameters
    ----------
    module : StreamModule
    lanes : int
    """

    name = "eager"

    def __init__(self, module: StreamModule, lanes: int) -> None:
        self._module = module
        self.rows = lanes

    def step(self, x: Tensor, state: State, mask: Tensor | None) -> tuple[Any, State]:
        y, new = self._module.step(x, state)
        if mask is None:
            return y, new
        return nan_where_idle(y, mask), where(mask, new, state)


def nan_where_idle(y: Any, mask: Tensor) -> Any:
    """Return an output whose idle lanes are NaN, so that nobody takes them for a response."""
    return tree_map(lambda leaf: torch.where(per_stream(mask, leaf), leaf, leaf.new_tensor(torch.nan)), y)


def written_over(state: State, new: State) -> State:
    """Write a new state over the old one, leaf by leaf, and return the old one: what has an address keeps it."""
    for (_, old), (_, leaf) in zip(leaves(state), leaves(new), strict=True):
        old.copy_(leaf)
    return state


def widened(x: Tensor, rows: int) -> Tensor:
    """Return an input of more lanes, the added ones silent: (lanes, ...) -> (rows, ...)."""
    if len(x) == rows:
        return x
    wide = x.new_zeros(rows, *x.shape[1:])
    wide[: len(x)] = x
    return wide


def narrowed(y: Any, lanes: int) -> Any:
    """Return the first lanes of an output."""
    return tree_map(lambda leaf: leaf[:lanes], y)
