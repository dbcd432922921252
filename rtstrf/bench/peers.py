"""`rtstrf bench peers`: deepSTRF 0.1.0 beside rtstrf, in the same run, on the same weights and the same sound.

deepSTRF has no step: to know the newest bin it must hear the past again. How much of it is found by search: the
shortest past whose newest bin is within 1e-5 of the peak of what deepSTRF itself, in float32, says of the whole sound,
at moments all over it.

A row for each model and contestant:

rtstrf                       one hop of the served path, as in `rtstrf bench step`
deepSTRF, sliding window     its forward pass over that past, once for each hop; where no past is right (a Transformer's
                             positions begin anew in every window) one as long as what the model looks back at
rtstrf, chunks of 1 s        a recording in chunks, state carried over: microseconds of a chunk
deepSTRF, offline            a recording in one forward pass: microseconds of a pass

`ratio_p50` and `ratio_p99` say how many times as long deepSTRF takes: for one hop in the rows of the window, for a
recording in those of the whole. `past_bins`, `past_error` and `right` tell what the search found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rtstrf.bench import step as step_bench
from rtstrf.bench.backends import fastest_for
from rtstrf.bench.conditions import Conditions
from rtstrf.bench.deepstrf import require_deepstrf, twin
from rtstrf.bench.error import WholeReference
from rtstrf.bench.floors import jitter_floor, product_floor, weight_bytes
from rtstrf.bench.loops import back_to_back
from rtstrf.bench.models import REFERENCES, measured_model, scene_hops
from rtstrf.bench.replay import QUICK as REPLAY_QUICK
from rtstrf.bench.replay import throughput_rows
from rtstrf.bench.spread import spread_us
from rtstrf.bench.telling import Telling
from rtstrf.checkpoints.load import LoadedModel
from rtstrf.errors import ConfigError

BOUND = 1e-5  # of the peak
FIRST_BINS = 8  # of past that is tried
ABOUT_AS_GOOD = 2.0  # times the least error that any past gave


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    most_bins: int  # of past that is tried
    probes: int  # moments at which a past must be right
    window_hops: int
    window_s: float


QUICK = Effort(most_bins=1600, probes=6, window_hops=200, window_s=3.0)
FULL = Effort(most_bins=3200, probes=24, window_hops=1000, window_s=25.0)
# Of our own step, whose million hops are those of `rtstrf bench step`.
STEP_EFFORT = step_bench.Effort("full", hops=100_000, most_s=10.0, paced_s=5.0, error_hops=2000, jitter_s=5.0)


@dataclass(frozen=True, slots=True)
class Past:
    """How much of the past a sliding window needs.

    Attributes
    ----------
    bins : int
    error : float
        Largest of the newest bin against the offline pass, relative to the peak.
    right : bool
        Whether it is within the bound; if not, it is the shortest that is about as good as any.
    errors : dict
        ``max_error`` and ``max_error_eager`` against our references, as of `rtstrf.bench.error`.
    """

    bins: int
    error: float
    right: bool
    errors: dict[str, float]


def peers_rows(
    names: Sequence[str], asked: str | None, conditions: Conditions, telling: Telling
) -> list[dict[str, Any]]:
    """Return a row for each model and contestant.

    Raises
    ------
    ConfigError
        If a model is none of the reference systems: those are what both programs can build.
    MissingExtraError
        If deepSTRF is not installed.
    """
    for name in names:
        if name not in REFERENCES:
            raise ConfigError(f"{name} is no reference system", remedy=f"one of {', '.join(REFERENCES)}")
    require_deepstrf("models")
    if conditions.device != "cpu":
        raise ConfigError(f"peers on {conditions.device}", remedy="compare on the cpu; `step` measures elsewhere")
    effort = QUICK if conditions.quick else FULL
    ours = step_bench.QUICK if conditions.quick else STEP_EFFORT
    rows = []
    for name in names:
        loaded = measured_model(name)
        bin_ns = round(1e6 * loaded.sidecar.bin_ms)
        may = not conditions.quick or name == names[0]
        backend = fastest_for(asked, loaded, 1, "cpu", may_compile=may, telling=telling)
        floor = jitter_floor(ours.jitter_s, ours.jitter_s, bin_ns)
        step = step_bench.measured_row(loaded, name, backend, 1, conditions, ours, telling)
        window = window_row(name, loaded, conditions, effort, telling)
        for part in ("p50", "p99"):
            window[f"ratio_{part}"] = round(window[f"{part}_us"] / step[f"{part}_us"], 1)
        head = {"bench": "peers", "contestant": "rtstrf"}
        found = [{**step, **head}, window, *whole_rows(name, loaded, backend, conditions, telling)]
        known = {"model": name, "mode": step["mode"], "algorithmic_delay_ms": step["algorithmic_delay_ms"]}
        rows += [{"bench": "peers", "model": name, "contestant": "", **row, **known, **floor} for row in found]
    return rows


def window_row(
    name: str, loaded: LoadedModel, conditions: Conditions, effort: Effort, telling: Telling
) -> dict[str, Any]:
    """Return the row of deepSTRF run again over the past at each hop."""
    hop = loaded.sidecar.hop_samples
    with telling.work(f"{name}: how much past deepSTRF needs"):
        run = all_bins(twin(name, loaded), loaded)
        sound = scene_hops(loaded, effort.most_bins + 40 * effort.probes)
        reach_bins = loaded.model.options.get("context_window") or 0
        past = shortest_past(run, loaded, sound, effort.most_bins, effort.probes, reach_bins)
    samples = sound.reshape(-1)
    windows = [samples[at * hop : (at + past.bins) * hop] for at in range(min(40, len(sound) - past.bins))]

    def step(window: np.ndarray) -> np.ndarray:
        return run(torch.from_numpy(window).reshape(1, 1, -1))[0, :, -1]

    typical_ns = spread_us(back_to_back(step, windows, 5))["p50_us"] * 1e3
    hops = max(20, min(effort.window_hops, round(effort.window_s * 1e9 / typical_ns)))
    with telling.progress(f"{name}: deepSTRF, window of {past.bins} bins", hops, hops * typical_ns / 1e9) as advance:
        taken_ns = back_to_back(step, windows, hops, advance)
    times = spread_us(taken_ns)
    floor = product_floor(weight_bytes(loaded.model), 1, "cpu")
    return {
        "contestant": "deepSTRF, sliding window",
        "backend": "deepSTRF",
        "device": "cpu",
        "lanes": 1,
        "threads": conditions.threads,
        "bin_ms": loaded.sidecar.bin_ms,
        **times,
        **past.errors,
        "past_bins": past.bins,
        "past_error": past.error,
        "right": past.right,
        "missed_deadlines": int(np.count_nonzero(taken_ns > 1e6 * loaded.sidecar.bin_ms)),
        "hops": hops,
        **floor,
        "percent_of_floor": round(100 * floor["floor_us"] / times["p50_us"], 3),
    }


def whole_rows(
    name: str, loaded: LoadedModel, backend: str, conditions: Conditions, telling: Telling
) -> list[dict[str, Any]]:
    """Return the rows of a whole recording: ours in chunks, deepSTRF's in one pass."""
    found = {row["way"]: row for row in throughput_rows(name, loaded, backend, conditions, REPLAY_QUICK, telling)}
    ours, theirs = found["chunks of 1 s"], found["deepSTRF offline"]
    ratio = {"ratio_p50": ours["ratio_to_deepstrf"]}
    shared = (
        "backend", "device", "lanes", "times_real_time", "p50_us", "p99_us", "p99_9_us", "max_us", "max_error",
        "max_error_eager", "hops",
    )  # fmt: skip
    return [
        {"contestant": "rtstrf, chunks of 1 s", **{key: ours[key] for key in shared}},
        {"contestant": "deepSTRF, offline", **{key: theirs[key] for key in shared}, **ratio},
    ]


