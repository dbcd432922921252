"""Whole fits of a tiny network to short recordings: what they learn, that they repeat and can be taken up."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from rtstrf.checkpoints.load import load_model
from rtstrf.errors import ConfigError, DataError
from rtstrf.fit import train as train_module
from rtstrf.fit.config import FitConfig
from rtstrf.fit.dataset import load_fit_data
from rtstrf.fit.network import predict
from rtstrf.fit.train import FitResult, fit
from rtstrf.fit.training import NetworkFit
from tests.fit.conftest import write_own

MODEL = {
    "sample_rate_hz": 16000,
    "wav2spec": {"kind": "mel", "options": {"n_mels": 8, "f_max_hz": 8000.0}},
    "hidden_channels": 2,
    "kernel_size": 4,
    "stride": 2,
}
ADAPTED = {**MODEL, "prefiltering": {"kind": "adaptrans", "options": {"max_freq_hz": 8000.0}}}

TRAINING = {
    "sounds_per_step": 2,
    "excerpt_bins": 80,
    "settling_bins": 20,
    "learning_rate": 0.02,
    "rise_steps": 2,
    "average_decay": 0.9,
}


def recipe(epochs: int = 2, **changes: object) -> FitConfig:
    facts = {
        "name": "tiny",
        "seed": 3,
        "data": {"layout": "folder", "train": [1, 2, 3], "validation": [4]},
        "model": MODEL,
        "training": {**TRAINING, "epochs": epochs},
        "augmentation": {"level_db": 2.0, "shift_ms": 1.0, "spectrogram_noise": 0.1, "variants": 2},
        **changes,
    }
    return FitConfig.model_validate(facts)


def with_teachers(epochs: int = 2) -> FitConfig:
    student = {**TRAINING, "epochs": epochs, "encoder_dropout": 0.1}
    teachers = [{"copies": 1}, {"copies": 1, "model": ADAPTED}]
    return recipe(epochs, distillation={"teachers": teachers, "student": student, "mixtures": 2})


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def weights(result: FitResult) -> dict[str, torch.Tensor]:
    return load_model(result.folder).model.state_dict()


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert list(a) == list(b)
    for key, value in a.items():
        assert torch.equal(value, b[key]), key


def stop_in(monkeypatch: pytest.MonkeyPatch, name: str, epoch: int) -> None:
    """Press Ctrl-C while a network is in an epoch."""
    run_epoch: Callable[[NetworkFit], float] = NetworkFit.run_epoch

    def interrupted(network: NetworkFit) -> float:
        if network.plan.name == name and network.epoch + 1 == epoch:
            run_epoch(network)  # the steps are done, nothing is kept of them
            raise KeyboardInterrupt
        return run_epoch(network)

    monkeypatch.setattr(train_module.NetworkFit, "run_epoch", interrupted)


@pytest.fixture(scope="module")
def fitted(own: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FitResult]:
    """An uninterrupted fit with teachers."""
    out = tmp_path_factory.mktemp("run") / "run"
    return out, fit(with_teachers(), own, out, console=quiet())


def test_a_network_learns_what_units_do_that_follow_the_loudness(own, tmp_path):
    result = fit(recipe(epochs=40), own, tmp_path / "run", console=quiet())
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < log[0]["loss"]
    assert np.nanmean(result.cc_norm) > 0.8


def test_the_checkpoint_loads_and_tells_what_was_measured(own, fitted):
    _, result = fitted
    loaded = load_model(result.folder)
    config = with_teachers()
    data = load_fit_data(config, own)
    cc, cc_norm = data.validation.scores(predict(loaded.model, data.validation.sound_pa).numpy())
    np.testing.assert_array_equal(cc, result.cc)
    recorded = [unit.cc_norm for unit in loaded.sidecar.units]
    np.testing.assert_allclose([np.nan if r is None else r for r in recorded], cc_norm, atol=5e-5)
    assert loaded.sidecar.provenance["validation_cc_norm"] == pytest.approx(np.nanmean(cc_norm), abs=5e-5)
    assert loaded.sidecar.provenance["data_sha256"] == data.sha256()
    assert FitConfig.model_validate(loaded.sidecar.provenance["recipe"]) == config


def test_the_checkpoint_says_all_that_a_stream_needs(fitted):
    sidecar = load_model(fitted[1].folder).sidecar
    assert (sidecar.sample_rate_hz, sidecar.hop_samples, sidecar.bin_ms) == (16000, 80, 5.0)
    assert sidecar.hz_per_response == 100.0  # five Hanning taps that add up to 2, at 5 ms
    assert [unit.id for unit in sidecar.units] == ["unit-1", "unit-2", "unit-3"]
    assert [unit.depth_um for unit in sidecar.units] == [0.0, 100.0, 200.0]
    assert "Us" in sidecar.citation


def test_a_fit_leaves_its_recipe_log_networks_and_picture_and_nothing_half_written(fitted):
    out, _ = fitted
    assert sorted(entry.name for entry in out.iterdir()) == [
        "learning_curve.png",
        "log.jsonl",
        "networks",
        "recipe.json",
        "tiny",
    ]
    names = sorted(entry.name for entry in (out / "networks").iterdir())
    assert names == ["student.safetensors", "teacher-1.safetensors", "teacher-2.safetensors"]
    assert (out / "learning_curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [(line["network"], line["epoch"]) for line in log] == [
        (name, epoch) for name in ("teacher 1", "teacher 2", "student") for epoch in (1, 2)
    ]
    assert set(log[0]) == {"network", "epoch", "loss", "validation_cc", "validation_cc_norm"}


def test_the_same_recipe_gives_the_same_weights_bit_for_bit(own, fitted, tmp_path):
    assert_same(weights(fit(with_teachers(), own, tmp_path / "again", console=quiet())), weights(fitted[1]))


def test_teachers_learn_from_the_recordings_alone(own, fitted, tmp_path):
    trusting = with_teachers()
    assert trusting.distillation is not None
    distillation = trusting.distillation.model_copy(update={"weight": 1.0, "mixtures": 0})
    fit(trusting.model_copy(update={"distillation": distillation}), own, tmp_path / "run", console=quiet())
    for name in ("teacher-1", "teacher-2"):
        before = (fitted[0] / "networks" / f"{name}.safetensors").read_bytes()
        assert (tmp_path / "run" / "networks" / f"{name}.safetensors").read_bytes() == before
    student = (fitted[0] / "networks" / "student.safetensors").read_bytes()
    assert (tmp_path / "run" / "networks" / "student.safetensors").read_bytes() != student


def test_another_seed_gives_other_weights(own, fitted, tmp_path):
    other = fit(with_teachers().model_copy(update={"seed": 4}), own, tmp_path / "other", console=quiet())
    assert not torch.equal(weights(other)["readout.fc.weight"], weights(fitted[1])["readout.fc.weight"])


def test_the_global_random_numbers_and_the_number_of_threads_are_left_alone(own, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    fit(recipe(epochs=1), own, tmp_path / "run", console=quiet())
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(("name", "epoch"), [("teacher 1", 1), ("teacher 2", 2), ("student", 1), ("student", 2)])
def test_a_fit_that_was_stopped_and_taken_up_ends_with_the_same_weights(
    own, fitted, tmp_path, monkeypatch, name, epoch
):
    with monkeypatch.context() as patch:
        stop_in(patch, name, epoch)
        with pytest.raises(KeyboardInterrupt):
            fit(with_teachers(), own, tmp_path / "run", console=quiet())
    assert not (tmp_path / "run" / "tiny").exists()
    result = fit(with_teachers(), own, tmp_path / "run", console=quiet())
    assert_same(weights(result), weights(fitted[1]))
    assert (tmp_path / "run" / "log.jsonl").read_text() == (fitted[0] / "log.jsonl").read_text()


def test_a_finished_fit_taken_up_again_only_writes_its_model_anew(own, fitted, monkeypatch):
    monkeypatch.setattr(train_module.NetworkFit, "run_epoch", None)  # nothing is to be run
    before = weights(fitted[1])
    assert_same(weights(fit(with_teachers(), own, fitted[0], console=quiet())), before)


def test_resuming_where_nothing_was_begun_begins(own, tmp_path):
    assert fit(recipe(epochs=1), own, tmp_path / "new", console=quiet()).folder.is_dir()


def test_beginning_anew_replaces_an_earlier_fit_and_nothing_else(own, tmp_path):
    out = tmp_path / "run"
    fit(recipe(epochs=1).model_copy(update={"seed": 8}), own, out, console=quiet())
    (out / "notes.txt").write_text("mine")
    result = fit(recipe(epochs=2), own, out, resume=False, console=quiet())
    assert len((out / "log.jsonl").read_text().splitlines()) == 2
    assert (out / "notes.txt").read_text() == "mine"
    assert_same(weights(result), weights(fit(recipe(epochs=2), own, tmp_path / "fresh", console=quiet())))


def test_a_changed_recipe_is_refused_and_every_change_named(own, fitted):
    changed = with_teachers(epochs=3).model_copy(update={"seed": 9})
    with pytest.raises(ConfigError) as error:
        fit(changed, own, fitted[0], console=quiet())
    assert "seed: 3 -> 9" in error.value.what
    assert "training.epochs: 2 -> 3" in error.value.what
    assert "level_db" not in error.value.what


def test_other_recordings_are_refused(fitted, tmp_path):
    other = write_own(tmp_path / "other", seed=1)
    with pytest.raises(DataError, match="begun with other recordings"):
        fit(with_teachers(), other, fitted[0], console=quiet())


def test_a_damaged_state_says_which_file_to_delete(own, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_in(patch, "model", 2)
        with pytest.raises(KeyboardInterrupt):
            fit(recipe(), own, tmp_path / "run", console=quiet())
    state = tmp_path / "run" / "resume.pt"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(DataError, match=r"(?s)resume\.pt is damaged.*delete it"):
        fit(recipe(), own, tmp_path / "run", console=quiet())


def test_a_folder_that_cannot_be_written_is_named(own, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be written"):
        fit(recipe(), own, tmp_path / "file" / "run", console=quiet())


def test_the_release_of_ns1_is_fitted_alike(release, tmp_path):
    data = {"layout": "ns1", "train": [1, 2], "validation": [3]}
    result = fit(recipe(epochs=1, data=data), release, tmp_path / "run", console=quiet())
    assert result.cc_norm.shape == (3,)
    sidecar = load_model(result.folder).sidecar
    assert [unit.id for unit in sidecar.units] == [f"exp{n}/P01/cluster.{n:02d}" for n in range(3)]
    assert any("1005113" in entry for entry in sidecar.citation)


def test_units_that_never_fire_are_fitted_but_not_scored(tmp_path):
    write_own(tmp_path / "own")
    with np.load(tmp_path / "own" / "recordings.npz") as table:
        facts = dict(table)
    facts["counts"][0] = 0
    np.savez(tmp_path / "own" / "recordings.npz", **facts)
    result = fit(recipe(epochs=1), tmp_path / "own", tmp_path / "run", console=quiet())
    assert np.isnan(result.cc_norm).tolist() == [True, False, False]
    sidecar = load_model(result.folder).sidecar
    assert sidecar.units[0].cc_norm is None
    assert sidecar.provenance["validation_cc_norm"] == pytest.approx(np.nanmean(result.cc_norm), abs=5e-5)
    facts["counts"][:] = 0
    np.savez(tmp_path / "own" / "recordings.npz", **facts)
    silent = fit(recipe(epochs=1), tmp_path / "own", tmp_path / "silent", console=quiet())
    assert load_model(silent.folder).sidecar.provenance["validation_cc_norm"] is None
    assert json.loads((tmp_path / "silent" / "log.jsonl").read_text())["validation_cc_norm"] is None


def test_progress_shows_epoch_loss_and_scores(own, tmp_path):
    console = quiet()
    fit(recipe(epochs=1), own, tmp_path / "run", console=console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for word in ("model  epoch 1/1", "loss", "validation cc", "cc_norm", str(tmp_path / "run" / "tiny")):
        assert word in shown
