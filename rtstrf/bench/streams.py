"""`rtstrf bench streams`: how many streams one batch runs in real time, each with its rates before its next hop.

All lanes of a batch take their hop together at each bin, on an absolute schedule at the pace of the sound, and have
their rates together when the step is done; so each step is one figure for as many hops as there are lanes. A lane count
is kept in real time where p99.9 of the responses, from due to rates, is below one bin. The largest is found by
bisection with few steps, then confirmed with many; where the confirmation fails, fewer lanes are tried.

Columns, beside those of `rtstrf bench step`:

lanes                  streams in the batch
p50_us ... max_us      response of all lanes: from the moment their hops were due to their rates, numpy to numpy
missed_deadlines       hops of all lanes whose rates came later than one bin
hops                   hops of all lanes together; `steps` are how often the batch ran
us_per_stream          p50 divided by the lanes
real_time              whether p99.9 is below one bin
most_lanes             whether this is the largest count that was found to be
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from rtstrf.backends.compiled import LANE_BUCKETS
from rtstrf.bench.backends import backends_for
from rtstrf.bench.conditions import Conditions
from rtstrf.bench.error import step_errors
from rtstrf.bench.floors import jitter_floor, product_floor, weight_bytes
from rtstrf.bench.host import HostStep
from rtstrf.bench.loops import Kept, back_to_back, open_loop
from rtstrf.bench.models import measured_model, scene_hops
from rtstrf.bench.spread import HOPS_FOR_P99_9, spread_us
from rtstrf.bench.telling import Telling
from rtstrf.checkpoints.load import LoadedModel

SOUND_HOPS = 32  # the same few, since each holds a hop of sound for every lane
MOST_LANES = 1 << 17
FEWER = 0.96  # of the lanes, where the confirmation fails
SHARE = 0.9  # of a bin that p50 may fill, while the largest count is looked for: what is left is for jitter


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    ladder: tuple[int, ...]  # lane counts that have a row whatever comes out
    ladder_steps: int
    search_steps: int
    confirm_steps: int
    confirmations: int
    jitter_s: float


QUICK = Effort((), ladder_steps=200, search_steps=40, confirm_steps=1000, confirmations=2, jitter_s=0.5)
FULL = Effort((1, 256, 1024), ladder_steps=2000, search_steps=200, confirm_steps=6000, confirmations=6, jitter_s=5.0)


class Batches:
    """Batches of a model by lane count, the last one kept."""

    def __init__(self, loaded: LoadedModel, backend: str, conditions: Conditions, telling: Telling) -> None:
        self._loaded, self._backend, self._conditions, self._telling = loaded, backend, conditions, telling
        self._sound_pa = scene_hops(loaded, SOUND_HOPS)
        self._last: tuple[int, HostStep, list[np.ndarray]] | None = None

    def of(self, lanes: int) -> tuple[HostStep, list[np.ndarray]]:
        """Return a batch of so many lanes, warm, and its hops of sound."""
        if self._last is None or self._last[0] != lanes:
            self._last = None  # two large batches need not be in memory at once
            device, threads = self._conditions.device, self._conditions.threads
            told = self._telling.say
            host = HostStep(self._loaded, lanes, device=device, backend=self._backend, threads=threads, told=told)
            self._last = lanes, host, host.inputs(self._sound_pa)
        return self._last[1:]

    def p50_ns(self, lanes: int, steps: int) -> float:
        """Return what a step takes back to back."""
        host, inputs = self.of(lanes)
        return float(np.median(back_to_back(host.step, inputs, steps)))

    def errors(self, lanes: int) -> dict[str, float]:
        """Return the largest errors of any lane."""
        return step_errors(self.of(lanes)[0], self._loaded, self._sound_pa)


def streams_rows(
    names: Sequence[str], asked: Sequence[str] | None, conditions: Conditions, telling: Telling
) -> list[dict[str, Any]]:
    """Return rows of rising lane counts for each model and backend, the largest in real time last.

    Where no backend is asked for it is the fastest there is.
    """
    effort = QUICK if conditions.quick else FULL
    rows = []
    for name in names:
        loaded = measured_model(name)
        bin_ns = round(1e6 * loaded.sidecar.bin_ms)
        with telling.work("the machine's own jitter"):
            floor = jitter_floor(effort.jitter_s, effort.jitter_s, bin_ns)
        many = LANE_BUCKETS[-1]
        backends = backends_for(asked, loaded, many, conditions.device, may_compile=True, telling=telling)
        for backend in backends if asked else backends[-1:]:
            batches = Batches(loaded, backend, conditions, telling)
            with telling.work(f"{name}, {backend}: looking for the most lanes"):
                step = many if backend == "compiled" else 1  # of one program, which whole buckets share
                most = most_lanes(partial(batches.p50_ns, steps=effort.search_steps), SHARE * bin_ns, step)
            found = [_row(batches, lanes, effort.ladder_steps, bin_ns, telling, name) for lanes in effort.ladder]
            found = [row for row in found if row["lanes"] < most]
            for _ in range(effort.confirmations):
                confirmed = _row(batches, most, effort.confirm_steps, bin_ns, telling, name)
                found.append(confirmed)
                if confirmed["real_time"] or most == 1:
                    break
                most = most // 2 if most <= step else min(most - step, int(most * FEWER) // step * step)
            found[-1]["most_lanes"] = found[-1]["real_time"]
            head = {"bench": "streams", "mode": "quick" if conditions.quick else "full", "model": name}
            rows += [
                {**head, "threads": conditions.threads, "bin_ms": loaded.sidecar.bin_ms, **r, **floor} for r in found
            ]
    return rows


def most_lanes(takes_ns: Callable[[int], float], within_ns: float, step: int = 1) -> int:
    """Return about the largest lane count whose step takes no longer than `within_ns`, at least `step`.

    Parameters
    ----------
    takes_ns : callable
        Takes a lane count, returns what a step takes, ns.
    within_ns : float
    step : int
        Only its multiples are tried.

    Examples
    --------
    >>> most_lanes(lambda lanes: 100.0 + 2.0 * lanes, 2100.0)
    1000
    """
    low, high = 0, 1  # steps
    while high * step <= MOST_LANES and takes_ns(high * step) <= within_ns:
        low, high = high, 2 * high
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        low, high = (middle, high) if takes_ns(middle * step) <= within_ns else (low, middle)
    return max(1, low) * step


def _row(batches: Batches, lanes: int, steps: int, bin_ns: int, telling: Telling, name: str) -> dict[str, Any]:
    host, inputs = batches.of(lanes)
    device = str(host.runner.device)
    errors = batches.errors(lanes)
    with telling.progress(f"{name}, {host.backend}, {lanes:,} lanes", steps, steps * bin_ns / 1e9) as advance:
        kept: Kept = open_loop(host.step, inputs, steps, bin_ns, asleep=True, advance=advance)
    response = spread_us(kept.response_ns)
    floor = product_floor(weight_bytes(host.runner.module), lanes, device)
    step_us = spread_us(kept.response_ns - kept.started_ns, "step_")
    return {
        "backend": host.backend,
        "device": device,
        "lanes": lanes,
        **response,
        **step_us,
        **errors,
        "missed_deadlines": lanes * kept.late(bin_ns),
        "hops": lanes * steps,
        "steps": steps,
        "us_per_stream": round(step_us["step_p50_us"] / lanes, 3),
        "real_time": response["p99_9_us"] * 1e3 < bin_ns,
        "most_lanes": False,
        "enough_hops_for_p99_9": lanes * steps >= HOPS_FOR_P99_9,
        "algorithmic_delay_ms": round(host.algorithmic_delay_ms, 4),
        **floor,
        "percent_of_floor": round(100 * floor["floor_us"] / step_us["step_p50_us"], 2),
    }
