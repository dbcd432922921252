"""Who runs a stage: lanes, resets, snapshots and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rtstrf.errors import StreamError
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.runner import StepRunner
from rtstrf.stream import Chain, Identity, State, StreamModule, leaves
from tests.support.models import HOP_SAMPLES, tiny_model

BANDS = 3


class Count(StreamModule):
    """Adds up what it hears: the simplest stage that remembers."""

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, BANDS, frames)

    def initial_state(self, streams: int) -> State:
        return {"sum": torch.zeros(streams, BANDS, dtype=torch.get_default_dtype())}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        sums = state["sum"].to(x.dtype).unsqueeze(-1) + x.cumsum(-1)
        return sums, {"sum": sums[..., -1].clone()}


def ones(lanes: int, frames: int = 1) -> Tensor:
    return torch.ones(lanes, BANDS, frames)


def last(y: Tensor) -> list[float]:
    """Return the last value of each lane's first band."""
    return y[:, 0, -1].tolist()


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_each_lane_counts_its_own_frames(active: list[tuple[bool, ...]]) -> None:
    runner = StepRunner(Count(), lanes=3)
    for mask in active:
        x = ones(3)
        x[[not m for m in mask]] = torch.nan  # an idle lane's input is nobody's business
        y = runner.step(x, mask)
        assert y[[not m for m in mask]].isnan().all()
        assert not y[list(mask)].isnan().any()
    counted = [float(sum(mask[lane] for mask in active)) for lane in range(3)]
    assert runner.state["sum"][:, 0].tolist() == counted


def test_all_lanes_are_active_by_default() -> None:
    runner = StepRunner(Count(), lanes=2)
    assert last(runner.step(ones(2, 4))) == [4.0, 4.0]
    assert last(runner.step(ones(2).numpy())) == [5.0, 5.0]


def test_reset_forgets_the_lanes_it_is_told() -> None:
    runner = StepRunner(Count(), lanes=4)
    runner.step(ones(4, 3))
    runner.reset(1)
    assert last(runner.step(ones(4))) == [4, 1, 4, 4]
    runner.reset([0, 3])
    assert last(runner.step(ones(4))) == [1, 2, 5, 1]
    runner.reset()
    assert last(runner.step(ones(4))) == [1, 1, 1, 1]


def test_a_snapshot_goes_on_in_another_lane_and_runner() -> None:
    first, second = StepRunner(Count(), lanes=2), StepRunner(Count(), lanes=3)
    first.step(ones(2, 7))
    kept = first.snapshot(1)
    first.step(ones(2, 5))
    second.restore(2, kept)
    assert last(second.step(ones(3))) == [1, 1, 8]
    first.restore(0, kept)
    assert last(first.step(ones(2))) == [8, 13]


def test_a_snapshot_holds_the_whole_state_bit_for_bit() -> None:
    runner = StepRunner(tiny_model(), lanes=2)
    x = torch.randn(2, 1, 9 * HOP_SAMPLES, generator=torch.Generator().manual_seed(0))
    runner.step(x)
    other = StepRunner(tiny_model(), lanes=2)
    for lane in (0, 1):
        other.restore(lane, runner.snapshot(lane))
    for (path, a), (_, b) in zip(leaves(runner.state), leaves(other.state), strict=True):
        assert torch.equal(a, b), path


def test_a_stage_without_memory_has_snapshots_too() -> None:
    runner = StepRunner(Identity((1, BANDS)))
    runner.restore(0, runner.snapshot())


@pytest.mark.parametrize("damage", [b"", b"garbage", "cut"])
def test_bytes_that_are_no_snapshot_are_refused_and_change_nothing(damage: bytes | str) -> None:
    runner = StepRunner(Count())
    runner.step(ones(1, 3))
    blob = runner.snapshot()[:-3] if isinstance(damage, str) else damage
    with pytest.raises(StreamError, match="not a snapshot"):
        runner.restore(0, blob)
    assert last(runner.step(ones(1))) == [4.0]


