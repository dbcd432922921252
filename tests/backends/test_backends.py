"""Every backend gives what the stage gives: through idle lanes, resets, snapshots and steps of several frames.

The logic of tiles and CUDA graphs is tested on twins that run the stage's own program on the CPU; what the native
code computes is in test_compiled.py, and a GPU's in test_on_a_gpu.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from rtstrf.backends.backend import Backend
from rtstrf.backends.choose import choose_backend
from rtstrf.backends.cuda_graph import CudaGraph, RepeatingRecorder
from rtstrf.backends.program import StepProgram
from rtstrf.backends.tiles import Tiles
from rtstrf.backends.traced import trace_step
from rtstrf.errors import ConfigError
from rtstrf.runner import StepRunner
from rtstrf.stream import StreamModule, leaves
from tests.support.stages import build, sound, stages

G1 = 1e-5
LANES, HOPS = 5, 12
# One of each kind of state: samples, rings with counters, key/value caches, recurrent cells, the whole journey.
NAMES = (
    "SoundToRates-adapting",
    "SoundToRates-onoff-beside",
    "AdapTrans-eight-taps",
    "Transformer-layers-sound",
    "DNet-separable-sound",
    "StateNet-mamba-lc-spectrogram",
    "ICNet-halving",
    "Identity-identity",
)


def tiles(module: StreamModule, lanes: int) -> Backend:
    hop, four = StepProgram(module, 2), StepProgram(module, 2, frames=4)
    long = (4, lambda x, state: four(x, *state))
    return Tiles(module, lanes, 2, lambda x, state: hop(x, *state), long=long, hops_at_once=2)


def graphs(module: StreamModule, lanes: int) -> Backend:
    return CudaGraph(module, lanes, RepeatingRecorder())


def traced(module: StreamModule, lanes: int) -> Backend:
    return Tiles(module, lanes, lanes, trace_step(module, lanes), name="traced")


def runner_on(backend: Callable[[StreamModule, int], Backend], module: StreamModule, monkeypatch) -> StepRunner:
    monkeypatch.setattr("rtstrf.runner.choose_backend", lambda name, own, lanes, *_, **__: backend(own, lanes))
    return StepRunner(module, LANES)


def assert_same(got: object, wanted: object) -> None:
    for (path, ours), (_, theirs) in zip(leaves(got), leaves(wanted), strict=True):
        peak = max(1.0, float(theirs.float().nan_to_num().abs().max()) if theirs.numel() else 0.0)
        torch.testing.assert_close(
            ours, theirs, rtol=0, atol=G1 * peak, equal_nan=True, msg=lambda m, p=path: f"{p}: {m}"
        )


@pytest.mark.parametrize("backend", [tiles, graphs, traced])
@pytest.mark.parametrize("name", NAMES)
def test_it_equals_eager_through_idle_lanes_resets_and_restores(backend, name: str, monkeypatch) -> None:
    module = build(stages()[name], torch.float32)
    wanted, got = StepRunner(module, LANES), runner_on(backend, module, monkeypatch)
    rng = np.random.default_rng(3)
    x = sound(module, LANES, HOPS, torch.float32)
    snapshots: list[bytes] = []
    for number, hop in enumerate(x.split(module.samples_per_frame, dim=-1)):
        hop = hop.clone()
        active = torch.as_tensor(rng.random(LANES) < 0.7)
        if number % 3 == 0:
            active[:] = True
        hop[~active] = torch.nan
        given = None if number % 3 == 0 else active
        assert_same(got.step(hop, given), wanted.step(hop, given))
        if number == 4:
            wanted.reset([1, 3])
            got.reset([1, 3])
        if number == 5:
            snapshots = [wanted.snapshot(2), got.snapshot(2)]
        if number == 8:
            wanted.restore(0, snapshots[0])
            got.restore(0, snapshots[1])
    assert_same(got.state, wanted.state)


@pytest.mark.parametrize("backend", [tiles, graphs, traced])
def test_several_frames_at_once_continue_the_same_state(backend, monkeypatch) -> None:
    module = build(stages()["SoundToRates-adapting"], torch.float32)
    wanted, got = StepRunner(module, LANES), runner_on(backend, module, monkeypatch)
    active = [True, False, True, True, False]
    x = sound(module, LANES, 48, torch.float32)
    at = 0
    for frames, mask in (
        (3, None),
        (1, active),
        (5, active),
        (2, active),
        (11, None),
        (8, active),
        (7, active),
        (11, active),
    ):
        part = x[..., at * module.samples_per_frame : (at + frames) * module.samples_per_frame]
        assert_same(got.step(part, mask), wanted.step(part, mask))
        at += frames
    assert_same(got.state, wanted.state)


@pytest.mark.parametrize("backend", [tiles, graphs, traced])
def test_what_a_step_returned_stays_as_it_was(backend, monkeypatch) -> None:
    module = build(stages()["SoundToRates-adapting"], torch.float32)
    runner = runner_on(backend, module, monkeypatch)
    x = sound(module, LANES, 2, torch.float32)
    first = runner.step(x[..., : module.samples_per_frame])
    kept = {name: leaf.clone() for name, leaf in leaves(first)}
    runner.step(x[..., module.samples_per_frame :])
    runner.reset()
    for name, leaf in leaves(first):
        torch.testing.assert_close(leaf, kept[name], rtol=0, atol=0)


@pytest.mark.parametrize("backend", [tiles, graphs, traced])
def test_warming_up_leaves_no_trace(backend, monkeypatch) -> None:
    module = build(stages()["SoundToRates-adapting"], torch.float32)
    wanted, got = StepRunner(module, LANES), runner_on(backend, module, monkeypatch)
    x = sound(module, LANES, 2, torch.float32)
    got.step(x[..., : module.samples_per_frame])
    wanted.step(x[..., : module.samples_per_frame])
    got.warm_up(frames=2, times=2)
    got.warm_up()
    assert_same(got.step(x[..., module.samples_per_frame :]), wanted.step(x[..., module.samples_per_frame :]))


def test_the_graph_reads_and_writes_the_same_memory_for_ever(monkeypatch) -> None:
    module = build(stages()["SoundToRates-adapting"], torch.float32)
    backend = CudaGraph(module, 3, RepeatingRecorder())
    state = module.initial_state(backend.rows)
    places = [leaf.data_ptr() for _, leaf in leaves(state)]
    x = sound(module, 3, 4, torch.float32)
    recorded = []
    for hop in x.split(module.samples_per_frame, dim=-1):
        _, state = backend.step(hop, state, None)
        recorded.append(next(iter(backend._recorded.values())))
        state = backend.replaced(state, module.initial_state(backend.rows))
    assert [leaf.data_ptr() for _, leaf in leaves(state)] == places
    assert all(graph is recorded[0] for graph in recorded)


def test_lanes_are_filled_up_to_a_power_of_two_and_a_stream_more_records_nothing_new() -> None:
    module = build(stages()["AdapTrans-eight-taps"], torch.float32)
    assert [CudaGraph(module, lanes, RepeatingRecorder()).rows for lanes in (1, 2, 3, 5, 8, 9)] == [1, 2, 4, 8, 8, 16]


def test_an_unknown_backend_and_one_that_cannot_be_had_say_what_can() -> None:
    module = build(stages()["AdapTrans-eight-taps"], torch.float32)
    with pytest.raises(ConfigError, match="auto, eager, traced, compiled, cuda-graph"):
        choose_backend("fast", module, 1, torch.device("cpu"), torch.float32)
    with pytest.raises(ConfigError, match="set device to cuda"):
        choose_backend("cuda-graph", module, 1, torch.device("cpu"), torch.float32)
    with pytest.raises(ConfigError, match="float64 is for reference"):
        StepRunner(module, dtype=torch.float64, backend="compiled")


def test_auto_takes_what_needs_no_compiling(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("RTSTRF_CACHE", str(tmp_path))
    module = build(stages()["AdapTrans-eight-taps"], torch.float32)
    assert StepRunner(module, backend="auto").backend == "traced"
    assert StepRunner(module, backend="auto", dtype=torch.float64).backend == "eager"


@pytest.mark.parametrize("name", stages())
def test_the_traced_step_does_what_eager_does_in_the_same_order(name: str) -> None:
    module = build(stages()[name], torch.float32)
    wanted, got = StepRunner(module, 2), StepRunner(module, 2, backend="traced")
    assert got.backend == "traced"
    x = sound(module, 2, HOPS, torch.float32)
    for number, hop in enumerate(x.split(module.samples_per_frame, dim=-1)):
        active = None if number % 3 else [True, False]
        assert_same(got.step(hop, active), wanted.step(hop, active))
    assert_same(got.state, wanted.state)
