"""From the times of every hop to the figures of a report; every key names its unit.

Computing time, latency and jitter are measured; the algorithmic delay is known and kept apart from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rtstrf.replay.play import Replayed

PERCENTS = {"p50": 50.0, "p99": 99.0, "p99_9": 99.9}


def distribution_ms(values_ns: np.ndarray) -> dict[str, float]:
    """Return mean, percentiles and maximum in milliseconds of times in nanoseconds, int64.

    Examples
    --------
    >>> distribution_ms(np.array([1_000_000, 3_000_000]))["mean"]
    2.0
    """
    values_ms = np.asarray(values_ns, dtype=np.float64) / 1e6
    percentiles = np.percentile(values_ms, list(PERCENTS.values()))
    return {
        "mean": float(values_ms.mean()),
        **{name: float(value) for name, value in zip(PERCENTS, percentiles, strict=True)},
        "max": float(values_ms.max()),
    }


def delivery_error_ns(replayed: Replayed) -> np.ndarray:
    """Return by how much each interval between deliveries missed one bin, shape (bins - 1,), float64, nanoseconds."""
    return np.diff(replayed.delivered_ns) - 1e9 * replayed.hop_samples / replayed.sample_rate_hz


def jitter_ms(error_ns: np.ndarray) -> dict[str, float] | None:
    """Return how steadily rates were delivered: standard deviation, and p99 - p50, of the interval error.

    None where there are fewer than two bins, and so no interval.
    """
    if not len(error_ns):
        return None
    p50, p99 = np.percentile(error_ns, [50, 99])
    return {"sd": float(error_ns.std() / 1e6), "p99_minus_p50": float((p99 - p50) / 1e6)}


def deadlines(replayed: Replayed) -> dict[str, int]:
    """Count the bins that missed their deadline, one hop: in computing, in delivery, and in either."""
    hop_ns = 1e9 * replayed.bin_s
    slow = replayed.compute_ns > hop_ns
    late = np.zeros_like(slow) if replayed.latency_ns is None else replayed.latency_ns > hop_ns
    return {"computing": int(slow.sum()), "delivery": int(late.sum()), "missed": int((slow | late).sum())}


def figures(replays: Sequence[Replayed]) -> dict[str, Any]:
    """Return the figures of one sound, or of several together.

    Parameters
    ----------
    replays : sequence of Replayed
        At least one, all of one model and pace.

    Returns
    -------
    figures : dict
        JSON-serialisable. ``latency_ms`` and ``delivery_jitter_ms`` are None unless replayed in real time: nothing is
        delivered at a time of its own otherwise.
    """
    compute_ns = np.concatenate([r.compute_ns for r in replays])
    sound_s = sum(r.sound_s for r in replays)
    real = all(r.latency_ns is not None for r in replays)
    counts = [deadlines(r) for r in replays]
    bins = len(compute_ns)
    missed = {key: sum(count[key] for count in counts) for key in counts[0]}
    return {
        "sound_s": sound_s,
        "bins": bins,
        "wall_s": sum(r.wall_s for r in replays),
        "times_real_time": bins * replays[0].bin_s / (float(compute_ns.sum()) / 1e9),
        "load_mean": float(compute_ns.mean()) / (1e9 * replays[0].bin_s),
        "computing_ms": distribution_ms(compute_ns),
        "latency_ms": distribution_ms(np.concatenate([r.latency_ns for r in replays if r.latency_ns is not None]))
        if real
        else None,
        "delivery_jitter_ms": jitter_ms(np.concatenate([delivery_error_ns(r) for r in replays])) if real else None,
        "computing_jitter_ms": jitter_ms(compute_ns.astype(np.float64)),
        "deadlines_missed_bins": missed["missed"],
        "deadlines_missed_in_computing_bins": missed["computing"],
        "deadlines_missed_in_delivery_bins": missed["delivery"],
        "deadlines_missed_fraction": missed["missed"] / bins,
        "algorithmic_wait_max_ms": max(sum(d.wait_ms for d in r.delays) for r in replays),
    }


def verdict(replays: Sequence[Replayed]) -> tuple[bool, str]:
    """Return whether every bin kept its deadline, and the whole replay in one sentence."""
    total = figures(replays)
    hop_ms = 1e3 * replays[0].bin_s
    missed, bins = total["deadlines_missed_bins"], total["bins"]
    measure, name = (
        (total["latency_ms"], "latency") if total["latency_ms"] else (total["computing_ms"], "computing time")
    )
    measured = f"{name} p50 {measure['p50']:.2f} ms, p99.9 {measure['p99_9']:.2f} ms"
    plan = f"with up to {total['algorithmic_wait_max_ms']:.1f} ms of algorithmic delay before it"
    if not missed:
        return True, f"Keeps up: all {bins:,} bins met their deadline of {hop_ms:g} ms; {measured}, {plan}."
    head = "Keeps up on average, but not always" if total["load_mean"] < 1 else "Does not keep up"
    share = f"{missed:,} of {bins:,} bins ({100 * missed / bins:.2g} %)"
    return False, f"{head}: {share} missed their deadline of {hop_ms:g} ms; {measured}, {plan}."
