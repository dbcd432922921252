"""Which way of running a step is taken."""

from __future__ import annotations

from collections.abc import Callable

import torch

from rtstrf.backends.backend import Backend, Eager
from rtstrf.errors import ConfigError
from rtstrf.stream import StreamModule

# TorchScript copies a delay line once more than eager does, which outweighs what it saves where there are many.
MOST_TRACED_LANES = 16

# Up to so many hops cost less one after another in native code than together by the stage itself.
COMPILED_HOPS_AT_ONCE = 16

BACKENDS = ("auto", "eager", "traced", "compiled", "cuda-graph")


def choose_backend(
    backend: str,
    module: StreamModule,
    lanes: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    threads: int = 1,
    long_steps: bool = False,
    told: Callable[[str], None] | None = None,
) -> Backend:
    """Return what runs a stage.

    Parameters
    ----------
    backend : {"auto", "eager", "traced", "compiled", "cuda-graph"}
        ``auto``: on a GPU a CUDA graph; on a CPU what is compiled already, otherwise traced, since compiling takes half
        a minute that nobody has asked for. Many lanes are not traced but eager, as is float64.
    module : StreamModule
        On the device, in the dtype, in evaluation mode, its weights fixed.
    lanes : int
    device : torch.device
    dtype : torch.dtype
    threads : int
    long_steps : bool
        Compile a step of many hops beside that of one, for replays; one that is at hand is used anyway.
    told : callable, optional
        Is told in words what takes long.

    Raises
    ------
    ConfigError
        If the one asked for is unknown or cannot be had here.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"no backend {backend!r}", remedy=f"one of {', '.join(BACKENDS)}")
    if backend == "auto":
        backend = _best_at_hand(module, lanes, device, dtype, threads)
    if backend == "eager":
        return Eager(module, lanes)
    if backend == "cuda-graph":
        if device.type != "cuda":
            raise ConfigError(
                f"backend cuda-graph on {device}",
                remedy="set device to cuda, or the backend to auto, eager or compiled",
            )
        from rtstrf.backends.cuda_graph import CudaGraph

        return CudaGraph(module, lanes)
    from rtstrf.backends.compiled import (
        bucket_for,
        cannot_compile,
        compile_step,
        load_step,
        long_frames,
        long_step_at_hand,
    )
    from rtstrf.backends.tiles import Tiles
    from rtstrf.backends.traced import trace_step

    if device.type != "cpu":
        raise ConfigError(f"backend {backend} on {device}", remedy="set backend to auto, eager or cuda-graph")
    if backend == "traced":
        return Tiles(module, lanes, lanes, trace_step(module, lanes), name="traced")
    if dtype != torch.float32:
        raise ConfigError(f"the step cannot be compiled: {cannot_compile(module)}", remedy="use backend auto or eager")
    bucket = bucket_for(lanes)
    run = load_step(compile_step(module, bucket, threads, told=told))
    at_hand = long_step_at_hand(module, bucket, threads)
    if at_hand is None and long_steps:
        frames = long_frames(module)
        at_hand = frames, compile_step(module, bucket, threads, frames, told=told)
    long = None if at_hand is None else (at_hand[0], load_step(at_hand[1]))
    return Tiles(module, lanes, bucket, run, long=long, hops_at_once=COMPILED_HOPS_AT_ONCE)


def _best_at_hand(module: StreamModule, lanes: int, device: torch.device, dtype: torch.dtype, threads: int) -> str:
    """Return the fastest backend that takes no time to be made."""
    if device.type != "cpu":
        return "cuda-graph" if device.type == "cuda" else "eager"
    if dtype != torch.float32:
        return "eager"
    if is_compiled(module, lanes, dtype, threads):
        return "compiled"
    return "traced" if lanes <= MOST_TRACED_LANES else "eager"


def is_compiled(module: StreamModule, lanes: int, dtype: torch.dtype, threads: int = 1) -> bool:
    """Return whether the compiled step of a stage is at hand."""
    from rtstrf.backends.compiled import bucket_for, compiled_path

    return dtype == torch.float32 and compiled_path(module, bucket_for(lanes), threads).exists()
