"""Lanes run by native code, a bucket at a time, each bucket's state staying in the core's own cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from rtstrf.backends.backend import Backend, nan_where_idle, narrowed, widened, written_over
from rtstrf.backends.compiled import Step
from rtstrf.backends.program import StepProgram, flat_state
from rtstrf.stream import State, StreamModule, tree_map


class Tiles(Backend):
    """Run one hop by a program for a bucket of lanes, and longer steps by the stage itself.

    Parameters
    ----------
    module : StreamModule
        In evaluation mode, its weights fixed.
    lanes : int
        Filled up with idle ones to whole buckets.
    bucket : int
        Lanes of the program.
    run : callable
        The program: ``run(x, state_leaves)`` advances the state where it lies and returns the leaves of the output.
    name : str
        What made the program.

    Notes
    -----
    The state's leaves keep their memory for ever; a step changes them where they lie.
    """

    def __init__(self, module: StreamModule, lanes: int, bucket: int, run: Step, name: str = "compiled") -> None:
        self.name = name
        self._module = module
        self._lanes = lanes
        self._bucket = bucket
        self.rows = -(-lanes // bucket) * bucket
        self._run = run
        self._output = StepProgram(module, bucket).output
        self._tiles: tuple[State, list[list[Tensor]]] | None = None

    def step(self, x: Tensor, state: State, mask: Tensor | None) -> tuple[Any, State]:
        if x.shape[-1] != self._module.samples_per_frame:
            return self._step_whole(x, state, mask)
        tiles = self._tiles_of(state)
        wide = widened(x, self.rows).contiguous()
        idle = torch.zeros(self.rows, dtype=torch.bool) if mask is None else ~widened(mask, self.rows)
        pieces = zip(wide.split(self._bucket), tiles, idle.split(self._bucket), strict=True)
        parts = [self._step_tile(*piece, masked=mask is not None) for piece in pieces]
        flat = parts[0] if len(parts) == 1 else [torch.cat(leaf) for leaf in zip(*parts, strict=True)]
        y = narrowed(self._output(flat), self._lanes)
        return (y if mask is None else nan_where_idle(y, mask)), state

    def one_hop(self, state: State) -> Callable[[Tensor], Any] | None:
        if not self._lanes == self.rows == self._bucket:
            return None
        (tile,) = self._tiles_of(state)
        run, output = self._run, self._output
        return lambda x: output(run(x, tile))

    def replaced(self, state: State, new: State) -> State:
        return written_over(state, new)

    def _step_tile(self, x: Tensor, tile: list[Tensor], idle: Tensor, *, masked: bool) -> Sequence[Tensor]:
        """Advance one bucket; idle lanes are run with the others, and their state is put back."""
        if not masked or not bool(idle.any()):
            return self._run(x, tile)
        lanes = idle.nonzero().flatten()
        kept = [leaf[lanes] for leaf in tile]
        flat = self._run(x, tile)
        for leaf, old in zip(tile, kept, strict=True):
            leaf[lanes] = old
        return flat

    def _step_whole(self, x: Tensor, state: State, mask: Tensor | None) -> tuple[Any, State]:
        """Advance by several frames at once, as offline: rare in a live session, and no hop waits for it alone."""
        y, new = self._module.step(widened(x, self.rows), state)
        y = narrowed(y, self._lanes)
        if mask is None:
            return y, written_over(state, new)
        active = widened(mask, self.rows).nonzero().flatten()
        for old, leaf in zip(flat_state(state), flat_state(new), strict=True):
            old[active] = leaf[active]
        return nan_where_idle(y, mask), state

    def _tiles_of(self, state: State) -> list[list[Tensor]]:
        """Return the leaves of each bucket's part of the state: views, made once."""
        if self._tiles is None or self._tiles[0] is not state:
            starts = range(0, self.rows, self._bucket)
            views = [tree_map(lambda leaf, at=at: leaf[at : at + self._bucket], state) for at in starts]
            self._tiles = state, [flat_state(view) for view in views]
        return self._tiles[1]
