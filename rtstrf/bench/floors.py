"""What the machine costs with nothing to compute, and what the arithmetic costs with nothing around it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from rtstrf.bench.loops import open_loop
from rtstrf.bench.spread import spread_us
from rtstrf.stream import StreamModule

SPIN_PERIOD_NS = 50_000
ROUNDS = 50  # of a floor: the best of them is what the machine can do
ROUND_S = 0.002


def jitter_floor(spin_s: float, sleep_s: float, sleep_period_ns: int) -> dict[str, float]:
    """Return how late this machine is when there is nothing to do.

    Parameters
    ----------
    spin_s : float
        Seconds for which an empty loop looks at the clock, for deadlines 50 us apart: what takes the core away.
    sleep_s : float
        Seconds for which a thread sleeps from one deadline to the next.
    sleep_period_ns : int
        Between its deadlines.

    Returns
    -------
    floor : dict
        ``jitter_floor_*_us`` of the loop that never sleeps, ``wake_floor_*_us`` of the thread that does.
    """

    def lateness_ns(lasts_s: float, period_ns: int, *, asleep: bool) -> np.ndarray:
        count = max(1, round(lasts_s * 1e9 / period_ns))
        nothing = [np.empty(0, dtype=np.float32)]
        return open_loop(lambda _: None, nothing, count, period_ns, asleep=asleep).response_ns

    spun_ns = lateness_ns(spin_s, SPIN_PERIOD_NS, asleep=False)
    slept_ns = lateness_ns(sleep_s, sleep_period_ns, asleep=True)
    return {**spread_us(spun_ns, "jitter_floor_"), **spread_us(slept_ns, "wake_floor_")}


def weight_bytes(module: StreamModule, dtype: torch.dtype = torch.float32) -> int:
    """Return the bytes of all weights that a step multiplies with: parameters and buffers that are matrices.

    What multiplies element by element (biases, a norm's gain, a window) is left out: it is small, and no product.
    """
    tensors = [*module.parameters(), *module.buffers()]
    return sum(t.numel() for t in tensors if t.is_floating_point() and t.ndim >= 2) * dtype.itemsize


def product_floor(bytes_of_weights: int, lanes: int, device: str) -> dict[str, float]:
    """Return what one product with as many weights costs here, the least that any step with these weights can take.

    Parameters
    ----------
    bytes_of_weights : int
        float32; read once, from as near a cache as they fit into.
    lanes : int
        Columns of the other factor: a matrix-vector product for one, a matrix product for many.
    device : str

    Returns
    -------
    floor : dict
        ``floor_us``, the weights' product alone; ``floor_gflop_per_s`` and ``floor_gb_per_s``, the rates at which it
        computed, and read the weights (what bounds one lane, and does not bound many); on an accelerator
        ``floor_launch_us`` also, an empty kernel between a pinned copy in and one out, which `floor_us` includes.
    """
    columns = max(1, min(128, bytes_of_weights // 4))
    rows = max(1, bytes_of_weights // 4 // columns)
    with torch.inference_mode():
        weights = torch.randn(rows, columns, device=device)
        x = torch.randn(columns, lanes, device=device)
        y = torch.empty(rows, lanes, device=device)
        product = (lambda: torch.mm(weights, x, out=y)) if lanes > 1 else _vector_product(weights, x, y)
        if device == "cpu":
            floor_us = _best_us(product)
            launch: dict[str, float] = {}
        else:
            launch_us = _launch_us(device, lanes)
            floor_us = launch_us + _best_us_on_device(product, device)
            launch = {"floor_launch_us": round(launch_us, 2)}
    operations = 2 * rows * columns * lanes
    told = {"floor_us": round(floor_us, 2), "floor_gflop_per_s": round(operations / floor_us / 1e3, 1)}
    return {**told, "floor_gb_per_s": round(rows * columns * 4 / floor_us / 1e3, 1), **launch}


def _vector_product(weights: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> Any:
    """Return the quickest call there is for a matrix and one vector."""
    if weights.device.type != "cpu":
        return lambda: torch.mv(weights, x[:, 0], out=y[:, 0])
    matrix, vector, out = weights.numpy(), np.ascontiguousarray(x.numpy()[:, 0]), np.ascontiguousarray(y.numpy()[:, 0])
    return lambda: np.dot(matrix, vector, out=out)


def _best_us(call: Any) -> float:
    """Return the time of a call: the best round of many, so that what disturbs it is no part of the floor."""
    call()
    began_s = time.perf_counter()
    call()
    calls = max(1, min(10_000, round(ROUND_S / max(time.perf_counter() - began_s, 1e-7))))
    best_s = np.inf
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        for _ in range(calls):
            call()
        best_s = min(best_s, (time.perf_counter() - began_s) / calls)
    return float(best_s) * 1e6


def _best_us_on_device(call: Any, device: str) -> float:
    """Return the time of a call on an accelerator, by its own clock, many in a row."""
    calls, best_us = 100, np.inf
    for _ in range(ROUNDS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(calls):
            call()
        end.record()
        torch.cuda.synchronize(device)
        best_us = min(best_us, begin.elapsed_time(end) * 1e3 / calls)
    return float(best_us)


def _launch_us(device: str, lanes: int) -> float:
    """Return what a hop costs that computes nothing: copied in, one kernel, copied out, waited for."""
    there = torch.empty(lanes, 240, device=device)
    given, taken = torch.zeros(lanes, 240).pin_memory(), torch.zeros(lanes, 240).pin_memory()

    def round_trip() -> None:
        there.copy_(given, non_blocking=True)
        there.add_(1.0)
        taken.copy_(there, non_blocking=True)
        torch.cuda.synchronize(device)

    return _best_us(round_trip)
