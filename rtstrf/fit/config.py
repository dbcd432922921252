"""The recipe of a fit, as a YAML file holds it; every key says what it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from rtstrf.config.load import NOT_YAML
from rtstrf.errors import ConfigError
from rtstrf.fit.model_config import SECTIONS, AnyModel, Section, StateNetConfig

START_FROM = "start from configs/fit/statenet_gru_ns1.yaml"


class DataConfig(Section):
    """Which recordings, and which sounds of them serve what."""

    layout: Literal["ns1", "folder"] = Field(
        default="ns1", description="Layout of the data directory, see docs/fitting.md."
    )
    train: list[int] = Field(min_length=1, description="Numbers of the sounds to fit.")
    validation: list[int] = Field(min_length=1, description="Numbers of the sounds to score; never fitted.")
    smoothing_ms: float = Field(
        default=21.0,
        gt=0,
        description="Width of the raw Hanning window that smooths each trial.",
    )

    @model_validator(mode="after")
    def _apart(self) -> DataConfig:
        both = sorted(set(self.train) & set(self.validation))
        if both:
            raise ValueError(f"sounds {both} are in train and in validation")
        return self


class TrainingConfig(Section):
    """How a network is fitted."""

    epochs: int = Field(gt=0, description="Rounds, after each of which the validation sounds are scored.")
    presentations: int = Field(default=1, gt=0, description="How often an epoch presents each sound.")
    sounds_per_step: int = Field(default=4, gt=0, description="Presentations whose mean loss makes one step.")
    excerpt_bins: int | None = Field(default=None, gt=0, description="Length of a presentation; None for whole sounds.")
    settling_bins: int = Field(
        default=0, ge=0, description="Start of an excerpt that is not scored, unless it is the start of the sound."
    )
    loss: Literal["mse", "poisson"] = Field(default="poisson", description="Squared error, or Poisson deviance.")
    learning_rate: float = Field(default=3e-3, gt=0, description="Peak; a linear rise, then a half cosine to zero.")
    rise_steps: int = Field(default=20, ge=1, description="Steps of the rise.")
    weight_decay: float = Field(default=0.01, ge=0, description="AdamW's, on matrices only.")
    gradient_norm: float = Field(default=1.0, gt=0, description="Gradients longer than this are shortened to it.")
    average_decay: float = Field(
        default=0.98, ge=0, lt=1, description="Of the running average of weights, which is kept."
    )
    encoder_dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the outputs of the core's first stage, such as an encoder, dropped while fitting; where "
        "the readout follows at once, readout_dropout counts.",
    )
    readout_dropout: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="Share of readout inputs dropped while fitting; nothing where the readout is all there is.",
    )
    latest_start_bins: int = Field(
        default=0,
        ge=0,
        description="While fitting, a model that counts bins begins a presentation at a random count, at most this.",
    )

    @model_validator(mode="after")
    def _something_is_scored(self) -> TrainingConfig:
        if self.excerpt_bins is not None and self.settling_bins >= self.excerpt_bins:
            raise ValueError(f"settling_bins {self.settling_bins} leave nothing of excerpt_bins {self.excerpt_bins}")
        return self


class AugmentationConfig(Section):
    """How the waveforms vary from step to step while the responses stay."""

    level_db: float = Field(default=0.0, ge=0, description="Level, uniform within plus and minus this.")
    shift_ms: float = Field(default=0.0, ge=0, description="Shift in time, uniform within plus and minus this.")
    variants: int = Field(
        default=16, gt=0, description="Variants of each sound that are made, once, for an epoch to choose from."
    )
    spectrogram_noise: float = Field(
        default=0.0, ge=0, description="Standard deviation of noise added to the spectrogram, in its own unit."
    )


class TeacherConfig(Section):
    """Some of the teachers, which differ in their seeds alone, or one that was fitted before."""

    copies: int = Field(default=1, gt=0, description="How many.")
    model: AnyModel | None = Field(default=None, description="Their network, if it is not the model's own.")
    checkpoint: str | None = Field(
        default=None, description="A fitted model, bundled or a folder, that teaches as it is, in place of the above."
    )

    @model_validator(mode="after")
    def _fitted_or_to_be_fitted(self) -> TeacherConfig:
        if self.checkpoint is not None and (self.copies > 1 or self.model is not None):
            raise ValueError("checkpoint leaves nothing to fit: give it without copies and model")
        return self


class DistillationConfig(Section):
    """Teachers come first; the student then learns from the recordings and from their mean prediction."""

    teachers: list[TeacherConfig] = Field(min_length=1, description="Whose predictions are averaged.")
    student: TrainingConfig = Field(description="How the student is fitted.")
    weight: float = Field(
        default=0.5, ge=0, le=1, description="Share of the teachers in the target for a recorded sound."
    )
    mixtures: int = Field(
        default=0, ge=0, description="Mixtures of two sounds that an epoch presents, labelled by the teachers."
    )
    mixture_db: float = Field(
        default=12.0, ge=0, description="How much softer, at most, the second sound of a mixture is."
    )


class FitConfig(Section):
    """The whole recipe."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$", description="Name of the model.")
    seed: int = Field(default=0, ge=0, description="All randomness follows from it.")
    threads: int = Field(
        default=1, gt=0, description="CPU threads; another number may change the last bits of the weights."
    )
    citation: list[str] = Field(default_factory=list, description="What to cite for the model, beside the recordings.")
    data: DataConfig
    model: AnyModel = Field(default_factory=lambda: StateNetConfig())
    training: TrainingConfig = Field(description="How the model is fitted, or each teacher where there are some.")
    augmentation: AugmentationConfig = Field(default_factory=lambda: AugmentationConfig())
    distillation: DistillationConfig | None = Field(
        default=None, description="None to fit the model to recordings alone."
    )


