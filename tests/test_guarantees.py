"""What every stage promises, proved on every example of every stage of the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from rtstrf.models.positions import SinusoidalPositions
from rtstrf.runner import StepRunner
from rtstrf.stream import State, clone, leaves, tree_map
from rtstrf.verify import measure
from tests.support.stages import build, sound, stage_classes, stages


def counts_of(state: State) -> dict[str, Tensor]:
    """Return the leaves of a state that count, by their paths."""
    return {path: leaf for path, leaf in leaves(state) if leaf.dtype == torch.int64}


STAGES = stages()
COUNTING = [name for name, make in STAGES.items() if counts_of(make().initial_state(1))]
FRAMES = 61
DTYPES = {"float32": torch.float32, "float64": torch.float64}

each_counting_stage = pytest.mark.parametrize("name", COUNTING)
each_stage = pytest.mark.parametrize("name", STAGES)
each_dtype = pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)


def test_every_stage_offers_examples_to_be_proved_on() -> None:
    without = [cls.__name__ for cls in stage_classes() if not cls.examples() and cls.__name__ != "AuditoryModel"]
    assert not without, f"give these classes examples(): {without}"


@each_stage
@each_dtype
def test_any_chunking_equals_the_offline_output(name: str, dtype: torch.dtype) -> None:
    module = build(STAGES[name], dtype)
    error = measure.chunking_error(module, sound(module, 2, FRAMES, dtype), np.random.default_rng(0))
    assert error <= measure.BOUND[dtype]


@each_stage
@each_dtype
def test_a_snapshot_continues_in_another_lane_of_another_runner(name: str, dtype: torch.dtype) -> None:
    module = build(STAGES[name], dtype)
    assert measure.snapshot_error(module, sound(module, 1, FRAMES, dtype)) <= measure.BOUND[dtype]


def test_snapshots_continue_in_another_process(tmp_path: Path) -> None:
    expected = {}
    for name, make in STAGES.items():
        module = build(make, torch.float32)
        middle = FRAMES // 2 * module.samples_per_frame
        x = sound(module, 1, FRAMES, torch.float32)
        runner = StepRunner(module)
        runner.step(x[..., :middle])
        (tmp_path / f"{name}.snapshot").write_bytes(runner.snapshot(0))
        safetensors.torch.save_file({"x": x[..., middle:].contiguous()}, tmp_path / f"{name}.rest")
        expected[name] = {path or "y": leaf for path, leaf in leaves(runner.step(x[..., middle:]))}
    command = [sys.executable, "-m", "tests.support.other_process", str(tmp_path)]
    subprocess.run(command, cwd=Path(__file__).parents[1], check=True, timeout=250)
    for name, y in expected.items():
        heard = safetensors.torch.load_file(tmp_path / f"{name}.heard")
        assert measure.relative_error({path: heard[path] for path in y}, y) <= measure.BOUND[torch.float32], name


@each_stage
@each_dtype
@pytest.mark.parametrize("seed", range(3))
def test_lanes_out_of_step_do_not_touch_one_another(name: str, dtype: torch.dtype, seed: int) -> None:
    module = build(STAGES[name], dtype)
    error = measure.lanes_error(module, sound(module, 4, 41, dtype), np.random.default_rng(seed))
    assert error <= measure.BOUND[dtype]


@each_stage
@each_dtype
def test_a_batch_equals_its_streams_alone_in_any_order(name: str, dtype: torch.dtype) -> None:
    module = build(STAGES[name], dtype)
    error = measure.batch_error(module, sound(module, 5, FRAMES, dtype), np.random.default_rng(0))
    assert error <= measure.BOUND[dtype]


@each_stage
def test_no_frame_depends_on_the_future(name: str) -> None:
    module = build(STAGES[name], torch.float64)
    leak = measure.future_leak(module, sound(module, 2, FRAMES, torch.float64), np.random.default_rng(0))
    assert leak <= 1e-13


@each_stage
def test_the_jacobian_is_causal(name: str) -> None:
    module = build(STAGES[name], torch.float64)
    frames, per_frame = 9, module.samples_per_frame
    x = sound(module, 1, frames, torch.float64) + 0.1
    for t in (0, 4, 7):
        given = x.clone().requires_grad_()
        picked = sum(leaf[..., t].sum() for _, leaf in leaves(module(given)))
        (gradient,) = torch.autograd.grad(picked, given)
        assert not gradient[..., (t + 1) * per_frame :].any()
        assert gradient.isfinite().all()


@each_stage
def test_the_state_keeps_its_shape_dtype_and_shares_no_memory(name: str) -> None:
    module = build(STAGES[name], torch.float32)
    for frames in (1, 5):
        assert measure.state_is_stable(module, sound(module, 3, frames, torch.float32))


@each_counting_stage
def test_what_is_counted_is_frames(name: str) -> None:
    module = build(STAGES[name], torch.float32)
    state = module.initial_state(2)
    heard = 0
    for frames in (1, 5, 1):
        _, state = module.step(sound(module, 2, frames, torch.float32), state)
        heard += frames
        assert {path: count.tolist() for path, count in counts_of(state).items()} == {
            path: [heard, heard] for path in counts_of(state)
        }


@each_counting_stage
def test_after_a_long_life_float32_is_as_close_to_float64_as_before(name: str) -> None:
    module = build(STAGES[name], torch.float32)
    error = measure.age_error(module, sound(module, 2, FRAMES, torch.float32))
    in_float32 = any(isinstance(part, SinusoidalPositions) and part.deepstrf_phase for part in module.modules())
    # deepSTRF's phases lose their digits, as its option says: that it shows here is what the option is for.
    assert (error > 1e-3) if in_float32 else (error <= measure.BOUND[torch.float32])


@each_counting_stage
@each_dtype
def test_after_a_long_life_any_chunks_still_give_the_same(name: str, dtype: torch.dtype) -> None:
    module = build(STAGES[name], dtype)
    per_frame = module.samples_per_frame
    begin, rest = sound(module, 2, FRAMES, dtype).split([20 * per_frame, (FRAMES - 20) * per_frame], dim=-1)
    with torch.inference_mode():
        _, young = module.step(begin, module.initial_state(2))
        young = clone(young)
        reference, _ = module.step(rest, measure.aged(young))
        state, parts = measure.aged(young), []
        for chunk in rest.split(tuple(per_frame * size for size in (1, 1, 13, 1, 7, 17, 1)), dim=-1):
            y, state = module.step(chunk, state)
            parts.append(tree_map(torch.clone, y))
        assert measure.relative_error(measure.join(parts), reference) <= measure.BOUND[dtype]
        if not any(isinstance(part, SinusoidalPositions) for part in module.modules()):
            # The same recent past gives the same early on; after 1000 frames, for until it is full a window is shorter.
            assert measure.relative_error(reference, module.step(rest, measure.aged(young, 1000))[0]) == 0.0


@each_stage
def test_a_nan_stays_in_its_stream(name: str) -> None:
    module = build(STAGES[name], torch.float32)
    x = sound(module, 3, FRAMES, torch.float32)
    spoiled = x.clone()
    spoiled[1, ..., x.shape[-1] // 2] = torch.nan
    clean, mixed = measure.whole(module, x), measure.whole(module, spoiled)
    for lane in (0, 2):
        pick = [tree_map(lambda leaf, lane=lane: leaf[lane], y) for y in (mixed, clean)]
        assert measure.relative_error(*pick) <= measure.BOUND[torch.float32]


@each_stage
def test_gradients_through_steps_equal_those_of_the_whole(name: str) -> None:
    module = build(STAGES[name], torch.float64)
    x = sound(module, 2, 23, torch.float64) + 0.1
    parameters = list(module.parameters())
    wanted = [x, *parameters]
    gradients = []
    for sizes in ([23], [1, 7, 1, 1, 13]):
        given = x.clone().requires_grad_()
        state, parts, at = module.initial_state(2), [], 0
        for size in sizes:
            step = module.samples_per_frame
            y, state = module.step(given[..., at * step : (at + size) * step], state)
            parts.append(y)
            at += size
        # A fixed weight on each frame, so that a frame in the wrong place changes the sum.
        total = sum(
            (leaf * torch.linspace(0.5, 2.0, leaf.shape[-1], dtype=leaf.dtype)).sum()
            for _, leaf in leaves(measure.join(parts))
        )
        gradients.append(torch.autograd.grad(total, [given, *parameters], allow_unused=True))
    assert len(gradients[0]) == len(wanted)
    for whole, stepped in zip(*gradients, strict=True):
        assert (whole is None) == (stepped is None)
        if whole is not None:
            assert measure.relative_error(stepped, whole) <= 1e-9
