"""A row of `rtstrf bench step`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rtstrf.bench.conditions import Conditions
from rtstrf.bench.error import WholeReference, step_errors
from rtstrf.bench.floors import jitter_floor, product_floor, weight_bytes
from rtstrf.bench.host import HostStep
from rtstrf.bench.models import REFERENCES, default_names, measured_model, scene_hops
from rtstrf.bench.step import FULL, QUICK, Effort, measured_row
from rtstrf.bench.telling import Telling
from rtstrf.checkpoints.load import LoadedModel, bundled_models
from rtstrf.pipeline import Pipeline
from rtstrf.spectrogram.mel import MelSpectrogram
from rtstrf.stream import Chain
from tests.support.models import tiny_loaded

TINY = Effort("quick", hops=60, most_s=1.0, paced_s=0.05, error_hops=30, jitter_s=0.01)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return tiny_loaded(tmp_path_factory.mktemp("model") / "tiny")


def row(loaded: LoadedModel, lanes: int = 1) -> dict:
    return measured_row(loaded, "tiny", "eager", lanes, Conditions(), TINY, Telling(quiet=True))


def test_the_reference_systems_are_those_of_the_table_with_the_same_weights_every_time() -> None:
    assert default_names() == [*REFERENCES, *bundled_models()]
    for name in REFERENCES:
        loaded, again = measured_model(name), measured_model(name)
        assert loaded.weights_sha256 == again.weights_sha256
        assert loaded.model.front_end is not None
        assert loaded.model.front_end.out_channels == 34
        assert loaded.model.front_end.samples_per_frame == 240
        assert loaded.model.prefilter.kernel_frames == 651
        assert loaded.model.out_neurons == 119
    assert len({measured_model(name).weights_sha256 for name in REFERENCES}) == len(REFERENCES)


def test_making_a_reference_system_leaves_the_caller_s_random_numbers_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    measured_model("mel-adaptrans-dnet")
    assert torch.equal(torch.rand(3), expected)


def test_the_scene_is_heard_at_the_model_s_rate(loaded: LoadedModel) -> None:
    hops = scene_hops(loaded, 50)
    assert hops.shape == (50, 80)
    assert hops.dtype == np.float32
    assert hops.any()


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_row_has_the_figures_of_each_loop_and_the_error_on_the_same_sound(loaded: LoadedModel, lanes: int) -> None:
    told = row(loaded, lanes)
    issue = {"model", "backend", "device", "lanes", "p50_us", "p99_us", "p99_9_us", "max_us", "max_error"}
    issue |= {"missed_deadlines", "hops", "algorithmic_delay_ms", "floor_us", "percent_of_floor"}
    assert issue <= told.keys()
    assert told["lanes"] == lanes
    assert 0 < told["max_error"] < 1e-5
    for prefix in ("", "open_loop_", "paced_response_"):
        p50, p99, p99_9, most = (told[f"{prefix}{name}_us"] for name in ("p50", "p99", "p99_9", "max"))
        assert 0 < p50 <= p99 <= p99_9 <= most
    assert told["paced_hops"] == 10
    assert told["percent_of_floor"] == pytest.approx(100 * told["floor_us"] / told["p50_us"], abs=0.01)


def test_the_algorithmic_delay_is_that_of_the_model_and_no_measurement(loaded: LoadedModel) -> None:
    delays = Pipeline(loaded).delays()
    assert row(loaded)["algorithmic_delay_ms"] == round(sum(d.wait_ms + d.group_delay_ms for d in delays), 4)


def test_the_error_is_that_of_the_rates_whatever_was_heard_before(loaded: LoadedModel) -> None:
    sound = scene_hops(loaded, 40)
    host = HostStep(loaded)
    clean = step_errors(host, loaded, sound)
    host.step(np.full(80, 0.5, dtype=np.float32))
    assert step_errors(host, loaded, sound) == clean
    assert clean["max_error_eager"] == 0  # it is the eager step itself
    assert 0 < clean["max_error"] < 1e-5


def test_an_error_in_one_rate_is_found(loaded: LoadedModel) -> None:
    host = HostStep(loaded)
    right = host.step
    peak = max(float(np.abs(right(hop)).max()) for hop in scene_hops(loaded, 40))
    host.step = lambda hop: right(hop) + np.float32([0, 0, 0.01 * peak, 0])
    assert step_errors(host, loaded, scene_hops(loaded, 40)) == {
        "max_error": pytest.approx(0.01, rel=1e-3),
        "max_error_eager": pytest.approx(0.01, rel=1e-3),
    }


def test_an_error_in_a_whole_sound_is_relative_to_the_peak_of_all_of_it(loaded: LoadedModel) -> None:
    truth = WholeReference(loaded, torch.from_numpy(scene_hops(loaded, 40)).reshape(1, 1, -1))
    wrong = truth.single_hz.copy()
    wrong[2, 30] += 0.02 * truth.peak_hz
    assert truth.errors(wrong)["max_error_eager"] == pytest.approx(0.02, rel=1e-3)
    quiet = np.array([0, 1, 30])
    assert truth.at(quiet).errors(wrong[:, quiet])["max_error_eager"] == pytest.approx(0.02, rel=1e-3)
    assert truth.at(quiet[:2]).errors(wrong[:, :2])["max_error_eager"] == 0


def test_one_lane_is_heard_exactly_as_the_engine_hears_it(loaded: LoadedModel) -> None:
    sound, pipeline, host = scene_hops(loaded, 30), Pipeline(loaded), HostStep(loaded)
    for hop in sound:
        assert np.array_equal(host.step(hop), pipeline.hear(hop).rates_hz)


def test_only_matrices_count_as_weights_of_a_product() -> None:
    mel = MelSpectrogram(16000, 5.0, n_mels=8, f_max_hz=8000.0)
    matrix = next(b for b in mel.buffers() if b.ndim == 2)
    assert weight_bytes(Chain({"mel": mel})) == 4 * matrix.numel()


@pytest.mark.parametrize("lanes", [1, 4])
def test_a_floor_is_positive_and_says_how_fast_it_read(lanes: int) -> None:
    floor = product_floor(40_000, lanes, "cpu")
    assert floor["floor_us"] > 0
    assert floor["floor_gb_per_s"] > 0


def test_the_jitter_of_the_machine_is_told_for_a_loop_and_for_a_sleeper() -> None:
    floor = jitter_floor(0.01, 0.01, 1_000_000)
    names = ("p50_us", "p99_us", "p99_9_us", "max_us")
    assert floor.keys() == {f"{kind}_floor_{name}" for kind in ("jitter", "wake") for name in names}
    assert all(value >= 0 for value in floor.values())


def test_the_full_mode_times_a_million_hops_however_long_they_take_and_the_quick_one_a_second_of_them() -> None:
    assert [FULL.hops_of(each_ns) for each_ns in (2e4, 2e6)] == [1_000_000, 1_000_000]
    assert [QUICK.hops_of(each_ns) for each_ns in (2e4, 1e5)] == [20_000, 10_000]
