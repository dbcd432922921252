"""Teachers that were fitted before: found by name, and checked to speak of the same units in the same terms."""

from __future__ import annotations

from typing import Any

from rtstrf.checkpoints.load import LoadedModel, load_model
from rtstrf.errors import ConfigError
from rtstrf.fit.config import FitConfig
from rtstrf.fit.dataset import FitData
from rtstrf.rates import hz_per_response


def fitted_teachers(config: FitConfig, data: FitData) -> list[LoadedModel]:
    """Load the teachers of a recipe that are checkpoints.

    Raises
    ------
    CheckpointError
        If one is missing or damaged.
    ConfigError
        If one hears at another rate, bins otherwise, answers for other units or in another unit, or was fitted to
        sounds that are to be scored here.
    """
    if config.distillation is None:
        return []
    names = [teacher.checkpoint for teacher in config.distillation.teachers if teacher.checkpoint is not None]
    teachers = [load_model(name) for name in names]
    for name, teacher in zip(names, teachers, strict=True):
        _check(name, teacher, config, data)
    return teachers


def _check(name: str, teacher: LoadedModel, config: FitConfig, data: FitData) -> None:
    sidecar = teacher.sidecar
    facts: dict[str, tuple[Any, Any]] = {
        "a front-end": (teacher.model.front_end is not None, True),
        "sample_rate_hz": (sidecar.sample_rate_hz, config.model.sample_rate_hz),
        "hop_samples": (sidecar.hop_samples, data.hop_samples),
        "hz_per_response": (
            sidecar.hz_per_response,
            hz_per_response(data.recordings.bin_ms, float(data.window.sum())),
        ),
        "units": ([unit.id for unit in sidecar.units], [unit.id for unit in data.recordings.units]),
    }
    for fact, (told, wanted) in facts.items():
        if told != wanted:
            shown = "" if fact == "units" else f" ({told}, the student {wanted})"
            raise ConfigError(
                f"the teacher {name} differs from its student in {fact}{shown}",
                remedy="give a teacher that was fitted to the same units, at the same rate and bin",
            )
    recipe = sidecar.provenance.get("recipe", {})
    fitted = recipe.get("data", {}) if isinstance(recipe, dict) else {}
    # Numbers name the same sounds only in a release; a folder of one's own may hold anything.
    if fitted.get("layout") == config.data.layout == "ns1":
        seen = sorted(set(fitted.get("train", [])) & set(config.data.validation))
        if seen:
            raise ConfigError(
                f"the teacher {name} was fitted to sounds {seen}, which are to be scored here",
                remedy="leave them out of data.validation, or take a teacher that does not know them",
            )
