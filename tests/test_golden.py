"""Every case of deepSTRF's golden vectors stepped in random chunks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rtstrf.checkpoints.build import MODEL_CLASSES
from rtstrf.spectrogram.make import FRONT_ENDS
from rtstrf.verify.golden import Case, heard
from tests.support.golden import FOLDER, cases

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the golden vectors (shared/golden) are not here")

CASES = cases()
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def ours(case: Case, dtype: torch.dtype, expected: np.ndarray) -> np.ndarray:
    """Return our output of a case, in the shape of deepSTRF's."""
    return heard(case.build(), case.input(), dtype, np.random.default_rng(0)).reshape(expected.shape)


def test_the_cases_cover_the_zoo() -> None:
    models = {case.facts["model_class"] for case in CASES if case.facts["kind"] == "model"}
    front_ends = {case.facts["wav2spec"]["args"]["kind"] for case in CASES if case.facts["kind"] == "wav2spec"}
    assert models == set(MODEL_CLASSES)
    assert front_ends == set(FRONT_ENDS)


@each_case
def test_in_float64_it_is_deepstrfs_output(case: Case) -> None:
    expected = case.output()
    assert expected is not None
    y = ours(case, torch.float64, expected)
    assert np.abs(y - expected).max() <= 1e-8 * max(1.0, np.abs(expected).max())


@each_case
def test_in_float32_it_is_about_as_close_as_deepstrf_itself(case: Case) -> None:
    expected, own_error = case.output(), case.float32_error
    assert expected is not None
    assert own_error is not None
    y = ours(case, torch.float32, expected)
    assert np.abs(y - expected).max() <= 4 * own_error + 1e-6 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.name.startswith("w2s_mel") and "default" in c.name], ids=lambda case: case.name
)
def test_in_float32_a_log_spectrogram_is_close_before_the_log_too(case: Case) -> None:
    output = case.output()
    assert output is not None
    expected, y = np.exp(output), np.exp(ours(case, torch.float32, output))
    assert np.abs(y - expected).max() <= 2e-6 * max(1.0, expected.max())
