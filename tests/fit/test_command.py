import io
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from rtstrf.checkpoints.load import load_model
from rtstrf.errors import DataError
from rtstrf.fit import command
from rtstrf.fit.command import run_fit
from rtstrf.fit.download import download_ns1
from tests.fit.conftest import write_release
from tests.fit.test_train import recipe, stop_in


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(recipe(epochs=2).model_dump(mode="json")))
    return path


def test_a_recipe_file_and_recordings_give_a_model(own, recipe_file, tmp_path, console):
    assert run_fit(recipe_file, own, tmp_path / "run", overrides=["training.epochs=1"], console=console) == 0
    assert load_model(tmp_path / "run" / "tiny").model.out_neurons == 3


def test_the_run_is_kept_in_runs_under_the_model_s_name_by_default(own, recipe_file, tmp_path, console, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_fit(recipe_file, own, overrides=["training.epochs=1"], console=console)
    assert (tmp_path / "runs" / "tiny" / "tiny" / "model.safetensors").is_file()


def test_ctrl_c_says_how_to_go_on_and_the_next_run_does(own, recipe_file, tmp_path, console, monkeypatch):
    with monkeypatch.context() as patch:
        stop_in(patch, "model", 2)
        with pytest.raises(KeyboardInterrupt):
            run_fit(recipe_file, own, tmp_path / "run", console=console)
    assert "goes on after the last whole epoch" in console.file.getvalue()
    assert run_fit(recipe_file, own, tmp_path / "run", console=console) == 0
    assert "model: 2 steps were done before" in console.file.getvalue()


def test_missing_recordings_are_not_downloaded_unasked(recipe_file, tmp_path, console, monkeypatch):
    monkeypatch.setattr(command, "download_ns1", None)
    with pytest.raises(DataError, match=r"(?s)does not exist.*--download"):
        run_fit(recipe_file, tmp_path / "absent", tmp_path / "run", overrides=["data.layout=ns1"], console=console)
    assert not (tmp_path / "absent").exists()
    assert not (tmp_path / "run").exists()


def test_missing_recordings_are_downloaded_where_that_is_wanted(recipe_file, tmp_path, console, monkeypatch):
    # The release comes from a folder here; tests/fit/test_download.py fetches one from a server.
    monkeypatch.setattr(command, "download_ns1", lambda root, console: write_release(Path(root)))
    overrides = ["data={layout: ns1, train: [1, 2], validation: [3]}", "training.epochs=1"]
    assert download_ns1 is not command.download_ns1
    assert run_fit(recipe_file, tmp_path / "ns1", tmp_path / "run", True, overrides=overrides, console=console) == 0
    assert (tmp_path / "run" / "tiny" / "stream.json").is_file()
