"""`rtstrf verify`, as it is typed."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rtstrf.checkpoints.load import LoadedModel, load_model
from rtstrf.verify.store import last_verified
from tests.support.command import Command, assert_refused
from tests.support.models import RATE_HZ, tiny_checkpoint
from tests.support.sounds import bursts, write_sound


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return write_sound(tmp_path / "call.wav", bursts(4000, RATE_HZ), RATE_HZ)


@pytest.fixture
def rtstrf(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("RTSTRF_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_a_sound_model_gets_its_ticks_and_exit_code_0(rtstrf: Command, model: Path, sound: Path) -> None:
    outcome = rtstrf("verify", model, sound)
    assert outcome.code == 0
    assert outcome.err == ""
    for word in ("tiny on call.wav", "G0", "G1", "G2", "causal", "1.0e-05", "1.0e-10", "blocks of random"):
        assert word in outcome.out
    assert outcome.out.count("✓") == 6
    assert "✗" not in outcome.out


def test_the_built_in_scene_is_used_where_no_sound_is_given(rtstrf: Command, model: Path) -> None:
    outcome = rtstrf("verify", model, "--seconds", "0.2", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["sound"] == "built-in scene"


def test_json_is_the_same_as_data(rtstrf: Command, model: Path, sound: Path) -> None:
    outcome = rtstrf("verify", model, sound, "--json")
    result = json.loads(outcome.out)
    assert result["format"] == "rtstrf-verify/1"
    assert result["passed"] is True
    assert result["weights_sha256"] == load_model(model).weights_sha256
    assert len(result["guarantees"]) == 6


def test_the_result_is_kept_for_the_greeting(rtstrf: Command, model: Path, sound: Path) -> None:
    sha256 = load_model(model).weights_sha256
    assert last_verified(sha256) is None
    result = json.loads(rtstrf("verify", model, sound, "--json").out)
    assert last_verified(sha256) == result


def test_a_cache_that_cannot_be_written_is_only_mentioned(rtstrf: Command, model: Path, sound: Path, tmp_path) -> None:
    (tmp_path / "cache").write_text("in the way")
    outcome = rtstrf("verify", model, sound)
    assert outcome.code == 0
    assert "cannot be kept" in outcome.err


def test_a_broken_guarantee_gets_a_cross_and_exit_code_1(
    rtstrf: Command, model: Path, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_broken(folder: str) -> LoadedModel:
        loaded = load_model(folder)
        broken = copy.deepcopy(loaded)
        step = broken.model.prefiltering.step
        broken.model.prefiltering.step = lambda x, state: step(x + 0.1 * x.mean(dim=-1, keepdim=True), state)
        return broken

    monkeypatch.setattr("rtstrf.checkpoints.load.load_model", load_broken)
    outcome = rtstrf("verify", model, sound)
    assert outcome.code == 1
    assert "✗" in outcome.out


def test_a_terminal_without_ticks_gets_words(model: Path, sound: Path) -> None:
    command = [sys.executable, "-m", "rtstrf", "verify", str(model), str(sound), "--seconds", "0.15"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert done.stdout.count("yes") == 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no-such-model",), "no model 'no-such-model'"),
        (("{model}", "no.wav"), "no sound file"),
        (("{model}", "{sound}", "--seconds", "0"), "0 seconds of sound"),
        (("{model}", "{sound}", "--seconds", "0.05"), "too few to verify with"),
    ],
)
def test_a_mistake_is_one_message_and_nothing_is_kept(
    rtstrf: Command, model: Path, sound: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    assert_refused(rtstrf("verify", *(a.format(model=model, sound=sound) for a in arguments)), words)
    assert not (tmp_path / "cache").exists()
