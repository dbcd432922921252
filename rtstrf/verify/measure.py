"""The guarantees, measured: how far a stage is from what it promises, as numbers.

The same functions prove the stages in the tests and in the user's hands (`rtstrf verify`). Each returns an error
relative to the peak of the reference or to 1, whichever is greater (a lower peak is not scaled up: an error of 1e-6 Hz
is none, however quiet the population), and infinity where one side is NaN and the other is not.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtstrf.runner import StepRunner
from rtstrf.stream import State, StreamModule, clone, leaves, tree_map

PRIMES = (2, 3, 5, 7, 11, 13)

# Frames of a long life: 28 hours at 1 ms, more than 2^24, the last whole number that float32 counts to one by one.
LONG_LIFE_FRAMES = 100_000_000

# What DESIGN promises: any chunking, and any company in the batch, within this of the peak, at least 1.
BOUND = {torch.float32: 1e-5, torch.float64: 1e-10}


def relative_error(value: Any, reference: Any) -> float:
    """Return the largest difference of two outputs, relative to the peak of the reference, at least 1."""
    worst = 0.0
    for (_, a), (_, b) in zip(leaves(value), leaves(reference), strict=True):
        if a.shape != b.shape or not torch.equal(a.isfinite(), b.isfinite()):
            return math.inf
        finite = b.isfinite()
        if finite.any():
            peak = max(1.0, float(b[finite].abs().max()))
            worst = max(worst, float((a[finite] - b[finite]).abs().max()) / peak)
    return worst


def partitions(frames: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Yield ways to cut a stream: frame by frame, primes in turn, at random, and whole."""
    yield [1] * frames
    yield cut(frames, lambda i: PRIMES[i % len(PRIMES)])
    yield cut(frames, lambda i: int(rng.integers(1, 24)))
    yield [frames]


def cut(frames: int, size: Any) -> list[int]:
    """Return chunk sizes that add up to `frames`, the i-th being size(i) where it fits."""
    sizes: list[int] = []
    while sum(sizes) < frames:
        sizes.append(min(size(len(sizes)), frames - sum(sizes)))
    return sizes


def join(parts: list[Any]) -> Any:
    """Join chunks of output along time."""
    return tree_map(lambda *chunks: torch.cat(chunks, dim=-1), *parts)


def whole(module: StreamModule, x: Tensor) -> Any:
    """Return the offline output: one big step from the start."""
    with torch.inference_mode():
        return module(x)


def stepped(module: StreamModule, x: Tensor, sizes: list[int], *, poison: bool = False) -> Any:
    """Return the output of a stream cut into chunks of `sizes` frames.

    With `poison`, each consumed state is overwritten with garbage at once, so that a stage which still leans on it
    shows.
    """
    per_frame = module.samples_per_frame
    parts, at = [], 0
    with torch.inference_mode():
        state = module.initial_state(x.shape[0])
        for size in sizes:
            before = state
            y, state = module.step(x[..., at * per_frame : (at + size) * per_frame], before)
            parts.append(tree_map(torch.clone, y))
            if poison:
                for _, leaf in leaves(before):
                    leaf.fill_(torch.nan) if leaf.is_floating_point() else leaf.fill_(1)
            at += size
    return join(parts)


def chunking_error(module: StreamModule, x: Tensor, rng: np.random.Generator) -> float:
    """G1: the largest difference between the offline output and any way of cutting the sound."""
    reference = whole(module, x)
    frames = x.shape[-1] // module.samples_per_frame
    return max(relative_error(stepped(module, x, sizes, poison=True), reference) for sizes in partitions(frames, rng))


