"""One golden case, run: what is compared, and every way in which a case cannot be run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rtstrf.errors import CheckpointError, DataError, UserError
from rtstrf.verify.golden import Case, heard, run_case, save_outputs
from rtstrf.verify.measure import whole
from tests.support.golden_case import FRAMES, HOP, UNITS, edit_data, write_case
from tests.support.stages import build, sound


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return write_case(tmp_path / "case")


def test_the_stepped_outputs_are_compared_with_the_stored_one(case: Path) -> None:
    result, outputs = run_case(case)
    assert result["passed"] is True
    stored = Case.read(case).output()
    assert stored is not None
    for words, dtype in (("float32", np.float32), ("float64", np.float64)):
        assert outputs[words].dtype == dtype
        assert outputs[words].shape == (1, UNITS, 1, FRAMES)
        assert result[words]["max_abs_error"] == float(np.abs(outputs[words].astype(np.float64) - stored).max())
        assert 0 <= result[words]["max_abs_error"] <= result[words]["tolerance"]
    assert result["float64"]["tolerance"] == 1e-8 * max(1.0, np.abs(stored).max())
    json.dumps(result, allow_nan=False)


@pytest.mark.parametrize(("off", "float32", "float64"), [(1e-7, True, False), (1e-3, False, False)])
def test_an_output_that_is_off_is_over_the_tolerance(case: Path, off: float, float32: bool, float64: bool) -> None:
    stored = Case.read(case).output()
    assert stored is not None
    stored[0, 1, 0, 17] += off
    edit_data(case, output_f64=stored)
    result, _ = run_case(case)
    assert (result["float32"]["passed"], result["float64"]["passed"]) == (float32, float64)
    assert result["passed"] is False


def test_a_stored_nan_is_an_error_that_json_can_tell(case: Path) -> None:
    stored = Case.read(case).output()
    assert stored is not None
    stored[0, 0, 0, 3] = np.nan
    edit_data(case, output_f64=stored)
    result, _ = run_case(case)
    assert result["float64"]["max_abs_error"] is None
    assert result["passed"] is False
    json.dumps(result, allow_nan=False)


def test_without_a_stored_output_there_is_ours_and_no_verdict(case: Path) -> None:
    edit_data(case, output_f64=None)
    result, outputs = run_case(case)
    assert result["float32"] == result["float64"] == {"max_abs_error": None, "tolerance": None, "passed": None}
    assert result["passed"] is True
    assert outputs["float64"].shape == (1, UNITS, 1, FRAMES)


def test_without_deepstrf_s_own_error_only_float64_is_judged(tmp_path: Path) -> None:
    result, _ = run_case(write_case(tmp_path / "case", f32_vs_f64=None))
    assert result["float32"]["passed"] is None
    assert result["float32"]["max_abs_error"] > 0
    assert result["float64"]["passed"] is True


def test_the_seed_cuts_the_stream_otherwise(case: Path) -> None:
    first, again, other = (run_case(case, seed=seed)[1]["float32"] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() <= 1e-5


@pytest.mark.parametrize("frames", [1, 2, 41, 150])
def test_a_stream_saved_and_restored_half_way_is_the_whole(frames: int) -> None:
    from rtstrf.models.statenet import StateNet

    module = build(StateNet.examples()["gru-lc-sound"], torch.float64)
    x = sound(module, 1, frames, torch.float64)
    y = heard(module, x, torch.float64, np.random.default_rng(3))
    assert np.abs(y - whole(module, x).numpy()).max() <= 1e-10


def test_the_stream_does_go_on_in_another_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    from rtstrf.models.statenet import StateNet
    from rtstrf.runner import StepRunner

    restored: list[tuple[int, int]] = []
    restore = StepRunner.restore
    monkeypatch.setattr(
        StepRunner,
        "restore",
        lambda self, lane, saved: (restored.append((self.lanes, lane)), restore(self, lane, saved))[1],
    )
    module = build(StateNet.examples()["gru-lc-spectrogram"], torch.float64)
    heard(module, sound(module, 1, 90, torch.float64), torch.float64, np.random.default_rng(0))
    assert restored == [(3, 2)]


def broken(folder: Path, name: str) -> None:
    """Spoil a case in one of the ways a case can be spoiled."""
    case_file, data = folder / "case.json", folder / "data.npz"
    facts: dict[str, Any] = json.loads(case_file.read_text())
    if name == "no data":
        data.unlink()
    elif name == "cut data":
        data.write_bytes(data.read_bytes()[:100])
    elif name == "no input":
        edit_data(folder, wave_i16=None)
    elif name == "no kind":
        case_file.write_text("{}")
    elif name == "no json":
        case_file.write_text("{")
    elif name == "half a hop":
        edit_data(folder, wave_i16=np.zeros(HOP * 3 + 1, np.int16))
    elif name == "a spectrogram":
        edit_data(folder, spec=np.zeros((1, 1, 8, HOP), np.float32))
    elif name == "no weights":
        (folder / "ckpt" / "model.safetensors").unlink()
    elif name == "other weights":
        case_file.write_text(json.dumps({**facts, "prefiltering": None}))
    elif name == "unknown activation":
        case_file.write_text(json.dumps({**facts, "output_activation": {"class": "nn.Tanhshrink", "args": {}}}))
    elif name == "unknown front-end":
        case_file.write_text(json.dumps({**facts, "wav2spec": {"args": {**facts["wav2spec"]["args"], "kind": "ear"}}}))
    elif name == "other shape":
        case_file.write_text(json.dumps({**facts, "output_shape": [1, UNITS, 1, FRAMES + 1]}))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no data", "data.npz cannot be read"),
        ("cut data", "data.npz cannot be read"),
        ("no input", "holds no input"),
        ("no kind", "names no kind"),
        ("no json", "case.json cannot be read"),
        ("half a hop", "661 samples are no whole number of hops of 220"),
        ("a spectrogram", r"an input of shape \(1, 1, 8, 220\)"),
        ("no weights", "has no model.safetensors"),
        ("other weights", "leaves out prefiltering|unexpected prefiltering"),
        ("unknown activation", "'nn.Tanhshrink' is missing or unknown"),
        ("unknown front-end", "unknown front-end 'ear'"),
        ("other shape", "the case says"),
    ],
)
def test_a_case_that_cannot_be_run_says_why(case: Path, name: str, words: str) -> None:
    broken(case, name)
    with pytest.raises(UserError, match=words) as told:
        run_case(case)
    assert told.value.remedy


def test_a_stage_whose_weights_are_another_s_is_refused(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "case", kind="prefilter")
    with pytest.raises(CheckpointError, match="does not hold the weights"):
        run_case(folder)


def test_outputs_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    outputs = {"float32": np.arange(3, dtype=np.float32), "float64": np.arange(3.0)}
    save_outputs(tmp_path / "y.npz", outputs)
    with np.load(tmp_path / "y.npz") as kept:
        assert {name: kept[name].tolist() for name in kept} == {"float32": [0, 1, 2], "float64": [0, 1, 2]}
    assert [path.name for path in tmp_path.iterdir()] == ["y.npz"]
    with pytest.raises(DataError, match="cannot be written"):
        save_outputs(tmp_path / "no" / "y.npz", outputs)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        save_outputs(tmp_path / "folder", outputs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "y.npz"]