def read_config(path: str | Path, overrides: list[str] | None = None) -> FitConfig:
    """Read a recipe and apply overrides such as ``training.epochs=10``.

    Parameters
    ----------
    path : path-like
        A YAML file.
    overrides : list of str, optional
        ``key.key=value``, the value as YAML.

    Raises
    ------
    ConfigError
        If the file is missing or no YAML, or a key or value does not fit; every such key is named.
    """
    path = Path(path)
    try:
        facts = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no recipe {path}", remedy=START_FROM) from error
    except (OSError, *NOT_YAML) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {error}", remedy="correct the file") from error
    if not isinstance(facts, dict):
        raise ConfigError(f"{path} holds no mapping of keys to values", remedy=START_FROM)
    for override in overrides or []:
        _set(facts, override)
    try:
        return FitConfig.model_validate(facts)
    except ValidationError as error:
        problems = "".join(f"\n  {_key(e['loc'])}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{path} does not fit:{problems}", remedy="docs/fitting.md lists the keys") from error


def differences(a: FitConfig, b: FitConfig) -> list[str]:
    """Return the keys at which two recipes differ, with both values."""
    one, other = _flat(a.model_dump(mode="json")), _flat(b.model_dump(mode="json"))
    keys = [key for key in {**one, **other} if one.get(key, "absent") != other.get(key, "absent")]
    return [f"{key}: {one.get(key, 'absent')} -> {other.get(key, 'absent')}" for key in keys]


def _key(location: tuple[int | str, ...]) -> str:
    """Return the dotted key of an error, without the class of the model that it passes through."""
    return ".".join(str(part) for part in location if part not in SECTIONS) or "recipe"


def _set(facts: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r}", remedy="write key.key=value, such as training.epochs=10")
    try:
        value = yaml.safe_load(text)
    except NOT_YAML as error:
        raise ConfigError(f"override {override!r}: {error}", remedy="write the value as in YAML") from error
    *parents, last = key.split(".")
    place = facts
    for parent in parents:
        inner = place.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"override {override!r}: {parent} holds no keys", remedy="name a key of the recipe")
        place = inner
    place[last] = value


def _flat(facts: Any, prefix: str = "") -> dict[str, str]:
    """Return dotted keys and JSON values."""
    if not isinstance(facts, dict):
        return {prefix: json.dumps(facts)}
    flat: dict[str, str] = {}
    for name, inner in facts.items():
        flat.update(_flat(inner, f"{prefix}.{name}" if prefix else name))
    return flat
