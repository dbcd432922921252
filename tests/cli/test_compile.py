"""`rtstrf compile`: native code once, found from then on."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstrf.backends.compiled import compiler
from rtstrf.checkpoints.load import load_model
from rtstrf.cli.main import main
from rtstrf.pipeline import Pipeline
from tests.support.models import tiny_checkpoint


@pytest.mark.slow
@pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler here")
def test_a_compiled_model_is_used_by_auto_and_its_costs_are_told(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("RTSTRF_CACHE", str(tmp_path / "cache"))
    folder = tiny_checkpoint(tmp_path / "tiny")
    assert Pipeline(load_model(folder), backend="auto").runner.backend == "traced"
    assert main(["compile", str(folder)]) == 0
    assert "us compiled" in capsys.readouterr().err
    assert Pipeline(load_model(folder), backend="auto").runner.backend == "compiled"


def test_lanes_below_one_are_refused(capsys) -> None:
    assert main(["compile", "statenet-gru-ns1", "--lanes", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