def snapshot_error(module: StreamModule, x: Tensor) -> float:
    """G1 across a save and restore into another lane of another runner, half way."""
    per_frame = module.samples_per_frame
    middle = (x.shape[-1] // per_frame // 2) * per_frame
    dtype = x.dtype
    first, second = StepRunner(module, lanes=1, dtype=dtype), StepRunner(module, lanes=3, dtype=dtype)
    one = x[:1]
    begin = first.step(one[..., :middle])
    second.restore(2, first.snapshot(0))
    rest = one[..., middle:]
    company = torch.full_like(rest, torch.nan).repeat(3, *(1,) * (rest.ndim - 1))
    company[2] = rest[0]
    end = tree_map(lambda leaf: leaf[2:], second.step(company, [False, False, True]))
    return relative_error(join([begin, end]), whole(module, one))


def lanes_error(module: StreamModule, x: Tensor, rng: np.random.Generator) -> float:
    """G2: the largest difference between a lane in bad company and its solo run.

    The lanes of `x` fall out of step: each is active at random, idle ones are fed NaN, lane 0 is reset half way
    through and the last lane is admitted only then.
    """
    lanes, per_frame = x.shape[0], module.samples_per_frame
    frames = x.shape[-1] // per_frame
    runner = StepRunner(module, lanes=lanes, dtype=x.dtype)
    at = np.zeros(lanes, dtype=int)
    reset_at = 0  # 0: not yet
    outputs: list[list[Any]] = [[] for _ in range(lanes)]
    while (at < frames).any():
        size = int(rng.integers(1, 3))
        active = (rng.random(lanes) < 0.6) & (at + size <= frames)
        if at.max() < frames // 2:
            active[-1] = False
        elif not reset_at and at[0]:
            runner.reset(0)
            reset_at = int(at[0])
        given = torch.full_like(x[..., : size * per_frame], torch.nan)
        chosen = [lane for lane in range(lanes) if active[lane]]
        for lane in chosen:
            given[lane] = x[lane, ..., at[lane] * per_frame : (at[lane] + size) * per_frame]
        y = runner.step(given, active.tolist())
        for lane in chosen:
            outputs[lane].append(tree_map(lambda leaf, lane=lane: leaf[lane : lane + 1].clone(), y))
            at[lane] += size
    worst = 0.0
    for lane in range(lanes):  # each lane against itself, alone
        alone = x[lane : lane + 1]
        if lane == 0 and reset_at:
            cut_at = reset_at * per_frame
            solo = join([whole(module, alone[..., :cut_at]), whole(module, alone[..., cut_at:])])
        else:
            solo = whole(module, alone)
        worst = max(worst, relative_error(join(outputs[lane]), solo))
    return worst


def future_leak(module: StreamModule, x: Tensor, rng: np.random.Generator) -> float:
    """Causality: how much frames before t change when everything from t on is replaced, by noise and by NaN."""
    per_frame = module.samples_per_frame
    frames = x.shape[-1] // per_frame
    reference = whole(module, x)
    worst = 0.0
    for t in sorted({1, frames // 2, frames - 1}):
        for fill in ("noise", "nan"):
            other = x.clone()
            future = other[..., t * per_frame :]
            future.copy_(torch.as_tensor(rng.normal(size=future.shape) * 3) if fill == "noise" else future * torch.nan)
            past = tree_map(lambda leaf, t=t: leaf[..., :t], whole(module, other))
            worst = max(worst, relative_error(past, tree_map(lambda leaf, t=t: leaf[..., :t], reference)))
    return worst


def batch_error(module: StreamModule, x: Tensor, rng: np.random.Generator) -> float:
    """G2 in step: batch against solo runs, and against the same batch in another order."""
    together = whole(module, x)
    solo = tree_map(lambda *rows: torch.cat(rows), *(whole(module, x[i : i + 1]) for i in range(x.shape[0])))
    order = torch.as_tensor(rng.permutation(x.shape[0]))
    shuffled = tree_map(lambda leaf: leaf[torch.argsort(order)], whole(module, x[order]))
    return max(relative_error(together, solo), relative_error(shuffled, solo))


def state_is_stable(module: StreamModule, x: Tensor) -> bool:
    """Tell whether leaves keep their shape, dtype and device, have the stream axis first, and share no memory."""
    with torch.inference_mode():
        before = module.initial_state(x.shape[0])
        kept = clone(before)
        _, after = module.step(x, before)
    pairs = list(zip(leaves(kept), leaves(after), strict=True))
    shared = {leaf.untyped_storage().data_ptr() for _, leaf in leaves(before) if leaf.numel()}
    return all(
        path == other
        and a.shape == b.shape
        and a.dtype == b.dtype
        and a.device == b.device
        and a.shape[0] == x.shape[0]
        and (a.is_floating_point() or a.is_complex() or a.dtype in (torch.int64, torch.bool))
        and (not b.numel() or b.untyped_storage().data_ptr() not in shared)
        for (path, a), (other, b) in pairs
    )


def aged(state: State, frames: int = LONG_LIFE_FRAMES) -> State:
    """Return a state as if the stream had been running for `frames` frames more, its recent past the same.

    Every count of frames goes up by at least so many, and by a multiple of the lengths (axis 1) of the leaves beside
    it, so that what lies in a ring at its frame's number modulo the length lies right.

    Parameters
    ----------
    state : dict
        Counts are int64, one for each stream.
    frames : int

    Examples
    --------
    >>> aged({"ring": torch.zeros(1, 7, 2), "frames": torch.tensor([9])}, 100)["frames"]
    tensor([114])
    """
    beside = [
        leaf.shape[1] for leaf in state.values() if not isinstance(leaf, dict) and leaf.ndim > 1 and leaf.shape[1]
    ]
    period = math.lcm(*beside)
    more = -(-frames // period) * period

    def older(leaf: Any) -> Any:
        if isinstance(leaf, dict):
            return aged(leaf, frames)
        return leaf + more if leaf.dtype == torch.int64 else leaf.clone()

    return {name: older(leaf) for name, leaf in state.items()}


def age_error(module: StreamModule, x: Tensor) -> float:
    """Return how much farther from float64 a float32 stage is after a long life than it is after a short one.

    Parameters
    ----------
    module : StreamModule
        In float32.
    x : Tensor, float32
        The first half makes the recent past, the second is heard with a count of frames that is small, and large.
    """
    middle = x.shape[-1] // module.samples_per_frame // 2 * module.samples_per_frame
    outputs = []
    for dtype in (torch.float32, torch.float64):
        typed, given = copy.deepcopy(module).to(dtype), x.to(dtype)
        with torch.inference_mode():
            _, young = typed.step(given[..., :middle], typed.initial_state(x.shape[0]))
            young = clone(young)
            outputs.append([typed.step(given[..., middle:], state)[0] for state in (clone(young), aged(young))])
    short, long = (relative_error(single, double) for single, double in zip(*outputs, strict=True))
    return max(0.0, long - short)
