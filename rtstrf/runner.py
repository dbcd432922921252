"""Who runs a stage: the only owner of execution, state and lanes.

A runner holds the state of a fixed number of lanes, one stream in each, and advances those that have a frame. Stages
stay pure; everything that must be remembered between calls is remembered here.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from rtstrf.backends.choose import choose_backend
from rtstrf.errors import ConfigError, StreamError
from rtstrf.models.derived import fix_derived
from rtstrf.stream import State, StreamModule, from_leaves, leaves, select, size_bytes, tree_map, where

SNAPSHOT_FORMAT = "rtstrf-state/1"


class StepRunner:
    """Run a stage for a number of lanes, each at a place of its own in its stream.

    Parameters
    ----------
    module : StreamModule
        The stage; the runner works on a copy of it, in evaluation mode.
    lanes : int
        Streams side by side.
    device, dtype
        Where and how to compute: float32, or float64 for reference.
    backend : {"eager", "auto", "traced", "compiled", "cuda-graph"}
        How to compute (`rtstrf.backends.choose.choose_backend`). All give the same within G1.
    threads : int
        Threads of a compiled step.
    long_steps : bool
        Where it is compiled, compile a step of many hops too.
    told : callable, optional
        Is told in words what takes long: compiling a step for the first time.

    Attributes
    ----------
    backend : str
        What runs the stage in fact: ``eager``, ``compiled`` or ``cuda-graph``.

    Notes
    -----
    State: that of the stage for `lanes` streams, initial at the start. A lane that is not active keeps its state,
    whatever its input holds, NaN included, and its output is NaN, so that nobody takes it for a response.

    Examples
    --------
    >>> from rtstrf.prefilter.adaptrans import AdapTrans
    >>> runner = StepRunner(AdapTrans([0.9, 0.5], kernel_frames=3), lanes=2)
    >>> y = runner.step(torch.ones(2, 1, 2, 1), active=[True, False])
    >>> y.isnan().flatten(1).all(dim=1)
    tensor([False,  True])
    >>> runner.restore(1, runner.snapshot(0))
    """

    def __init__(
        self,
        module: StreamModule,
        lanes: int = 1,
        *,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        backend: str = "eager",
        threads: int = 1,
        long_steps: bool = False,
        told: Callable[[str], None] | None = None,
    ) -> None:
        if lanes < 1:
            raise StreamError(f"a runner of {lanes} lanes", remedy="give at least 1")
        self.device = usable_device(device)
        self.module = copy.deepcopy(module).to(device=device, dtype=dtype).eval().requires_grad_(False)
        self.lanes = lanes
        self.dtype = dtype
        fix_derived(self.module)  # the copy is the runner's own: its weights stay as they are
        with torch.inference_mode():
            self._backend = choose_backend(
                backend, self.module, lanes, self.device, dtype, threads=threads, long_steps=long_steps, told=told
            )
            self._initial = self.module.initial_state(self._backend.rows)
            self._state = tree_map(torch.clone, self._initial)
        self.backend = self._backend.name
        # Where the input is wanted: a recorded step copies it to the device by itself.
        self._input_device = torch.device("cpu") if self.backend == "cuda-graph" else self.device
        self._one_hop = self._backend.one_hop(self._state)
        self._one_frame = torch.Size(self.module.input_shape(lanes, 1))
        self._belongs_to: str | None = None

    def step(self, x: Tensor | np.ndarray, active: Iterable[bool] | Tensor | None = None) -> Any:
        """Advance the active lanes by the frames of `x`.

        Parameters
        ----------
        x : Tensor or ndarray, shape (lanes, ...) as `module.input_shape` has it
        active : (lanes,) of bool, optional
            Which lanes have input; all of them by default.

        Returns
        -------
        y : what the stage returns, with the lane axis first

        Raises
        ------
        StreamError
            If the shape does not fit the stage and the number of lanes.
        """
        if (
            self._one_hop is not None
            and active is None
            and isinstance(x, Tensor)
            and x.shape == self._one_frame
            and x.dtype == self.dtype
            and x.is_contiguous()
        ):
            return self._one_hop(x)
        with torch.inference_mode():
            given = torch.as_tensor(x).to(device=self._input_device, dtype=self.dtype)
            if given.shape != self._one_frame:
                self._check(given)
            mask = None if active is None else self._mask(active)
            y, self._state = self._backend.step(given, self._state, mask)
            return y

    def reset(self, lanes: int | Iterable[int] | None = None) -> None:
        """Return lanes to the state before their first frame; all of them by default."""
        chosen = range(self.lanes) if lanes is None else [lanes] if isinstance(lanes, int) else list(lanes)
        mask = torch.zeros(self._backend.rows, dtype=torch.bool, device=self.device)
        for lane in chosen:
            mask[self._lane(lane)] = True
        with torch.inference_mode():
            self._state = self._backend.replaced(self._state, where(mask, self._initial, self._state))

    def warm_up(self, frames: int = 1, times: int = 3) -> None:
        """Run the stage on silence and forget it, so that the first real frame pays for no first call."""
        with torch.inference_mode():
            shape = self.module.input_shape(self.lanes, frames)
            silence = torch.zeros(shape, device=self._input_device, dtype=self.dtype)
            kept = tree_map(torch.clone, self._state)
            for _ in range(times):
                _, self._state = self._backend.step(silence, self._state, None)
            self._state = self._backend.replaced(self._state, kept)

    @property
    def state(self) -> State:
        """A copy of the state of all lanes."""
        return tree_map(lambda leaf: leaf[: self.lanes].clone(), self._state)

    @property
    def state_bytes(self) -> int:
        """Bytes of state that one lane holds."""
        return size_bytes(self._state, self._backend.rows)

    def snapshot(self, lane: int = 0) -> bytes:
        """Return the state of one lane as bytes (safetensors), for any runner of the same stage."""
        tensors = {path: leaf.cpu().contiguous() for path, leaf in leaves(select(self._state, [self._lane(lane)]))}
        tensors["_"] = torch.zeros(1, dtype=torch.uint8)  # a stage without memory still makes a valid snapshot
        return safetensors.torch.save(tensors, {"format": SNAPSHOT_FORMAT, "stage": self._fingerprint()})

    def restore(self, lane: int, snapshot: bytes) -> None:
        """Put a snapshot into a lane.

        Raises
        ------
        StreamError
            If the bytes are no snapshot, or one of another stage or dtype.
        """
        index = self._lane(lane)
        try:
            header = json.loads(snapshot[8 : 8 + int.from_bytes(snapshot[:8], "little")])["__metadata__"]
            tensors = safetensors.torch.load(snapshot)
        except Exception as error:  # whatever a damaged blob provokes in the parser
            raise StreamError(f"not a snapshot of a state: {error}", remedy="give what snapshot() returned") from error
        if header.get("format") != SNAPSHOT_FORMAT or header.get("stage") != self._fingerprint():
            raise StreamError(
                "the snapshot belongs to another stage, other weights or another dtype",
                remedy=f"restore it into a runner of the same {type(self.module).__name__} in {self.dtype}",
            )
        with torch.inference_mode():
            mask = torch.zeros(self._backend.rows, dtype=torch.bool, device=self.device)
            mask[index] = True
            one = from_leaves(((path, t.to(self.device)) for path, t in tensors.items()), self._state)
            wide = tree_map(lambda part, leaf: part.expand(leaf.shape), one, self._state)
            self._state = self._backend.replaced(self._state, where(mask, wide, self._state))

    def _fingerprint(self) -> str:
        """Return what a state belongs to: the stage, the form of its state, and the weights that made it."""
        if self._belongs_to is None:
            parts = [type(self.module).__name__]
            parts += [f"{path}:{tuple(leaf.shape[1:])}:{leaf.dtype}" for path, leaf in leaves(self._state)]
            digest = hashlib.sha256("\n".join(parts).encode())
            for name, weight in self.module.state_dict().items():
                digest.update(name.encode())
                digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
            self._belongs_to = digest.hexdigest()[:16]
        return self._belongs_to

    def _lane(self, lane: int) -> int:
        if not 0 <= lane < self.lanes:
            raise StreamError(f"lane {lane} of {self.lanes}", remedy=f"choose 0 to {self.lanes - 1}")
        return lane

    def _mask(self, active: Iterable[bool] | Tensor) -> Tensor:
        mask = torch.as_tensor(list(active) if not isinstance(active, Tensor) else active, dtype=torch.bool)
        if mask.shape != (self.lanes,):
            raise StreamError(f"{tuple(mask.shape)} active flags for {self.lanes} lanes", remedy="give one flag a lane")
        return mask.to(self._input_device)

    def _check(self, x: Tensor) -> None:
        per_frame = self.module.samples_per_frame
        frames = x.shape[-1] // per_frame if x.ndim else 0
        expected = self.module.input_shape(self.lanes, max(frames, 1))
        if tuple(x.shape) != expected:
            raise StreamError(
                f"input of shape {tuple(x.shape)} for {type(self.module).__name__} in {self.lanes} lanes",
                remedy=f"give {(*expected[:-1], f'a multiple of {per_frame}')}",
            )


def usable_device(device: str | torch.device) -> torch.device:
    """Return a device that tensors can be put on here.

    Raises
    ------
    ConfigError
        If there is no such device.
    """
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:  # torch asserts where it was built without CUDA
        why = str(error).splitlines()[0]
        there = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        raise ConfigError(f"no device {str(device)!r} here: {why}", remedy=f"choose from {', '.join(there)}") from error
    return found
