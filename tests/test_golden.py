"""Every case of deepSTRF's golden vectors that the zoo can build, stepped in random chunks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rtstrf.verify.measure import cut, stepped
from tests.support.golden import FOLDER, Case, build_case, cases

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the golden vectors (shared/golden) are not here")

CASES = cases()
WANTED = {
    "mel44_adaptrans_statenet_gru", "mel44_statenet_gru",
    "statenet_gru_conv", "statenet_gru_fc", "statenet_gru_lc", "statenet_gru_lc_adaptrans",
    "statenet_lmu_conv_adaptrans", "statenet_lmu_lc", "statenet_lstm_conv_adaptrans", "statenet_lstm_lc",
    "statenet_mamba_fc_adaptrans", "statenet_mamba_lc", "statenet_rnn_lc", "statenet_s4_fc_lkernel100",
    "statenet_s4_lc", "statenet_vanilla_fc",
    "pre_adaptrans_K2", "pre_adaptrans_K8", "pre_adaptrans_dt1_frozen", "pre_adaptrans_dt5",
    "w2s_mel_16k_power_cubic", "w2s_mel_16k_power_logoffset_slaney", "w2s_mel_22k_log1p_win_eq_hop",
    "w2s_mel_32k_none", "w2s_mel_44k_default", "w2s_mel_48k_default",
}  # fmt: skip

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def heard(case: Case, scratch: Path, dtype: torch.dtype) -> np.ndarray:
    """Return our output of a case, in chunks of 1 to 40 frames."""
    module = build_case(case, scratch).to(dtype)
    x = case.input().to(dtype)
    rng = np.random.default_rng(0)
    frames = x.shape[-1] // module.samples_per_frame
    return stepped(module, x, cut(frames, lambda _: int(rng.integers(1, 41)))).numpy()


def test_no_case_that_can_be_built_today_is_passed_over() -> None:
    assert {case.name for case in CASES} >= WANTED


@each_case
def test_in_float64_it_is_deepstrfs_output(case: Case, tmp_path: Path) -> None:
    expected = case.output()
    y = heard(case, tmp_path, torch.float64)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= 1e-8 * max(1.0, np.abs(expected).max())


@each_case
def test_in_float32_it_is_about_as_close_as_deepstrf_itself(case: Case, tmp_path: Path) -> None:
    expected = case.output()
    y = heard(case, tmp_path, torch.float32)
    assert np.abs(y - expected).max() <= 4 * case.float32_error + 1e-6 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.name.startswith("w2s_mel") and "default" in c.name], ids=lambda case: case.name
)
def test_in_float32_a_log_spectrogram_is_close_before_the_log_too(case: Case, tmp_path: Path) -> None:
    expected, y = np.exp(case.output()), np.exp(heard(case, tmp_path, torch.float32))
    assert np.abs(y - expected).max() <= 2e-6 * max(1.0, expected.max())
