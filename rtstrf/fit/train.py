"""The whole fit: recordings in, a checkpoint that streams out. Read `fit` first.

With teachers, several networks of different seeds and make are fitted to the recordings, or taken as they were fitted
before, and then one more, the student, to the recordings and to what the teachers predict on average. The student is
the model; it keeps most of what averaging several networks gains, at the cost of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.checkpoints.save import save_model
from rtstrf.checkpoints.sidecar import Sidecar, Unit
from rtstrf.fit import courses
from rtstrf.fit.config import FitConfig
from rtstrf.fit.curve import draw_learning_curve
from rtstrf.fit.dataset import FitData, load_fit_data
from rtstrf.fit.network import fill_slots, make_network, predict
from rtstrf.fit.progress import FitProgress
from rtstrf.fit.run_folder import RunFolder
from rtstrf.fit.teachers import fitted_teachers
from rtstrf.fit.training import NetworkFit, Plan
from rtstrf.fit.tuning import best_frequencies_hz
from rtstrf.models.model import AuditoryModel
from rtstrf.rates import hz_per_response
from rtstrf.spectrogram.make import make_wav2spec
from rtstrf.version import __version__

STUDENT = "student"
# Beyond this many sounds, more add nothing to the best frequencies but time.
TUNING_SOUNDS = 14


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a fit gave.

    Attributes
    ----------
    folder : Path
        The checkpoint, for `rtstrf.load_model`.
    cc, cc_norm : ndarray, shape (N,)
        Of each unit on the validation sounds; NaN where they cannot be told.
    """

    folder: Path
    cc: np.ndarray
    cc_norm: np.ndarray


def fit(
    config: FitConfig,
    data_dir: str | Path,
    out_dir: str | Path,
    *,
    resume: bool = True,
    console: Console | None = None,
) -> FitResult:
    """Fit the model of a recipe and write its checkpoint.

    Parameters
    ----------
    config : FitConfig
        See `rtstrf.fit.config.read_config`.
    data_dir, out_dir : path-like
        Where the recordings are, and where the run is kept (see `rtstrf.fit.run_folder`); the checkpoint is
        ``out_dir / config.name``.
    resume : bool
        Go on with a run that was stopped, which ends with the same weights as one that was not; otherwise begin anew
        and replace it.
    console : Console, optional
        Where progress is shown.

    Returns
    -------
    result : FitResult

    Raises
    ------
    DataError
        If recordings are missing or damaged.
    ConfigError
        If the folder holds another run, or the model cannot be built.

    Notes
    -----
    The same recipe, recordings, machine and library versions give the same weights, bit for bit.
    """
    console = console or Console()
    with _threads(config.threads):
        console.print(f"reading the recordings in {data_dir}")
        data = load_fit_data(config, data_dir)
        before = fitted_teachers(config, data)
        fingerprints = [teacher.weights_sha256 for teacher in before]
        run = RunFolder(out_dir, config, data.sha256(), fingerprints, resume=resume)
        plans = network_plans(config, data)
        models = [teacher.model for teacher in before]
        with FitProgress(console, sum(_steps(plan, config, data) for plan in plans)) as progress:
            for plan in plans:
                models.append(_fit_network(plan, config, data, run, models, progress))
        if len(models) > 1:
            taught = np.mean([_predict(model, data) for model in models[:-1]], axis=0)
            console.print(f"the teachers' mean: validation cc_norm {mean_score(data.validation.scores(taught)[1])}")
        model = models[-1]
        cc, cc_norm = data.validation.scores(_predict(model, data))
        folder = run.path / config.name
        save_model(folder, model, _sidecar(config, data, model, before, cc, cc_norm), overwrite=True)
        draw_learning_curve(run.log(), run.path / "learning_curve.png")
    console.print(f"validation: cc {mean_score(cc)}, cc_norm {mean_score(cc_norm)} (mean over {len(cc)} units)")
    console.print(f"model: {folder}")
    return FitResult(folder, cc, cc_norm)


def mean_score(scores: np.ndarray, digits: int = 4) -> float | None:
    """Return the mean over the units that can be scored, rounded; None where none can.

    Examples
    --------
    >>> mean_score(np.array([0.5, np.nan, 0.7])), mean_score(np.array([np.nan]))
    (0.6, None)
    """
    known = scores[~np.isnan(scores)]
    return round(float(known.mean()), digits) if len(known) else None


