"""Every case of deepSTRF's golden vectors that the zoo can build, stepped in random chunks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rtstrf.verify.golden import Case, heard
from tests.support.golden import FOLDER, cases

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the golden vectors (shared/golden) are not here")

CASES = cases()
WANTED = {
    "icnet_small_16k",
    "mel44_adaptrans_statenet_gru", "mel44_statenet_gru", "mel44_transformer_w50",
    "statenet_gru_conv", "statenet_gru_fc", "statenet_gru_lc", "statenet_gru_lc_adaptrans",
    "statenet_lmu_conv_adaptrans", "statenet_lmu_lc", "statenet_lstm_conv_adaptrans", "statenet_lstm_lc",
    "statenet_mamba_fc_adaptrans", "statenet_mamba_lc", "statenet_rnn_lc", "statenet_s4_fc_lkernel100",
    "statenet_s4_lc", "statenet_vanilla_fc",
    "pre_adaptrans_K2", "pre_adaptrans_K8", "pre_adaptrans_dt1_frozen", "pre_adaptrans_dt5",
    "transformer_1l_fullctx", "transformer_1l_w50", "transformer_2l_w20_adaptrans", "transformer_2l_w50_h4_patch17_kt3",
    "w2s_mel_16k_power_cubic", "w2s_mel_16k_power_logoffset_slaney", "w2s_mel_22k_log1p_win_eq_hop",
    "w2s_mel_32k_none", "w2s_mel_44k_default", "w2s_mel_48k_default",
}  # fmt: skip

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def ours(case: Case, dtype: torch.dtype, expected: np.ndarray) -> np.ndarray:
    """Return our output of a case, in the shape of deepSTRF's."""
    return heard(case.build(), case.input(), dtype, np.random.default_rng(0)).reshape(expected.shape)


def test_no_case_that_can_be_built_today_is_passed_over() -> None:
    assert {case.name for case in CASES} >= WANTED


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