def all_bins(module: torch.nn.Module, loaded: LoadedModel) -> Callable[[torch.Tensor], np.ndarray]:
    """Return what runs deepSTRF over sounds, (B, 1, samples), and gives the rates of all bins, (B, units, bins), Hz."""

    def run(sounds: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return module(sounds)[:, :, 0].numpy() * loaded.sidecar.hz_per_response

    return run


def shortest_past(
    run: Callable[[torch.Tensor], np.ndarray],
    loaded: LoadedModel,
    sound: np.ndarray,
    most_bins: int,
    probes: int,
    reach_bins: int = 0,
) -> Past:
    """Return the shortest past whose newest bin is right, found by doubling and bisection.

    Parameters
    ----------
    run : callable
        As `all_bins` returns it.
    loaded : LoadedModel
    sound : ndarray, shape (hops, hop_samples)
        Longer than `most_bins`.
    most_bins : int
        The longest past that is tried.
    probes : int
        Moments at which it must be right, spread over the sound after `most_bins`.
    reach_bins : int
        Where no past is right, the least that is taken: what the model looks back at.
    """
    hop = loaded.sidecar.hop_samples
    wave = torch.from_numpy(sound).reshape(1, 1, -1)
    offline = run(wave)[0]  # (units, bins)
    ends = np.linspace(most_bins, len(sound), probes, dtype=int)
    peak = float(np.abs(offline).max())

    def newest(bins: int) -> np.ndarray:
        windows = torch.cat([wave[..., (end - bins) * hop : end * hop] for end in ends])
        return run(windows)[:, :, -1].T  # (units, probes)

    def error(bins: int) -> float:
        return float(np.abs(newest(bins) - offline[:, ends - 1]).max()) / peak

    def found(bins: int, right: bool) -> Past:
        truth = WholeReference(loaded, wave).at(ends - 1)
        return Past(bins, tried[bins], right, truth.errors(newest(bins)))

    tried: dict[int, float] = {}
    bins = FIRST_BINS
    while tried.setdefault(bins, error(bins)) > BOUND and bins < most_bins:
        bins = min(2 * bins, most_bins)
    if tried[bins] > BOUND:
        enough = {b: e for b, e in tried.items() if b >= min(reach_bins, most_bins)}
        return found(min(b for b, e in enough.items() if e <= ABOUT_AS_GOOD * min(enough.values())), False)
    low, high = (max(b for b in tried if b < bins) if bins > FIRST_BINS else 0), bins
    while high - low > 1:
        middle = (low + high) // 2
        tried[middle] = error(middle)
        low, high = (low, middle) if tried[middle] <= BOUND else (middle, high)
    return found(high, True)
