"""Lost samples, proved by the clock: every real loss is told, and no jitter is taken for one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.sound.continuity import ContinuityCheck

RATE_HZ = 48000
BLOCK = 240
BLOCK_NS = 5_000_000


def told(
    losses: dict[int, int],
    *,
    blocks: int,
    drift_ppm: float = 0.0,
    jitter_ns: Sequence[int] | None = None,
    stated_age_ns: Sequence[int] | None = None,
    flags: Sequence[int] = (),
) -> list[tuple[int, int]]:
    """Play a device: `losses` are samples that go missing before a block; return (block, samples) as they are told."""
    check = ContinuityCheck(RATE_HZ)
    passed = 0
    arrived_ns = 0
    answers = []
    for number in range(blocks):
        passed += losses.get(number, 0) + BLOCK
        true_end_ns = round(passed * 1e9 / RATE_HZ * (1 + drift_ppm * 1e-6))
        late_ns = 0 if jitter_ns is None else jitter_ns[number % len(jitter_ns)]
        arrived_ns = max(arrived_ns, true_end_ns + late_ns)  # blocks come in order: one that is late holds up the rest
        age_ns = 0 if stated_age_ns is None else stated_age_ns[number % len(stated_age_ns)]
        end_ns = true_end_ns if stated_age_ns is None else arrived_ns - age_ns
        lost = check.lost_samples(BLOCK, end_ns, arrived_ns, flagged=number in flags)
        if lost:
            answers.append((number, lost))
    return answers


@settings(deadline=None, max_examples=50)
@given(
    late_ms=st.lists(st.sampled_from([0, 0, 0, 1, 4, 30, 200, 800]), min_size=40, max_size=200),
    drift_ppm=st.floats(-300, 300),
)
def test_late_blocks_and_a_clock_that_drifts_are_no_loss(late_ms: list[int], drift_ppm: float) -> None:
    late_ms[:20] = [0] * 20  # not always late: a device that never delivers in time shows nothing
    assert told({}, blocks=4000, drift_ppm=drift_ppm, jitter_ns=[value * 1_000_000 for value in late_ms]) == []


@pytest.mark.parametrize("drift_ppm", [-300.0, 300.0])
def test_a_clock_that_drifts_for_minutes_is_no_loss(drift_ppm: float) -> None:
    assert told({}, blocks=30_000, drift_ppm=drift_ppm) == []  # 45 ms in the end


@pytest.mark.parametrize("losses", [{}, {200: 4800}])
def test_a_stretch_that_is_late_from_one_window_into_the_next_is_no_loss(losses: dict[int, int]) -> None:
    first = next(number for number, _ in told(losses, blocks=400)) if losses else 300
    for start in range(first + 1, first + 60, 3):
        jitter_ns = [100_000_000 if start <= number < start + 70 else 0 for number in range(800)]
        # a driver that states no time of capture: both clocks see the delivery
        answers = told(losses, blocks=800, jitter_ns=jitter_ns, stated_age_ns=[0])
        assert sum(samples for _, samples in answers) == pytest.approx(sum(losses.values()), abs=48)


@settings(deadline=None, max_examples=60)
@given(
    at=st.integers(200, 700),
    lost=st.integers(600, 200_000),
    jitter_ms=st.lists(st.sampled_from([0, 0, 1, 3, 7]), min_size=5, max_size=30),
    drift_ppm=st.floats(-200, 200),
)
def test_a_loss_is_told_within_a_second_and_to_a_few_milliseconds(
    at: int, lost: int, jitter_ms: list[int], drift_ppm: float
) -> None:
    jitter_ns = [0, *(value * 1_000_000 for value in jitter_ms)]
    answers = told({at: lost}, blocks=1000, jitter_ns=jitter_ns, drift_ppm=drift_ppm)
    assert sum(samples for _, samples in answers) == pytest.approx(lost, abs=0.002 * RATE_HZ)
    assert all(at <= number <= at + 200 for number, _ in answers)


def test_several_losses_add_up() -> None:
    losses = {200: 4800, 300: 960, 420: 48000, 430: 1200}
    answers = told(losses, blocks=1000)
    assert sum(samples for _, samples in answers) == pytest.approx(sum(losses.values()), abs=48)


def test_losses_too_small_to_tell_are_told_when_they_have_added_up() -> None:
    losses = {number: 240 for number in range(200, 1000, 100)}  # 5 ms each half second
    answers = told(losses, blocks=1400)
    assert sum(samples for _, samples in answers) == pytest.approx(240 * len(losses), abs=0.011 * RATE_HZ)


def test_a_loss_that_the_driver_reports_is_told_with_its_block() -> None:
    answers = told({300: 9600}, blocks=600, flags=[300])
    assert answers == [(300, pytest.approx(9600, abs=48))]


def test_a_flag_without_a_loss_is_no_loss() -> None:
    assert told({}, blocks=600, flags=[100, 300, 301]) == []


@pytest.mark.parametrize("wrong", ["falls", "rises"])
def test_a_driver_that_states_wrong_times_for_a_while_does_not_make_a_loss(wrong: str) -> None:
    ages_ns = np.interp(np.arange(2000), [160, 280], [538e6, 2e6]).astype(int).tolist()  # as measured on PulseAudio
    if wrong == "rises":
        ages_ns.reverse()
    assert told({}, blocks=2000, stated_age_ns=ages_ns) == []
    answers = told({1000: 4800}, blocks=2000, stated_age_ns=ages_ns)
    assert sum(samples for _, samples in answers) == pytest.approx(4800, abs=48)


def test_samples_dropped_on_our_side_are_not_told_twice() -> None:
    check = ContinuityCheck(RATE_HZ)
    lost = 0
    for number in range(600):
        if number == 300:
            check.count_dropped(100 * BLOCK)
        end_ns = (number + 1 + (100 if number >= 300 else 0)) * BLOCK_NS
        lost += check.lost_samples(BLOCK, end_ns, end_ns, flagged=False)
    assert lost == 0
