"""Lanes run by native code, a bucket at a time, each bucket's state staying in the core's own cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rtstrf.backends.backend import Backend, nan_where_idle, narrowed, widened, written_over
from rtstrf.backends.compiled import Step
from rtstrf.backends.program import StepProgram, flat_state
from rtstrf.stream import State, StreamModule, tree_map


class Tiles(Backend):
    """Run hops by a program for a bucket of lanes, and what no program fits by the stage itself.

    Parameters
    ----------
    module : StreamModule
        In evaluation mode, its weights fixed.
    lanes : int
        Filled up with idle ones to whole buckets.
    bucket : int
        Lanes of the program.
    run : callable
        The program of one hop: ``run(x, state_leaves)`` advances the state where it lies and returns the leaves of the
        output.
    name : str
        What made the program.
    long : tuple of int and callable, optional
        Frames and program of a step of many hops.
    hops_at_once : int
        A step of up to so many frames is run hop by hop; a longer one that `long` does not fit by the stage itself.

    Notes
    -----
    The state's leaves keep their memory for ever; a step changes them where they lie.
    """

    def __init__(
        self,
        module: StreamModule,
        lanes: int,
        bucket: int,
        run: Step,
        name: str = "compiled",
        *,
        long: tuple[int, Step] | None = None,
        hops_at_once: int = 1,
    ) -> None:
        self.name = name
        self._module = module
        self._lanes = lanes
        self._bucket = bucket
        self.rows = -(-lanes // bucket) * bucket
        self._run = run
        self._long = long
        self._hops_at_once = hops_at_once
        self._output = StepProgram(module, bucket).output
        self._tiles: tuple[State, list[list[Tensor]]] | None = None

    def step(self, x: Tensor, state: State, mask: Tensor | None) -> tuple[Any, State]:
        y = self._step_rows(widened(x, self.rows), state, None if mask is None else widened(mask, self.rows))
        y = narrowed(y, self._lanes)
        return (y if mask is None else nan_where_idle(y, mask)), state

    def one_hop(self, state: State) -> Callable[[Tensor], Any] | None:
        if not self._lanes == self.rows == self._bucket:
            return None
        (tile,) = self._tiles_of(state)
        run, output = self._run, self._output
        return lambda x: output(run(x, tile))

    def replaced(self, state: State, new: State) -> State:
        return written_over(state, new)

    def _step_rows(self, x: Tensor, state: State, mask: Tensor | None) -> Any:
        """Advance all rows, in as few programs as the frames can be had by."""
        per_frame = self._module.samples_per_frame
        frames = x.shape[-1] // per_frame
        parts: list[Any] = []
        if self._long is not None:
            long, run = self._long
            while frames >= long:
                part, x = x[..., : long * per_frame], x[..., long * per_frame :]
                parts.append(self._step_program(run, part, state, mask))
                frames -= long
        if frames > self._hops_at_once:
            parts.append(self._step_stage(x, state, mask))
        elif frames:
            parts += [self._step_program(self._run, hop, state, mask) for hop in x.split(per_frame, dim=-1)]
        return parts[0] if len(parts) == 1 else tree_map(lambda *of_parts: torch.cat(of_parts, dim=-1), *parts)

    def _step_program(self, run: Step, x: Tensor, state: State, mask: Tensor | None) -> Any:
        """Advance bucket after bucket; idle lanes are run with the others, and their state is put back."""
        tiles = self._tiles_of(state)
        masks = [None] * len(tiles) if mask is None else mask.split(self._bucket)
        parts = []
        for part, tile, active in zip(x.split(self._bucket), tiles, masks, strict=True):
            idle = None if active is None else (~active).nonzero().flatten()
            if idle is None or not len(idle):
                parts.append(run(part.contiguous(), tile))
                continue
            kept = [leaf[idle] for leaf in tile]
            parts.append(run(part.contiguous(), tile))
            for leaf, old in zip(tile, kept, strict=True):
                leaf[idle] = old
        return self._output(parts[0] if len(parts) == 1 else [torch.cat(leaf) for leaf in zip(*parts, strict=True)])

    def _step_stage(self, x: Tensor, state: State, mask: Tensor | None) -> Any:
        """Advance by the stage itself, as offline."""
        y, new = self._module.step(x, state)
        if mask is None:
            written_over(state, new)
            return y
        for old, leaf in zip(flat_state(state), flat_state(new), strict=True):
            old[mask] = leaf[mask]
        return y

    def _tiles_of(self, state: State) -> list[list[Tensor]]:
        """Return the leaves of each bucket's part of the state: views, made once."""
        if self._tiles is None or self._tiles[0] is not state:
            starts = range(0, self.rows, self._bucket)
            views = [tree_map(lambda leaf, at=at: leaf[at : at + self._bucket], state) for at in starts]
            self._tiles = state, [flat_state(view) for view in views]
        return self._tiles[1]
