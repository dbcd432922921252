"""Which backends are measured where none is named."""

from __future__ import annotations

import pytest

from rtstrf.bench import backends
from rtstrf.bench.backends import backends_for, fastest_for
from rtstrf.bench.telling import Telling
from rtstrf.checkpoints.load import LoadedModel
from tests.support.models import tiny_loaded


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return tiny_loaded(tmp_path_factory.mktemp("model") / "tiny")


def chosen(loaded: LoadedModel, asked: list[str] | None = None, *, may_compile: bool = True) -> list[str]:
    return backends_for(asked, loaded, 1, "cpu", may_compile=may_compile, telling=Telling())


def test_those_that_are_named_are_measured_and_no_other(loaded: LoadedModel) -> None:
    assert chosen(loaded, ["compiled", "auto"]) == ["compiled", "auto"]
    assert fastest_for("eager", loaded, 1, "cpu", may_compile=True, telling=Telling()) == "eager"


def test_eager_traced_and_compiled_are_where_it_is_compiled_or_may_be(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "is_compiled", lambda *_: True)
    assert chosen(loaded, may_compile=False) == ["eager", "traced", "compiled"]
    monkeypatch.setattr(backends, "is_compiled", lambda *_: False)
    monkeypatch.setattr(backends, "cannot_compile", lambda _: None)
    assert chosen(loaded) == ["eager", "traced", "compiled"]


def test_what_is_left_out_is_said_and_why(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(backends, "is_compiled", lambda *_: False)
    monkeypatch.setattr(backends, "cannot_compile", lambda _: None)
    assert chosen(loaded, may_compile=False) == ["eager", "traced"]
    assert "half a minute" in capsys.readouterr().err
    monkeypatch.setattr(backends, "cannot_compile", lambda _: "there is no C++ compiler here")
    assert chosen(loaded) == ["eager", "traced"]
    assert "tiny is not compiled: there is no C++ compiler here" in capsys.readouterr().err


def test_on_a_gpu_the_graph_is_measured_beside_eager(loaded: LoadedModel) -> None:
    assert backends_for(None, loaded, 1, "cuda:0", may_compile=False, telling=Telling()) == ["eager", "cuda-graph"]
