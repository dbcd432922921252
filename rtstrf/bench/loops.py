"""Three ways to run a step over and over, each of which shows something else.

back to back    the next hop as soon as the last is done: what a step costs, caches warm
open loop       hops that come on an absolute schedule, faster than real time, whether or not the last is done: how long
                each waits for its rates, the queue behind a stall included
paced           the same at the pace of the sound, asleep between hops: what a live hop meets, caches cold

A loop that waits for each answer before it sends the next question hides its worst moments: a stall of 20 ms is one
slow hop to it, and four late ones to a listener. So deadlines are judged by the two that do not wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Step = Callable[[np.ndarray], Any]
Advance = Callable[[int], None]  # told how many more are done

AT_A_TIME = 2000  # hops between two words about progress
SECTION_S = 1.0  # of a schedule, likewise
LEAD_NS = 2_000_000  # before the first hop of a schedule


def silent(done: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an absolute schedule gave.

    Attributes
    ----------
    response_ns : ndarray, shape (hops,), int64
        From the moment a hop was due to its rates.
    started_ns : ndarray, shape (hops,), int64
        From the moment a hop was due to the beginning of its step: waking up, or waiting for the hop before it.
    """

    response_ns: np.ndarray
    started_ns: np.ndarray

    def late(self, deadline_ns: int) -> int:
        """Return how many hops had no rates within `deadline_ns` of the moment they were due."""
        return int(np.count_nonzero(self.response_ns > deadline_ns))


def back_to_back(step: Step, hops: Sequence[np.ndarray], count: int, advance: Advance = silent) -> np.ndarray:
    """Run `count` steps, the hops again from the first where they end, and return what each took, int64 ns."""
    taken_ns = np.empty(count, dtype=np.int64)
    clock, known = time.perf_counter_ns, len(hops)
    for begin in range(0, count, AT_A_TIME):
        end = min(begin + AT_A_TIME, count)
        for index in range(begin, end):
            hop = hops[index % known]
            before_ns = clock()
            step(hop)
            taken_ns[index] = clock() - before_ns
        advance(end - begin)
    return taken_ns


def open_loop(
    step: Step, hops: Sequence[np.ndarray], count: int, period_ns: int, *, asleep: bool, advance: Advance = silent
) -> Kept:
    """Run `count` steps on an absolute schedule: hop i is due at the start + i periods, however late the last was.

    Parameters
    ----------
    step, hops, count
        As for `back_to_back`.
    period_ns : int
    asleep : bool
        Sleep until a hop is due, as a thread that waits for a device does; otherwise look at the clock all the while.
    advance : callable
        Told between two sections of about a second, each of which has a start of its own, so that the telling is
        nobody's lateness. A section is left only when all its hops have their rates.
    """
    response_ns, started_ns = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    clock, known = time.perf_counter_ns, len(hops)
    section = max(1, round(SECTION_S * 1e9 / period_ns))
    for begin in range(0, count, section):
        end = min(begin + section, count)
        start_ns = clock() + LEAD_NS - begin * period_ns
        for index in range(begin, end):
            hop = hops[index % known]
            due_ns = start_ns + index * period_ns
            if asleep:
                wait_ns = due_ns - clock()
                if wait_ns > 0:
                    time.sleep(wait_ns * 1e-9)
            now_ns = clock()
            while now_ns < due_ns:
                now_ns = clock()
            step(hop)
            response_ns[index] = clock() - due_ns
            started_ns[index] = now_ns - due_ns
        advance(end - begin)
    return Kept(response_ns, started_ns)