def network_plans(config: FitConfig, data: FitData) -> list[Plan]:
    """Return how to fit each network that is to be fitted, in order; the last is the model."""
    common: dict[str, Any] = {
        "augmentation": config.augmentation,
        "seed": config.seed,
        "bin_ms": data.recordings.bin_ms,
        "units": data.units,
    }
    if config.distillation is None:
        return [Plan(name="model", model=config.model, training=config.training, network=0, **common)]
    kinds = [
        teacher.model or config.model
        for teacher in config.distillation.teachers
        for _ in range(teacher.copies)
        if teacher.checkpoint is None
    ]
    teachers = [
        Plan(name=f"teacher {n + 1}", model=kind, training=config.training, network=n, **common)
        for n, kind in enumerate(kinds)
    ]
    student = config.distillation.student
    return [*teachers, Plan(name=STUDENT, model=config.model, training=student, network=len(kinds), **common)]


def _steps(plan: Plan, config: FitConfig, data: FitData) -> int:
    """Return the steps of one network."""
    mixtures = config.distillation.mixtures if plan.name == STUDENT and config.distillation is not None else 0
    return courses.steps_per_epoch(plan.training, len(data.train.sound_pa), mixtures) * plan.training.epochs


def _fit_network(
    plan: Plan, config: FitConfig, data: FitData, run: RunFolder, teachers: list[AuditoryModel], progress: FitProgress
) -> AuditoryModel:
    """Fit one network, or take it up where it was left, or take it as it is where it was finished."""
    finished = run.load_network(plan.name)
    if finished is not None:
        progress.skip(plan.name, _steps(plan, config, data))
        model = make_network(plan.model, plan.bin_ms, plan.units, seed=0)
        model.load_state_dict(finished)
        return model.eval()
    slot = fill_slots(plan.model, plan.bin_ms, plan.units).wav2spec
    front_end = make_wav2spec(slot.kind, **slot.options)
    rng = np.random.default_rng((plan.seed, plan.network, 0))
    if plan.name == STUDENT and config.distillation is not None:
        progress.announce("the teachers label the student's sounds")
        course = courses.distilled(config, config.distillation, data.train, front_end, teachers, rng)
    else:
        course = courses.recorded(config, data.train, front_end, rng)
    network = NetworkFit(plan, course)
    state = run.load_state(plan.network)
    if state is not None:
        network.restore(state)
        progress.skip(plan.name, course.steps * network.epoch)
    run.keep_log(lambda line: line["network"] != plan.name or line["epoch"] <= network.epoch)
    while not network.done:
        loss = network.run_epoch()
        cc, cc_norm = data.validation.scores(_predict(network.averaged_model(), data))
        line: dict[str, Any] = {
            "network": plan.name,
            "epoch": network.epoch,
            "loss": round(loss, 6),
            "validation_cc": mean_score(cc, digits=5),
            "validation_cc_norm": mean_score(cc_norm, digits=5),
        }
        run.add_to_log(line)
        run.save_state(network.state())
        progress.epoch(line, plan.training.epochs, course.steps)
    run.save_network(plan.name, network.average)
    return network.averaged_model()


def _predict(model: AuditoryModel, data: FitData) -> np.ndarray:
    return predict(model, data.validation.sound_pa).numpy()


def _sidecar(
    config: FitConfig,
    data: FitData,
    model: AuditoryModel,
    teachers: list[LoadedModel],
    cc: np.ndarray,
    cc_norm: np.ndarray,
) -> Sidecar:
    """Return what a stream must know of the model, and where it comes from."""
    slots = fill_slots(config.model, data.recordings.bin_ms, data.units)
    frequencies_hz = best_frequencies_hz(model, data.train.sound_pa[:TUNING_SOUNDS])
    units = tuple(
        Unit(unit.id, unit.depth_um, frequency_hz, None if np.isnan(score) else round(float(score), 4))
        for unit, frequency_hz, score in zip(data.recordings.units, frequencies_hz, cc_norm, strict=True)
    )
    return Sidecar(
        name=config.name,
        sample_rate_hz=config.model.sample_rate_hz,
        hop_samples=data.hop_samples,
        bin_ms=data.recordings.bin_ms,
        hz_per_response=hz_per_response(data.recordings.bin_ms, float(data.window.sum())),
        wav2spec=slots.wav2spec,
        prefiltering=slots.prefiltering,
        output_activation=slots.output_activation,
        kernel=slots.kernel,
        units=units,
        citation=(*config.citation, *data.recordings.citation),
        provenance={
            "fitted_with": f"rtstrf {__version__}, torch {torch.__version__}",
            "recipe": config.model_dump(mode="json"),
            "data_sha256": data.sha256(),
            "teachers_fitted_before": {teacher.sidecar.name: teacher.weights_sha256 for teacher in teachers},
            "validation_sounds": config.data.validation,
            "validation_cc": mean_score(cc),
            "validation_cc_norm": mean_score(cc_norm),
            "best_frequency": "band whose brief rise, during natural sound, excites the unit most (rtstrf.fit.tuning)",
        },
    )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute on so many threads, and give back the setting that was found."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
