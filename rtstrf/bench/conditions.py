"""Under which conditions all is measured: as the engine's own thread runs, and on which machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from rtstrf.engine.process import real_time_process
from rtstrf.engine.realtime import deadline_thread
from rtstrf.machine import machine_facts


@dataclass(frozen=True, slots=True)
class Conditions:
    """How to measure.

    Attributes
    ----------
    quick : bool
        Less than a minute a subcommand; too few hops for p99.9 to last.
    device, backend : str
        As for `rtstrf.runner.StepRunner`.
    threads : int
        Of one step.
    affinity, priority
        As for `rtstrf.engine.realtime.deadline_thread`.
    """

    quick: bool = True
    device: str = "cpu"
    backend: str = "auto"
    threads: int = 1
    affinity: Sequence[int] | None = None
    priority: int | None = None


@contextmanager
def measuring(conditions: Conditions) -> Iterator[dict[str, Any]]:
    """Run this thread as the engine runs the one that computes; yields the facts of the machine.

    The facts hold those of `rtstrf.machine.machine_facts`, when it was measured, how busy the machine was at the start,
    and how the thread runs.
    """
    with (
        real_time_process(conditions.threads) as settle,
        deadline_thread(conditions.affinity, conditions.priority) as thread,
    ):
        settle()
        yield {
            **machine_facts(conditions.device),
            "measured_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
            "flush_to_zero": thread.flush_to_zero,
            "affinity": None if thread.affinity is None else list(thread.affinity),
            "priority": thread.priority,
            "refused": list(thread.refused),
        }
