"""`rtstrf bench step`: what one hop costs, host to host, and whether its deadline is kept.

Columns of a row, all times in microseconds:

p50_us ... max_us            back to back: from a hop of sound in memory to its rates in memory
max_error, max_error_eager   largest error of a rate on the same sound, relative to the peak, against float64 and
                             against the eager float32 step: see `error.py`
hops                         steps timed back to back; fewer than a million are too few for p99.9 to last
open_loop_*                  hops that come every `open_loop_period_us` on an absolute schedule, faster than real time:
                             from the moment a hop was due to its rates, waiting behind a slow one included
missed_deadlines             of these, rates that were not there one bin of real time after their hop was due
paced_*                      the same at the pace of the sound, asleep between hops: `paced_response` from due to rates,
                             of which `paced_wake` until the thread ran and `paced_step` in the step, caches cold
paced_missed_deadlines       of these, rates later than one bin
algorithmic_delay_ms         what the model waits for and looks back at, a property of it: never in the times above
jitter_floor_*, wake_floor_* an empty loop and a sleeping thread on this machine in this run: see `floors.py`
floor_us, percent_of_floor   one product with as many weights, and what part of p50 it is
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rtstrf.bench.backends import backends_for
from rtstrf.bench.conditions import Conditions
from rtstrf.bench.error import step_errors
from rtstrf.bench.floors import jitter_floor, product_floor, weight_bytes
from rtstrf.bench.host import HostStep
from rtstrf.bench.loops import back_to_back, open_loop
from rtstrf.bench.models import measured_model, scene_hops
from rtstrf.bench.spread import HOPS_FOR_P99_9, spread_us
from rtstrf.bench.telling import Telling
from rtstrf.checkpoints.load import LoadedModel

LOAD = 0.5  # of the open loop: at half of what the step can take, so that a queue can end
CALIBRATION_HOPS = 500


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured of a row."""

    mode: str
    hops: int
    most_s: float  # of each loop that is not paced; fewer hops then
    paced_s: float
    error_hops: int
    jitter_s: float

    def hops_of(self, each_ns: float) -> int:
        """Return how many hops are timed that take so long each."""
        return round(min(self.hops, max(CALIBRATION_HOPS, self.most_s * 1e9 / each_ns)))


QUICK = Effort("quick", hops=20_000, most_s=1.0, paced_s=1.0, error_hops=200, jitter_s=1.0)
FULL = Effort("full", hops=HOPS_FOR_P99_9, most_s=float("inf"), paced_s=20.0, error_hops=2000, jitter_s=10.0)


def step_rows(
    names: Sequence[str], asked: Sequence[str] | None, lanes: int, conditions: Conditions, telling: Telling
) -> list[dict[str, Any]]:
    """Return a row for each model and backend; where none is asked for, of eager and what is faster."""
    effort = QUICK if conditions.quick else FULL
    period_ns = round(1e6 * measured_model(names[0]).sidecar.bin_ms)
    with telling.work("the machine's own jitter"):
        floor = jitter_floor(effort.jitter_s, effort.jitter_s, period_ns)
    rows = []
    for name in names:
        loaded = measured_model(name)
        may = not conditions.quick or name == names[0]
        backends = backends_for(asked, loaded, lanes, conditions.device, may_compile=may, telling=telling)
        for backend in backends if may or asked else backends[-1:]:
            # A million hops of what is only there to be compared with would double the time of it all.
            enough = effort if asked or backend == backends[-1] else QUICK
            row = measured_row(loaded, name, backend, lanes, conditions, enough, telling)
            rows.append({**row, **floor})
    return rows


def measured_row(
    loaded: LoadedModel,
    name: str,
    backend: str,
    lanes: int,
    conditions: Conditions,
    effort: Effort,
    telling: Telling,
) -> dict[str, Any]:
    """Return what was measured of one model on one backend."""
    with telling.work(f"{name}, {backend}: preparing"):
        host = HostStep(
            loaded, lanes, device=conditions.device, backend=backend, threads=conditions.threads, told=telling.say
        )
        sound_pa = scene_hops(loaded, effort.error_hops)
        errors = step_errors(host, loaded, sound_pa)
        inputs = host.inputs(sound_pa)
        typical_ns = spread_us(back_to_back(host.step, inputs, CALIBRATION_HOPS))["p50_us"] * 1e3
    bin_ns = round(1e6 * loaded.sidecar.bin_ms)
    period_ns = round(typical_ns / LOAD)
    hops, open_hops = (effort.hops_of(each_ns) for each_ns in (typical_ns, period_ns))
    paced_hops = max(1, round(effort.paced_s * 1e9 / bin_ns))
    lasts_s = (hops * typical_ns + open_hops * period_ns + paced_hops * bin_ns) / 1e9
    with telling.progress(f"{name}, {host.backend}", hops + open_hops + paced_hops, lasts_s) as advance:
        taken_ns = back_to_back(host.step, inputs, hops, advance)
        fast = open_loop(host.step, inputs, open_hops, period_ns, asleep=False, advance=advance)
        paced = open_loop(host.step, inputs, paced_hops, bin_ns, asleep=True, advance=advance)
    times = spread_us(taken_ns)
    floor = product_floor(weight_bytes(host.runner.module), lanes, conditions.device)
    return {
        "bench": "step",
        "mode": effort.mode,
        "model": name,
        "backend": host.backend,
        "device": conditions.device,
        "lanes": lanes,
        "threads": conditions.threads,
        "bin_ms": loaded.sidecar.bin_ms,
        **times,
        **errors,
        "missed_deadlines": fast.late(bin_ns),
        "hops": hops,
        "open_loop_hops": open_hops,
        "open_loop_period_us": round(period_ns / 1e3, 2),
        **spread_us(fast.response_ns, "open_loop_"),
        "paced_hops": paced_hops,
        "paced_missed_deadlines": paced.late(bin_ns),
        **spread_us(paced.response_ns, "paced_response_"),
        **spread_us(paced.started_ns, "paced_wake_"),
        **spread_us(paced.response_ns - paced.started_ns, "paced_step_"),
        "algorithmic_delay_ms": round(host.algorithmic_delay_ms, 4),
        "weight_bytes": weight_bytes(host.runner.module),
        **floor,
        "percent_of_floor": round(100 * floor["floor_us"] / times["p50_us"], 2),
    }
