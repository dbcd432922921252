"""What a thread that keeps its deadline asks for, what it is granted, and that it is all undone."""

from __future__ import annotations

import os
import sys
import threading

import pytest
import torch

from rtstrf.engine.realtime import (
    ThreadFacts,
    current_affinity,
    current_priority,
    deadline_thread,
    flushes_to_zero,
    granted,
)

NO_CORE = 100_000


def facts_here() -> tuple[bool, tuple[int, ...] | None, int | None]:
    return flushes_to_zero(), current_affinity(), current_priority()


def test_numbers_below_the_smallest_normal_one_are_zero_inside_and_themselves_outside() -> None:
    tiny, half = torch.tensor([1.2e-38]), torch.tensor([0.5])
    with deadline_thread() as facts:
        assert facts.flush_to_zero
        assert (tiny * half).item() == 0
    assert (tiny * half).item() > 0


def test_the_flag_belongs_to_the_thread_that_sets_it() -> None:
    seen: list[bool] = []
    before, during = threading.Event(), threading.Event()

    def other() -> None:
        before.set()
        during.wait(10.0)
        seen.append(flushes_to_zero())

    thread = threading.Thread(target=other)
    thread.start()
    assert before.wait(10.0)
    with deadline_thread():
        during.set()
        thread.join()
        assert flushes_to_zero()
    assert seen == [False]


def test_everything_is_as_before_at_the_end_even_of_a_failure() -> None:
    before = facts_here()
    with pytest.raises(RuntimeError, match="by the test"), deadline_thread(affinity=current_affinity(), priority=1):
        raise RuntimeError("by the test")
    assert facts_here() == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not let a thread choose its cores")
def test_a_thread_stays_on_the_cores_it_asked_for() -> None:
    core = min(os.sched_getaffinity(0))
    with deadline_thread(affinity=[core]) as facts:
        assert facts.affinity == (core,)
        assert os.sched_getaffinity(0) == {core}
        assert facts.refused == ()


def test_a_core_that_is_not_there_is_refused_with_its_number_and_nothing_else_is_lost() -> None:
    before = current_affinity()
    with deadline_thread(affinity=[NO_CORE]) as facts:
        assert facts.flush_to_zero
        assert facts.affinity == before
        (sentence,) = facts.refused
        assert f"cores {NO_CORE}" in sentence


def test_a_priority_is_held_or_said_to_be_refused() -> None:
    with deadline_thread(priority=1) as facts:
        assert (facts.priority == 1) != any("priority 1" in sentence for sentence in facts.refused)
        assert facts.priority == current_priority()
    with deadline_thread(priority=100_000) as facts:
        assert facts.priority is None
        assert any("priority 100000" in sentence for sentence in facts.refused)


def test_what_would_be_granted_is_tried_without_touching_this_thread() -> None:
    before = facts_here()
    told = granted(affinity=[NO_CORE], priority=1)
    assert isinstance(told, ThreadFacts)
    assert told.flush_to_zero
    assert told.refused
    assert facts_here() == before


def test_python_s_own_floats_tell_the_flag() -> None:
    with deadline_thread():
        assert sys.float_info.min / 2 == 0
    assert sys.float_info.min / 2 > 0
