"""deepSTRF beside rtstrf: how much past it needs, and that it is the same model."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from rtstrf.bench import deepstrf
from rtstrf.bench.conditions import Conditions
from rtstrf.bench.deepstrf import deepstrf_version, require_deepstrf, twin
from rtstrf.bench.models import REFERENCES, measured_model, scene_hops
from rtstrf.bench.peers import BOUND, peers_rows, shortest_past
from rtstrf.bench.telling import Telling
from rtstrf.checkpoints.load import LoadedModel
from rtstrf.errors import ConfigError, MissingExtraError
from rtstrf.pipeline import SoundToRates
from tests.support.models import tiny_loaded

needs_deepstrf = pytest.mark.skipif(deepstrf_version() != deepstrf.VERSION, reason="deepSTRF 0.1.0 is not installed")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return tiny_loaded(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def sound(loaded: LoadedModel) -> np.ndarray:
    return scene_hops(loaded, 500)


def test_the_past_that_is_found_is_right_and_one_bin_less_is_not(loaded: LoadedModel, sound: np.ndarray) -> None:
    module = SoundToRates(loaded.model, loaded.sidecar.hz_per_response)

    def run(sounds: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return module(sounds)["rates_hz"].numpy()

    past = shortest_past(run, loaded, sound, most_bins=400, probes=5)
    assert past.right
    assert past.error <= BOUND
    assert 8 < past.bins < 400
    wave, hop = torch.from_numpy(sound).reshape(1, 1, -1), loaded.sidecar.hop_samples
    offline = run(wave)[0]

    def error(bins: int) -> float:
        ends = np.linspace(400, 500, 5, dtype=int)
        newest = [run(wave[..., (end - bins) * hop : end * hop])[0, :, -1] for end in ends]
        return float(max(np.abs(n - offline[:, end - 1]).max() for n, end in zip(newest, ends, strict=True)))

    assert error(past.bins) / np.abs(offline).max() <= BOUND * 1.1  # rounded as a batch of probes is
    assert error(past.bins - 1) / np.abs(offline).max() > BOUND * 0.9


def test_where_no_past_is_right_that_is_said_and_the_shortest_as_good_as_any_is_taken(
    loaded: LoadedModel, sound: np.ndarray
) -> None:
    hop, units = loaded.sidecar.hop_samples, loaded.model.out_neurons

    def positions(sounds: torch.Tensor) -> np.ndarray:  # of a clock that begins anew in every window
        bins = sounds.shape[-1] // hop
        wrong = 1.0 if bins == len(sound) else 0.5 if bins >= 32 else 5.0
        return np.full((len(sounds), units, bins), wrong)

    past = shortest_past(positions, loaded, sound, most_bins=400, probes=5)
    assert not past.right
    assert past.bins == 32
    assert past.error == pytest.approx(0.5)
    assert shortest_past(positions, loaded, sound, most_bins=400, probes=5, reach_bins=100).bins == 128


def test_without_deepstrf_the_comparison_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deepstrf, "deepstrf_version", lambda: None)
    with pytest.raises(MissingExtraError, match="not installed") as caught:
        peers_rows(list(REFERENCES), "auto", Conditions(), Telling(quiet=True))
    assert "pip install" in (caught.value.remedy or "")
    assert "deepSTRF==0.1.0" in (caught.value.remedy or "")


def test_another_version_of_deepstrf_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deepstrf, "deepstrf_version", lambda: "0.2.0")
    with pytest.raises(ConfigError, match=r"deepSTRF 0\.2\.0 is installed"):
        require_deepstrf("models")


def test_only_reference_systems_can_be_compared() -> None:
    with pytest.raises(ConfigError, match="no reference system"):
        peers_rows(["statenet-gru-ns1"], "auto", Conditions(), Telling(quiet=True))


@pytest.fixture
def torchaudio_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package like torchaudio: the import of its native part fails."""
    package = tmp_path / "torchaudio"
    (package / "_extension").mkdir(parents=True)
    (package / "__init__.py").write_text("from torchaudio._extension import _IS_TORCHAUDIO_EXT_AVAILABLE as native\n")
    (package / "_extension" / "__init__.py").write_text("raise OSError('Could not load this library')\n")
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "torchaudio"}
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]
    sys.modules.update(kept)


def test_where_a_native_library_does_not_load_its_python_part_is_used_without(
    torchaudio_that_does_not_load: None,
) -> None:
    deepstrf.without_native_torchaudio()
    assert sys.modules["torchaudio"].native is False


def test_the_version_is_that_of_the_distribution() -> None:
    try:
        expected = importlib.metadata.version("deepSTRF")
    except importlib.metadata.PackageNotFoundError:
        expected = None
    assert deepstrf_version() == expected


@needs_deepstrf
@pytest.mark.parametrize("name", REFERENCES)
def test_deepstrf_with_our_weights_says_the_same(name: str) -> None:
    loaded = measured_model(name)
    wave = torch.from_numpy(scene_hops(loaded, 100)).reshape(1, 1, -1)
    with torch.inference_mode():
        theirs, ours = twin(name, loaded)(wave)[:, :, 0], loaded.model(wave)
    assert float((theirs - ours).abs().max() / ours.abs().max()) < 1e-5
