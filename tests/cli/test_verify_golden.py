"""`rtstrf verify` of a golden case, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.command import Command, assert_refused
from tests.support.golden_case import FRAMES, UNITS, edit_data, write_case


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return write_case(tmp_path / "case")


@pytest.fixture
def rtstrf(capsys: pytest.CaptureFixture[str]) -> object:
    threads = torch.get_num_threads()
    yield Command(capsys)
    torch.set_num_threads(threads)


def spoil(case: Path) -> None:
    with np.load(case / "data.npz") as data:
        edit_data(case, output_f64=data["output_f64"] + 1e-3)


def test_json_tells_each_error_and_its_tolerance_and_the_outputs_are_written(
    rtstrf: Command, case: Path, tmp_path: Path
) -> None:
    outcome = rtstrf("verify", case, "--json", "--out", tmp_path / "y.npz")
    assert outcome.code == 0
    assert outcome.err == ""
    result = json.loads(outcome.out)
    assert result["case"] == "case"
    with np.load(tmp_path / "y.npz") as y, np.load(case / "data.npz") as data:
        for words in ("float32", "float64"):
            assert y[words].shape == (1, UNITS, 1, FRAMES)
            error = np.abs(y[words].astype(np.float64) - data["output_f64"]).max()
            assert result[words]["max_abs_error"] == error <= result[words]["tolerance"]


def test_a_person_gets_a_table(rtstrf: Command, case: Path) -> None:
    outcome = rtstrf("verify", case)
    assert outcome.code == 0
    for word in ("case, a model", "float32", "float64", "✓", "tolerance"):
        assert word in outcome.out
    assert "✗" not in outcome.out


def test_an_output_over_the_tolerance_is_exit_code_1_and_ours_is_written_all_the_same(
    rtstrf: Command, case: Path, tmp_path: Path
) -> None:
    spoil(case)
    assert rtstrf("verify", case, "--json", "--out", tmp_path / "y.npz").code == 1
    assert (tmp_path / "y.npz").is_file()
    outcome = rtstrf("verify", case)
    assert outcome.code == 1
    assert outcome.out.count("✗") == 2


def test_a_case_without_output_says_that_there_is_nothing_to_compare_with(rtstrf: Command, case: Path) -> None:
    edit_data(case, output_f64=None)
    outcome = rtstrf("verify", case)
    assert outcome.code == 0
    assert "stores no output to compare with" in outcome.out


def test_what_belongs_to_the_other_kind_of_verification_is_refused(rtstrf: Command, case: Path, tmp_path: Path) -> None:
    assert_refused(rtstrf("verify", case, "call.wav"), "a sound, call.wav, for the golden case")
    assert_refused(rtstrf("verify", "statenet-gru-ns1", "--out", tmp_path / "y.npz"), "only a golden case")
    assert_refused(rtstrf("verify", case, "--out", tmp_path / "no" / "y.npz"), "cannot be written")
