"""The proof of the models that ship: their figures come out again when the sounds are replayed, hop by hop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rtstrf.checkpoints.load import bundled_models, load_model
from rtstrf.fit.config import FitConfig, differences, read_config
from rtstrf.fit.dataset import load_fit_data
from rtstrf.fit.metrics import correlation, normalised_correlation
from rtstrf.fit.ns1 import BINS, load_ns1
from rtstrf.fit.response import hanning_window, smooth
from rtstrf.pipeline import Pipeline
from rtstrf.sound.file import FileSource
from rtstrf.sound.make import open_source
from rtstrf.verify.report import verify

# What each must reach on the validation sounds, and what it must cite beside the recordings.
FLOORS = {"statenet-gru-ns1": 0.86, "dnet-ns1": 0.84, "transformer-ns1": 0.83}
CITED = {
    "statenet-gru-ns1": "10.1101/2024.11.11.622961",
    "dnet-ns1": "10.1371/journal.pcbi.1006618",
    "transformer-ns1": "10.48550/arXiv.1706.03762",
}
REPOSITORY = Path(__file__).parents[2]
NS1 = REPOSITORY.parent / "shared" / "ns1"


needs_ns1 = pytest.mark.skipif(not NS1.is_dir(), reason="needs the NS1 recordings in ../shared/ns1")


def replay(name: str, path: Path) -> np.ndarray:
    """Return the rates of a sound file in Hz, shape (units, bins), through one stream in blocks of 1000 samples."""
    with FileSource(path) as source:
        pipeline = Pipeline(load_model(name), source_rate_hz=source.info.rate_hz)
        heard = []
        while (block := source.read(1000)) is not None:
            heard += pipeline.push(block.samples)
        heard += pipeline.finish()
    return np.stack([one.rates_hz for one in heard[:BINS]], axis=1)


def test_every_bundled_model_is_looked_at_here():
    assert sorted(FLOORS) == bundled_models()


@needs_ns1
@pytest.mark.parametrize("name", FLOORS)
def test_replayed_validation_sounds_score_what_the_sidecar_records(name):
    sidecar = load_model(name).sidecar
    sounds = sidecar.provenance["validation_sounds"]
    assert sounds == [15, 16, 17]
    recordings = load_ns1(NS1, sounds)
    window = hanning_window(21.0, recordings.bin_ms)
    rates_hz = np.concatenate([replay(name, path) for path in recordings.sounds], axis=-1)  # (N, S T)
    measured = np.concatenate(list(smooth(recordings.counts, window).swapaxes(0, 1)), axis=-1)  # (N, R, S T)
    cc, cc_norm = correlation(rates_hz, measured.mean(axis=1)), normalised_correlation(rates_hz, measured)
    assert [unit.id for unit in sidecar.units] == [unit.id for unit in recordings.units]
    np.testing.assert_allclose([unit.cc_norm for unit in sidecar.units], cc_norm, atol=2e-4)
    assert sidecar.provenance["validation_cc"] == pytest.approx(cc.mean(), abs=2e-4)
    assert sidecar.provenance["validation_cc_norm"] == pytest.approx(cc_norm.mean(), abs=2e-4)
    assert cc_norm.mean() >= FLOORS[name]
    # The rates are in Hz: their mean is that of the spikes counted, which cc cannot see.
    counted_hz = recordings.counts.mean() / (recordings.bin_ms / 1000)
    assert rates_hz.mean() == pytest.approx(counted_hz, rel=0.2)


@needs_ns1
def test_the_transformer_scores_alike_however_long_its_stream_has_run():
    loaded = load_model("transformer-ns1")
    recorded = loaded.sidecar.provenance["recipe"]
    data = load_fit_data(FitConfig.model_validate(recorded), NS1)
    for week in (0, 1, 50):
        x = data.validation.sound_pa
        for name, stage in loaded.model.stages():
            if name == "pos_encoding":  # a week is 1.2e8 bins
                x, _ = stage.step(x, {"t": torch.full((len(x),), week * 7 * 24 * 3600 * 200)})
            else:
                x = stage(x)
        _, cc_norm = data.validation.scores(x.detach().numpy())
        assert cc_norm.mean() == pytest.approx(loaded.sidecar.provenance["validation_cc_norm"], abs=0.01)


@pytest.mark.parametrize("name", FLOORS)
def test_a_bundled_model_was_fitted_with_the_recipe_that_comes_with_it(name):
    recorded = FitConfig.model_validate(load_model(name).sidecar.provenance["recipe"])
    recipe = REPOSITORY / "configs" / "fit" / f"{name.replace('-', '_')}.yaml"
    assert differences(recorded, read_config(recipe)) == []


@pytest.mark.parametrize("name", FLOORS)
def test_the_teachers_that_a_bundled_model_names_are_bundled_with_the_same_weights(name):
    told = load_model(name).sidecar.provenance.get("teachers_fitted_before", {})
    assert told == {teacher: load_model(teacher).weights_sha256 for teacher in told}
    assert bool(told) == (name != "statenet-gru-ns1")


@pytest.mark.parametrize("name", FLOORS)
def test_a_bundled_model_keeps_the_guarantees(name):
    result = verify(load_model(name), open_source("scene"), seconds=0.5)
    assert result["passed"], result["guarantees"]
    assert {guarantee["id"] for guarantee in result["guarantees"]} == {"G0", "G1", "G2", "causal"}


@pytest.mark.parametrize("name", FLOORS)
def test_a_bundled_model_is_small_and_tells_what_to_cite(name):
    folder = REPOSITORY / "rtstrf" / "checkpoints" / "bundled" / name
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3_000_000
    sidecar = load_model(name).sidecar
    assert len(sidecar.units) == 119
    assert sidecar.units[0].id == load_model("statenet-gru-ns1").sidecar.units[0].id
    assert any("10.1371/journal.pcbi.1005113" in entry for entry in sidecar.citation)
    assert any(CITED[name] in entry for entry in sidecar.citation)
    assert all(unit.depth_um is not None for unit in sidecar.units)
    lowest_hz, highest_hz = 500.0, 22627.0
    assert all(
        unit.best_frequency_hz is None or lowest_hz < unit.best_frequency_hz < highest_hz for unit in sidecar.units
    )
