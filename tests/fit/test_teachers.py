"""Teachers that were fitted before: what they teach, and which of them are refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rtstrf.checkpoints.load import load_model
from rtstrf.errors import CheckpointError, ConfigError
from rtstrf.fit.config import FitConfig
from rtstrf.fit.dataset import load_fit_data
from rtstrf.fit.teachers import fitted_teachers
from rtstrf.fit.train import FitResult, fit
from tests.fit.conftest import write_own
from tests.fit.test_train import TRAINING, quiet, recipe

DNET = {
    "kind": "DNet",
    "sample_rate_hz": 16000,
    "wav2spec": {"kind": "mel", "options": {"n_mels": 8, "f_max_hz": 8000.0}},
    "n_hidden": 6,
}


@pytest.fixture(scope="module")
def teacher(own: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return fit(recipe(epochs=4), own, tmp_path_factory.mktemp("teacher") / "run", console=quiet())


def student_of(*checkpoints: object, **changes: object) -> FitConfig:
    teachers: list[dict[str, Any]] = [{"checkpoint": str(path)} for path in checkpoints]
    student = {**TRAINING, "epochs": 2}
    return recipe(model=DNET, distillation={"teachers": teachers, "student": student, **changes})


def changed(folder: Path, to: Path, **facts: object) -> Path:
    """Return a copy of a checkpoint whose sidecar says something else."""
    shutil.copytree(folder, to)
    sidecar = load_model(folder).sidecar
    (to / "stream.json").write_text(dataclasses.replace(sidecar, **facts).to_json())
    return to


def test_a_checkpoint_teaches_as_it_is_and_is_not_fitted_again(own, teacher, tmp_path):
    result = fit(student_of(teacher.folder), own, tmp_path / "run", console=quiet())
    assert [entry.name for entry in (tmp_path / "run" / "networks").iterdir()] == ["student.safetensors"]
    loaded = load_model(result.folder)
    assert type(loaded.model).__name__ == "DNet"
    assert loaded.sidecar.provenance["teachers_fitted_before"] == {"tiny": load_model(teacher.folder).weights_sha256}


def test_what_a_checkpoint_says_decides_what_the_student_learns(own, teacher, tmp_path):
    other = fit(recipe(epochs=4).model_copy(update={"seed": 9}), own, tmp_path / "other", console=quiet())
    students = [
        load_model(fit(student_of(path, weight=1.0), own, tmp_path / name, console=quiet()).folder).model.state_dict()
        for name, path in (("a", teacher.folder), ("b", teacher.folder), ("c", other.folder))
    ]
    key = "readout.fc.weight"
    assert torch.equal(students[0][key], students[1][key])
    assert not torch.equal(students[0][key], students[2][key])


def test_a_checkpoint_and_a_network_to_be_fitted_teach_together(own, teacher, tmp_path):
    config = student_of(teacher.folder)
    assert config.distillation is not None
    both = {**config.distillation.model_dump(), "teachers": [{"checkpoint": str(teacher.folder)}, {"copies": 1}]}
    config = FitConfig.model_validate({**config.model_dump(), "distillation": both})
    fit(config, own, tmp_path / "run", console=quiet())
    names = sorted(entry.name for entry in (tmp_path / "run" / "networks").iterdir())
    assert names == ["student.safetensors", "teacher-1.safetensors"]


def test_a_fit_is_not_taken_up_with_another_teacher_of_the_same_name(own, teacher, tmp_path):
    place = tmp_path / "teacher"
    shutil.copytree(teacher.folder, place)
    fit(student_of(place), own, tmp_path / "run", console=quiet())
    fit(student_of(place), own, tmp_path / "run", console=quiet())  # the same: nothing to do
    other = fit(recipe(epochs=4).model_copy(update={"seed": 9}), own, tmp_path / "other", console=quiet())
    shutil.copyfile(other.folder / "model.safetensors", place / "model.safetensors")
    with pytest.raises(ConfigError, match="other weights of a teacher"):
        fit(student_of(place), own, tmp_path / "run", console=quiet())


def test_a_run_from_before_there_were_such_teachers_is_taken_up(own, tmp_path):
    fit(recipe(epochs=1), own, tmp_path / "run", console=quiet())
    path = tmp_path / "run" / "recipe.json"
    facts = json.loads(path.read_text())
    del facts["teachers_sha256"]
    for key in ("kind", "rnn_type"):
        del facts["recipe"]["model"][key]
    del facts["recipe"]["training"]["latest_start_bins"]
    path.write_text(json.dumps(facts))
    fit(recipe(epochs=1), own, tmp_path / "run", console=quiet())


def test_a_teacher_that_is_missing_is_named(own):
    config = student_of("no-such-model")
    with pytest.raises(CheckpointError, match="no-such-model"):
        fitted_teachers(config, load_fit_data(config, own))


def test_a_teacher_of_other_units_is_refused(teacher, tmp_path):
    config = student_of(teacher.folder)
    other = load_fit_data(config, write_own(tmp_path / "own", units=2))
    with pytest.raises(ConfigError, match="differs from its student in units\n"):
        fitted_teachers(config, other)


def test_a_teacher_that_hears_at_another_rate_is_refused(own, teacher):
    config = student_of(teacher.folder)
    config = config.model_copy(update={"model": config.model.model_copy(update={"sample_rate_hz": 8000})})
    with pytest.raises(ConfigError, match=r"in sample_rate_hz \(16000, the student 8000\)"):
        fitted_teachers(config, load_fit_data(config, own))


def test_a_teacher_in_another_unit_of_response_is_refused(own, teacher, tmp_path):
    config = student_of(changed(teacher.folder, tmp_path / "counts", hz_per_response=200.0))
    with pytest.raises(ConfigError, match=r"in hz_per_response \(200.0, the student 100.0\)"):
        fitted_teachers(config, load_fit_data(config, own))


def test_a_teacher_that_knows_the_sounds_to_be_scored_is_refused(release, tmp_path):
    data = {"layout": "ns1", "train": [1, 2], "validation": [3]}
    taught = fit(recipe(epochs=1, data=data), release, tmp_path / "run", console=quiet())
    config = student_of(taught.folder)
    swapped = FitConfig.model_validate({**config.model_dump(), "data": {**data, "train": [1, 3], "validation": [2]}})
    with pytest.raises(ConfigError, match=r"was fitted to sounds \[2\], which are to be scored here"):
        fitted_teachers(swapped, load_fit_data(swapped, release))
    fair = FitConfig.model_validate({**config.model_dump(), "data": data})
    assert len(fitted_teachers(fair, load_fit_data(fair, release))) == 1


@pytest.mark.parametrize("more", [{"copies": 2}, {"model": DNET}])
def test_a_checkpoint_leaves_nothing_to_fit(more):
    with pytest.raises(ValueError, match="checkpoint leaves nothing to fit"):
        student_of("m", teachers=[{"checkpoint": "m", **more}])


def test_scores_of_a_student_are_of_its_own_predictions(own, teacher, tmp_path):
    result = fit(student_of(teacher.folder), own, tmp_path / "run", console=quiet())
    assert not np.array_equal(result.cc, teacher.cc)
