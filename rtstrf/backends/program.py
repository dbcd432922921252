"""One hop of a stage as a program: flat tensors in and out, the state advanced where it lies.

A stage's `step` is a pure function of input and state. What follows is the same function in the form that compilers
and CUDA graphs want: no dicts, a fixed number of streams and frames, and the new state written over the old one, so
that a delay line which changes in one place is not copied whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rtstrf.stream import State, StreamModule, from_leaves, leaves, tree_map


class StepProgram(nn.Module):
    """Advance a stage by some frames: ``program(x, *state_leaves)`` returns the leaves of the output.

    Parameters
    ----------
    module : StreamModule
        In evaluation mode, its weights fixed (`rtstrf.models.derived.fix_derived`).
    streams : int
    frames : int
        Of one step; 1 for a hop.

    Attributes
    ----------
    output_like : tensor or nested dict of tensors
        What the stage returns, whose leaves the program returns in order.
    """

    def __init__(self, module: StreamModule, streams: int, frames: int = 1) -> None:
        super().__init__()
        self.module = module
        self._state_like = module.initial_state(streams)
        weight = next((w for w in [*module.parameters(), *module.buffers()] if w.is_floating_point()), torch.zeros(0))
        self.input_like = torch.zeros(module.input_shape(streams, frames), dtype=weight.dtype, device=weight.device)
        self.output_like = module.step(self.input_like, tree_map(torch.clone, self._state_like))[0]
        flat = isinstance(self.output_like, dict) and not any(isinstance(v, dict) for v in self.output_like.values())
        self._names = tuple(self.output_like) if flat else None  # most outputs are; it saves a walk for every hop

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        paths = (path for path, _ in leaves(self._state_like))
        y, new_state = self.module.step(x, from_leaves(zip(paths, state, strict=True), self._state_like))
        for old, (_, new) in zip(state, leaves(new_state), strict=True):
            old.copy_(new)
        return tuple(leaf for _, leaf in leaves(y))

    def initial_leaves(self) -> list[Tensor]:
        """Return the leaves of the state before the first frame, each with memory of its own."""
        return [leaf.clone() for _, leaf in leaves(self._state_like)]

    def output(self, flat: Sequence[Tensor]) -> Any:
        """Return the stage's output from what the program returned."""
        if self._names is not None:
            return dict(zip(self._names, flat, strict=True))
        return arranged(flat, self.output_like)

    def export(self) -> torch.export.ExportedProgram:
        """Trace the program to a graph of tensor operations, its weights included."""
        with torch.inference_mode(False), torch.no_grad():
            example = (self.input_like.clone(), *self.initial_leaves())
            return torch.export.export(self, example, strict=False)


def arranged(flat: Sequence[Tensor], like: Any) -> Any:
    """Return leaves in the arrangement of a tensor or a nested dict."""
    if isinstance(like, Tensor):
        return flat[0]
    return from_leaves(zip((path for path, _ in leaves(like)), flat, strict=True), like)


def flat_state(state: State) -> list[Tensor]:
    """Return the leaves of a state, in order."""
    return [leaf for _, leaf in leaves(state)]
