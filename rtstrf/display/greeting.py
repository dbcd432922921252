"""What the display needs of a server's greeting, read with tolerance: a missing field costs a label, no more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

DEFAULT_BIN_S = 0.005


@dataclass(frozen=True, slots=True)
class Unit:
    """One modelled neuron.

    Attributes
    ----------
    id : str
        As the model names it.
    depth_um, best_frequency_hz, cc_norm : float
        NaN where the model does not tell.
    """

    id: str
    depth_um: float = math.nan
    best_frequency_hz: float = math.nan
    cc_norm: float = math.nan


@dataclass(frozen=True, slots=True)
class Greeting:
    """What stays the same in a run, as far as the display shows it.

    Attributes
    ----------
    model, source, device : str
        Empty where not told.
    guarantees : str
        What was verified, such as ``"G0 G1 G2 causal verified"`` or ``"G1 failed"``; empty where nothing was.
    units : tuple of Unit
    bands_hz : ndarray, shape (F,), float64
        Centre frequencies, rising; empty where not told.
    bin_s : float
        Width of a bin.
    stream, run : str
    """

    model: str = ""
    source: str = ""
    device: str = ""
    guarantees: str = ""
    units: tuple[Unit, ...] = ()
    bands_hz: np.ndarray = field(default_factory=lambda: np.zeros(0))
    bin_s: float = DEFAULT_BIN_S
    stream: str = ""
    run: str = ""


def read_greeting(hello: Mapping[str, Any] | None) -> Greeting:
    """Return what a greeting tells.

    Parameters
    ----------
    hello : mapping or None
        The header of a ``hello`` message.

    Returns
    -------
    greeting : Greeting

    Examples
    --------
    >>> read_greeting({"model": "statenet-gru-ns1", "units": [{"id": "u7", "depth_um": 450}]}).units[0].depth_um
    450.0
    """
    hello = hello or {}
    return Greeting(
        model=_name(hello.get("model")),
        source=_source(hello.get("source")),
        device=_name(hello.get("device")),
        guarantees=_guarantees(hello.get("guarantees")),
        units=_units(hello.get("units")),
        bands_hz=_bands(hello.get("bands_hz")),
        bin_s=_bin_s(hello),
        stream=_name(hello.get("stream")),
        run=_name(hello.get("run")),
    )


def _name(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("name", value.get("kind", ""))
    return value[:80] if isinstance(value, str) else ""


def _source(value: Any) -> str:
    if isinstance(value, Mapping):
        kind, name = _name(value.get("kind")), _name(value.get("name"))
        return kind if name in ("", kind) else f"{kind}: {name}" if kind else name
    return _name(value)


def _guarantees(value: Any) -> str:
    """Return the outcome of a verification, whose guarantees may be measured more than once (in two precisions)."""
    measured = value.get("guarantees") if isinstance(value, Mapping) else None
    if not isinstance(measured, Sequence) or isinstance(measured, str):
        return ""
    passed: dict[str, bool] = {}
    for item in measured:
        name = _name(item.get("id")) if isinstance(item, Mapping) else ""
        if name:
            passed[name] = passed.get(name, True) and item.get("passed") is True
    failed = [name for name, good in passed.items() if not good]
    if failed:
        return f"{' '.join(failed)} failed"
    return f"{' '.join(passed)} verified" if passed and value.get("passed") is True else ""


def _units(value: Any) -> tuple[Unit, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ()
    return tuple(_unit(index, item) for index, item in enumerate(value))


def _unit(index: int, item: Any) -> Unit:
    if not isinstance(item, Mapping):
        return Unit(str(item))
    return Unit(
        str(item.get("id", index)),
        _number(item.get("depth_um")),
        _number(item.get("best_frequency_hz")),
        _number(item.get("cc_norm")),
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _bands(value: Any) -> np.ndarray:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return np.zeros(0)
    bands_hz = np.array([_number(item) for item in value])
    usable = bands_hz.size and np.all(np.isfinite(bands_hz)) and bands_hz[0] > 0 and np.all(np.diff(bands_hz) > 0)
    return bands_hz if usable else np.zeros(0)


def _bin_s(hello: Mapping[str, Any]) -> float:
    told = _number(hello.get("bin_s"))
    if not told > 0:
        told = _number(hello.get("hop_samples")) / (_number(hello.get("sample_rate_hz")) or math.nan)
    return told if 0 < told < 10 else DEFAULT_BIN_S
