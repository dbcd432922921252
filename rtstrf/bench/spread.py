"""How times are told: in microseconds, as p50, p99, p99.9 and the maximum."""

from __future__ import annotations

import numpy as np

# Of so many hops at least can p99.9 be told: the thousand slowest decide it.
HOPS_FOR_P99_9 = 1_000_000


def spread_us(times_ns: np.ndarray, prefix: str = "") -> dict[str, float]:
    """Return the percentiles that matter of times, each under a name that begins with `prefix`.

    Parameters
    ----------
    times_ns : ndarray of int64, nanoseconds
        At least one.
    prefix : str
        Such as ``"paced_"``.

    Examples
    --------
    >>> spread_us(np.array([1000, 2000, 3000]), "wake_")
    {'wake_p50_us': 2.0, 'wake_p99_us': 2.98, 'wake_p99_9_us': 3.0, 'wake_max_us': 3.0}
    """
    names = ("p50_us", "p99_us", "p99_9_us", "max_us")
    values = np.percentile(times_ns, (50, 99, 99.9, 100))
    return {f"{prefix}{name}": round(float(value) / 1e3, 2) for name, value in zip(names, values, strict=True)}
