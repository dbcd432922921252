"""The whole hop as one CUDA graph: copy in, kernels, copy out, launched by a single call.

On a GPU a step of one stream is bound by launching its kernels, not by running them. A graph launches them all at
once, over memory that never moves: pinned memory on the host, input, state and output on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from rtstrf.backends.backend import Backend, nan_where_idle, narrowed, widened, written_over
from rtstrf.backends.program import arranged, flat_state
from rtstrf.stream import State, StreamModule, leaves, per_stream, tree_map

WARM_UPS = 3  # libraries choose and allocate at their first calls, which a graph must not record


class Recorder(Protocol):
    """What turns work on fixed memory into something that can be run again and again."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return a callable that does the work and has done it when it returns; the work itself is not done now."""
        ...

    def host(self, like: Tensor) -> Tensor:
        """Return memory on the host of the same shape and dtype, from which copies to the device are quick."""
        ...


class CudaRecorder:
    """Records CUDA graphs.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        graph, stream = torch.cuda.CUDAGraph(), self._stream
        torch.cuda.synchronize(stream.device)
        with torch.cuda.graph(graph, stream=stream):
            work()

        def replay() -> None:
            with torch.cuda.stream(stream):
                graph.replay()
            stream.synchronize()

        return replay

    def host(self, like: Tensor) -> Tensor:
        return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)


class RepeatingRecorder:
    """Runs the recorded work as it is: on a machine without a GPU, the twin that the logic is tested on."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        return work

    def host(self, like: Tensor) -> Tensor:
        return torch.empty(like.shape, dtype=like.dtype)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """One graph and the memory it reads and writes on the host."""

    run: Callable[[], None]
    x: Tensor
    mask: Tensor | None
    y: list[Tensor]
    like: Any


class CudaGraph(Backend):
    """Replay a recorded step: one graph for each number of frames, with and without idle lanes.

    Parameters
    ----------
    module : StreamModule
        On the device, in evaluation mode, its weights fixed.
    lanes : int
        Filled up with idle ones to the next power of two, so that a stream more or less records no new graph.
    recorder : Recorder, optional
        By default that of the module's device.

    Notes
    -----
    `step` takes its input and gives its output on the host; the state stays on the device. Products are of full float32
    precision (no TF32). A graph is recorded at the first step of its kind, on a copy of the state.
    """

    name = "cuda-graph"

    def __init__(self, module: StreamModule, lanes: int, recorder: Recorder | None = None) -> None:
        self._module = module
        self._lanes = lanes
        self.rows = 1 << (lanes - 1).bit_length()
        self._device = flat_state_device(module)
        self._recorder = recorder if recorder is not None else CudaRecorder(self._device)
        self._recorded: dict[tuple[int, bool], _Recorded] = {}
        self._state: State | None = None

    def step(self, x: Tensor, state: State, mask: Tensor | None) -> tuple[Any, State]:
        if self._state is not state:  # the graphs write to other memory than this
            self._recorded.clear()
            self._state = state
        key = (x.shape[-1], mask is not None)
        graph = self._recorded.get(key)
        if graph is None:
            graph = self._recorded[key] = self._record(x, state, masked=mask is not None)
        graph.x[: self._lanes].copy_(x)
        if mask is not None and graph.mask is not None:
            graph.mask[: self._lanes].copy_(mask)
        graph.run()
        y = arranged([leaf.clone() for leaf in graph.y], graph.like)  # the next hop comes into the same memory
        y = narrowed(y, self._lanes)
        return (y if mask is None else nan_where_idle(y, mask.cpu())), state

    def replaced(self, state: State, new: State) -> State:
        return written_over(state, new)

    def _record(self, x: Tensor, state: State, *, masked: bool) -> _Recorded:
        host_x = self._recorder.host(widened(x, self.rows))
        host_x.zero_()
        x_in = torch.zeros(host_x.shape, dtype=host_x.dtype, device=self._device)
        host_mask = mask_in = None
        if masked:
            host_mask = self._recorder.host(torch.zeros(self.rows, dtype=torch.bool))
            host_mask.zero_()  # lanes that only fill the bucket up are never active
            mask_in = torch.zeros(self.rows, dtype=torch.bool, device=self._device)
        with full_precision():
            rehearsal = tree_map(torch.clone, state)
            for _ in range(WARM_UPS):
                y, rehearsal = self._module.step(x_in, rehearsal)
            host_y = [self._recorder.host(leaf) for _, leaf in leaves(y)]

            def work() -> None:
                x_in.copy_(host_x, non_blocking=True)
                if mask_in is not None and host_mask is not None:
                    mask_in.copy_(host_mask, non_blocking=True)
                out, new = self._module.step(x_in, state)
                for old, leaf in zip(flat_state(state), flat_state(new), strict=True):
                    old.copy_(leaf if mask_in is None else torch.where(per_stream(mask_in, leaf), leaf, old))
                for host, (_, leaf) in zip(host_y, leaves(out), strict=True):
                    host.copy_(leaf, non_blocking=True)

            run = self._recorder.record(work)
        return _Recorded(run, host_x, host_mask, host_y, y)


def flat_state_device(module: StreamModule) -> torch.device:
    """Return where a stage's state lies."""
    found = flat_state(module.initial_state(1)) or list(module.parameters()) or list(module.buffers())
    return found[0].device if found else torch.device("cpu")


@contextmanager
def full_precision() -> Iterator[None]:
    """Let products be computed in full float32, whatever the process allows: TF32 keeps 10 bits of 23."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
