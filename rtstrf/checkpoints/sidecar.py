"""What a stream needs to know of a model and its weights do not say: the file `stream.json` beside them."""

from __future__ import annotations

import dataclasses
import json
import math
import reprlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rtstrf.errors import CheckpointError

FORMAT = "rtstrf-stream/1"
FILE_NAME = "stream.json"


@dataclass(frozen=True, slots=True)
class Unit:
    """One neuron of the population.

    Attributes
    ----------
    id : str
        Name in the recordings.
    depth_um, best_frequency_hz, cc_norm : float or None
        Recording depth, frequency of its strongest response, and normalised correlation of the fit on validation
        sounds, where they are known.
    """

    id: str
    depth_um: float | None = None
    best_frequency_hz: float | None = None
    cc_norm: float | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """How to rebuild the module in one slot of a model: its kind and its options."""

    kind: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """All that a stream needs beside the weights.

    Attributes
    ----------
    name : str
        The model, as `rtstrf models` lists it.
    sample_rate_hz, hop_samples, bin_ms
        The clock; a bin is a whole hop.
    hz_per_response : float
        Firing rate of a response of 1 (see `rtstrf.rates`).
    wav2spec, prefiltering, output_activation, kernel : Slot or None
        What fills the model's slots; None leaves one at its default.
    core : dict
        Arguments of the model's constructor that deepSTRF's does not have, such as `max_frames` of a Transformer: in
        config.json they would keep deepSTRF from reading it.
    units : tuple of Unit
        One for each neuron, in the order of the model's outputs.
    citation : tuple of str
        What to cite for the model and for the recordings.
    provenance : dict
        How it was fitted, and the figures that came out.
    """

    name: str
    sample_rate_hz: int
    hop_samples: int
    bin_ms: float
    hz_per_response: float
    wav2spec: Slot | None
    prefiltering: Slot | None
    output_activation: Slot | None
    units: tuple[Unit, ...]
    citation: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    kernel: Slot | None = None
    core: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Sidecar:
        """Read the text of a file; `where` names it in errors.

        Raises
        ------
        CheckpointError
            If it is not JSON, of another format, or a fact is missing, unknown or of the wrong type.
        """
        try:
            facts = json.loads(text)
        except (ValueError, RecursionError) as error:  # the second: nested too deeply
            raise CheckpointError(f"{where} is not JSON: {error}", remedy="restore the file") from error
        if not isinstance(facts, dict) or facts.pop("format", None) != FORMAT:
            raise CheckpointError(
                f"{where} is no sidecar of format {FORMAT}", remedy="write it with rtstrf, or upgrade"
            )
        known = {f.name: f for f in dataclasses.fields(cls)}
        missing = [
            n for n, f in known.items() if n not in facts and f.default is dataclasses.MISSING and not _has_factory(f)
        ]
        unknown = [name for name in facts if name not in known]
        if missing or unknown:
            told = [f"lacks {', '.join(missing)}"] if missing else []
            told += [f"has unknown {', '.join(unknown)}"] if unknown else []
            raise CheckpointError(f"{where} {' and '.join(told)}", remedy=f"its keys: format, {', '.join(known)}")
        try:
            for slot in ("wav2spec", "prefiltering", "output_activation", "kernel"):
                facts[slot] = _slot(facts.get(slot), slot)
            facts["name"] = _typed(facts["name"], str, "name")
            facts["units"] = tuple(_unit(u, f"units[{n}]") for n, u in enumerate(_typed(facts["units"], list, "units")))
            cited = _typed(facts.get("citation", []), list, "citation")
            facts["citation"] = tuple(_typed(line, str, f"citation[{n}]") for n, line in enumerate(cited))
            for name in ("core", "provenance"):
                facts[name] = _typed(facts.get(name, {}), dict, name)
            for name in ("sample_rate_hz", "hop_samples"):
                facts[name] = _whole(facts[name], name)
            for name in ("bin_ms", "hz_per_response"):
                facts[name] = _number(facts[name], name)
            sidecar = cls(**facts)
        except TypeError as error:
            raise CheckpointError(
                f"{where} holds a fact of the wrong type: {error}", remedy="restore the file"
            ) from error
        for name in ("sample_rate_hz", "hop_samples", "bin_ms", "hz_per_response"):
            if not 0 < getattr(sidecar, name) < math.inf:
                raise CheckpointError(f"{where}: {name} is {getattr(sidecar, name)}", remedy="it must be positive")
        exact_samples = sidecar.bin_ms * sidecar.sample_rate_hz / 1000
        if abs(exact_samples - sidecar.hop_samples) > 0.5:  # deepSTRF rounds 220.5 to 220
            raise CheckpointError(
                f"{where}: a bin of {sidecar.bin_ms:g} ms at {sidecar.sample_rate_hz} Hz is {exact_samples:g} samples, "
                f"but hop_samples is {sidecar.hop_samples}",
                remedy="correct bin_ms, sample_rate_hz or hop_samples",
            )
        return sidecar

    @classmethod
    def read(cls, folder: Path) -> Sidecar:
        """Read the sidecar of a checkpoint folder."""
        path = folder / FILE_NAME
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise CheckpointError(
                f"{folder} has no {FILE_NAME}: the weights do not say the sample rate, bin width, front-end, prefilter "
                "taps, activation and rate scale that a stream needs",
                remedy=f"run: rtstrf import {folder} --out MODEL (it asks for them), or write {FILE_NAME} beside them "
                "(docs/checkpoints.md shows one)",
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}", remedy="restore the file") from error
        return cls.from_json(text, str(path))


def _has_factory(f: dataclasses.Field[Any]) -> bool:
    return f.default_factory is not dataclasses.MISSING


def _typed(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        words = "text" if kind is str else "a list" if kind is list else "an object"
        raise TypeError(f"{name} is {reprlib.repr(value)}, not {words}")
    return value


def _number(value: Any, name: str) -> float:
    # JSON has numbers that no float holds; those that are no numbers, NaN and infinity, are not JSON's but Python's.
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise TypeError(f"{name} is {reprlib.repr(value)}, not a number")
    return number


def _whole(value: Any, name: str) -> int:
    if _number(value, name) != int(value):
        raise TypeError(f"{name} is {value!r}, not a whole number")
    return int(value)


def _known(facts: dict[str, Any], kind: type, name: str) -> None:
    known = [f.name for f in dataclasses.fields(kind)]
    unknown = [key for key in facts if key not in known]
    if unknown:
        raise TypeError(f"{name} has unknown {', '.join(unknown)}, beside {', '.join(known)}")


def _slot(facts: Any, name: str) -> Slot | None:
    if facts is None:
        return None
    _known(_typed(facts, dict, name), Slot, name)
    kind = _typed(facts.get("kind"), str, f"{name}.kind")
    return Slot(kind, _typed(facts.get("options", {}), dict, f"{name}.options"))


def _unit(facts: Any, name: str) -> Unit:
    _known(_typed(facts, dict, name), Unit, name)
    known = {key: _number(value, f"{name}.{key}") for key, value in facts.items() if key != "id" and value is not None}
    return Unit(_typed(facts.get("id"), str, f"{name}.id"), **known)