@pytest.mark.parametrize(
    "other",
    [
        StepRunner(Chain({"a": Count()})),
        StepRunner(AdapTrans([0.5] * BANDS, kernel_frames=4)),
        StepRunner(AdapTrans([0.5] * BANDS, kernel_frames=5), dtype=torch.float64),
        StepRunner(AdapTrans([0.6] * BANDS, kernel_frames=5)),
    ],
    ids=["another stage", "other taps", "another dtype", "other weights"],
)
def test_a_snapshot_of_something_else_is_refused(other: StepRunner) -> None:
    runner = StepRunner(AdapTrans([0.5] * BANDS, kernel_frames=5))
    with pytest.raises(StreamError, match="belongs to another stage"):
        runner.restore(0, other.snapshot())


@pytest.mark.parametrize("shape", [(), (1, BANDS, 1), (3, BANDS, 1), (2, BANDS + 1, 1), (2, BANDS, 0), (2, BANDS)])
def test_input_of_another_shape_is_refused_with_the_shape_that_fits(shape: tuple[int, ...]) -> None:
    with pytest.raises(StreamError, match=r"input of shape .* for Count in 2 lanes\n  -> give \(2, 3, "):
        StepRunner(Count(), lanes=2).step(torch.zeros(shape))


def test_a_hop_that_is_not_whole_is_refused() -> None:
    runner = StepRunner(tiny_model())
    with pytest.raises(StreamError, match=f"a multiple of {HOP_SAMPLES}"):
        runner.step(torch.zeros(1, 1, HOP_SAMPLES + 1))


@pytest.mark.parametrize("flags", [[True], [True, False, True], []])
def test_a_flag_for_each_lane_is_asked_for(flags: list[bool]) -> None:
    with pytest.raises(StreamError, match="active flags for 2 lanes"):
        StepRunner(Count(), lanes=2).step(ones(2), flags)


@pytest.mark.parametrize("lane", [-1, 2])
def test_a_lane_that_is_not_there_is_refused(lane: int) -> None:
    runner = StepRunner(Count(), lanes=2)
    for use in (runner.reset, runner.snapshot, lambda n: runner.restore(n, runner.snapshot(0))):
        with pytest.raises(StreamError, match=f"lane {lane} of 2"):
            use(lane)


def test_a_runner_has_a_lane() -> None:
    with pytest.raises(StreamError, match="0 lanes"):
        StepRunner(Count(), lanes=0)


def test_warming_up_leaves_no_trace() -> None:
    warmed, cold = StepRunner(tiny_model()), StepRunner(tiny_model())
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, 4 * HOP_SAMPLES)))
    warmed.step(x)
    cold.step(x)
    warmed.warm_up(frames=3)
    for (path, a), (_, b) in zip(leaves(warmed.state), leaves(cold.state), strict=True):
        assert torch.equal(a, b), path


def test_the_module_given_is_left_as_it_is() -> None:
    module = tiny_model().train()
    runner = StepRunner(module, dtype=torch.float64)
    assert module.training
    assert all(p.requires_grad and p.dtype == torch.float32 for p in module.parameters())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert any(bool(p.any()) for p in runner.module.parameters())


def test_the_state_it_shows_is_a_copy() -> None:
    runner = StepRunner(Count())
    runner.state["sum"].fill_(99)
    assert last(runner.step(ones(1))) == [1.0]


def test_it_says_how_much_a_lane_remembers() -> None:
    assert StepRunner(Count(), lanes=5).state_bytes == BANDS * 4
    taps, f32, f64, count = 4, 4, 8, 8
    adaptation = StepRunner(AdapTrans([0.5] * BANDS, kernel_frames=taps + 1), lanes=2)
    assert adaptation.state_bytes == BANDS * ((taps + 1) * f32 + 2 * f64) + count
