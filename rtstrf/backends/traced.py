"""The step recorded once and replayed without Python: half the cost of eager, and no compiler needed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from rtstrf.backends.compiled import Step
from rtstrf.backends.program import StepProgram
from rtstrf.stream import StreamModule


def trace_step(module: StreamModule, lanes: int) -> Step:
    """Return a stage's step as TorchScript, with the same operations in the same order.

    Parameters
    ----------
    module : StreamModule
        In evaluation mode, its weights fixed.
    lanes : int

    Returns
    -------
    run : callable
        ``run(x, state_leaves)`` advances the state where it lies and returns the leaves of the output.
    """
    program = StepProgram(module, lanes).eval()
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        # Of sizes that become constants: here they are, since a program is for one frame of so many lanes.
        warnings.simplefilter("ignore")
        example = (program.input_like.clone(), *program.initial_leaves())
        script = torch.jit.freeze(torch.jit.trace(program, example, check_trace=False))

    def run(x: Tensor, state: list[Tensor]) -> Sequence[Tensor]:
        # Unoptimised: otherwise TorchScript stops in the first hops of each thread to profile and rewrite the program.
        with torch.inference_mode(), torch.jit.optimized_execution(False):
            return script(x, *state)

    return run
