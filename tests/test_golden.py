"""Every case of deepSTRF's golden vectors stepped in random chunks, with a save and a restore half way.

The committed cases are small and always run; the large ones beside the repository are skipped by name where absent.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
import torch

from rtstrf.checkpoints import deepstrf
from rtstrf.checkpoints.build import MODEL_CLASSES
from rtstrf.checkpoints.filters import contradiction, fixed_filters
from rtstrf.checkpoints.load import WEIGHTS_NAME, read_weights
from rtstrf.models.encoders import CONNECTIVITIES
from rtstrf.models.kernels import KERNELS
from rtstrf.models.statenet import CELLS
from rtstrf.prefilter.make import PREFILTERS
from rtstrf.spectrogram.make import FRONT_ENDS, make_wav2spec
from rtstrf.verify.golden import Case, heard, run_case
from tests.support.golden import COMMITTED, FOLDER, cases

COMMITTED_CASES = cases(COMMITTED)
CASES = cases()
each_committed_case = pytest.mark.parametrize("case", COMMITTED_CASES, ids=lambda case: case.name)
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
where_shared = pytest.mark.skipif(not FOLDER.is_dir(), reason="the golden vectors (shared/golden) are not here")


def used(part: str, word: str) -> set[Any]:
    """Return the values of an argument of a part among the committed cases."""
    facts = [case.facts[part] for case in COMMITTED_CASES if case.facts.get(part)]
    return {{**fact["args"], **fact}[word] for fact in facts if word in {**fact["args"], **fact}}


def test_the_committed_cases_cover_the_zoo() -> None:
    models = [case.facts for case in COMMITTED_CASES if case.facts["kind"] == "model"]
    networks = [facts["init_kwargs"] for facts in models if facts["model_class"] == "StateNet"]
    assert {facts["model_class"] for facts in models} == set(MODEL_CLASSES)
    assert {given.get("rnn_type", "GRU") for given in networks} == set(CELLS) - {"vanilla"}  # another name of RNN
    assert {given.get("connectivity", "LC") for given in networks} == set(CONNECTIVITIES)
    for kind in ("model", "wav2spec"):
        ears = [
            case.facts["wav2spec"] for case in COMMITTED_CASES if case.facts["kind"] == kind if "wav2spec" in case.facts
        ]
        assert {ear["args"]["kind"] for ear in ears} == set(FRONT_ENDS)
    assert used("prefiltering", "kind") == set(PREFILTERS)
    assert {deepstrf.KERNEL_KINDS[name] for name in used("kernel", "class")} == set(KERNELS)
    activations = {deepstrf.ACTIVATION_KINDS[name] for name in used("output_activation", "class")}
    assert activations >= {"parametric_sigmoid", "parametric_double_exponential"}  # softplus is a default


@each_committed_case
def test_a_committed_case_is_deepstrfs_output(case: Case) -> None:
    result, _ = run_case(case.folder, seed=zlib.crc32(case.name.encode()))
    assert result["float32"]["passed"] is True, result
    assert result["float64"]["passed"] is True, result


@pytest.mark.parametrize(
    "case", [c for c in COMMITTED_CASES if c.facts["kind"] == "wav2spec"], ids=lambda case: case.name
)
def test_the_filters_that_the_options_lead_to_are_those_of_deepstrf(case: Case) -> None:
    slot = deepstrf.front_end_slot(case.facts["wav2spec"]["args"])
    told = fixed_filters(make_wav2spec(slot.kind, **slot.options))
    weights, _ = read_weights(case.folder / "ckpt" / WEIGHTS_NAME)
    assert contradiction(told, {f"wav2spec.{key}": tensor for key, tensor in weights.items()}) is None


@each_committed_case
def test_a_committed_case_would_show_another_weight(case: Case) -> None:
    module, expected, tolerance = case.build(), case.output(), case.tolerance("float64")
    assert expected is not None
    assert tolerance is not None
    learnt = [tensor for tensor in module.state_dict().values() if tensor.is_floating_point()]
    with torch.no_grad():
        max(learnt, key=torch.numel).mul_(1.001)
    y = heard(module, case.input(), torch.float64, np.random.default_rng(0)).reshape(expected.shape)
    assert np.abs(y - expected).max() > 100 * tolerance


def ours(case: Case, dtype: torch.dtype, expected: np.ndarray) -> np.ndarray:
    """Return our output of a case, in the shape of deepSTRF's."""
    return heard(case.build(), case.input(), dtype, np.random.default_rng(0)).reshape(expected.shape)


@where_shared
def test_the_cases_cover_the_zoo() -> None:
    models = {case.facts["model_class"] for case in CASES if case.facts["kind"] == "model"}
    front_ends = {case.facts["wav2spec"]["args"]["kind"] for case in CASES if case.facts["kind"] == "wav2spec"}
    assert models == set(MODEL_CLASSES)
    assert front_ends == set(FRONT_ENDS)


@where_shared
@each_case
def test_in_float64_it_is_deepstrfs_output(case: Case) -> None:
    expected = case.output()
    assert expected is not None
    y = ours(case, torch.float64, expected)
    assert np.abs(y - expected).max() <= 1e-8 * max(1.0, np.abs(expected).max())


@where_shared
@each_case
def test_in_float32_it_is_about_as_close_as_deepstrf_itself(case: Case) -> None:
    expected, own_error = case.output(), case.float32_error
    assert expected is not None
    assert own_error is not None
    y = ours(case, torch.float32, expected)
    assert np.abs(y - expected).max() <= 4 * own_error + 1e-6 * max(1.0, np.abs(expected).max())


@where_shared
@pytest.mark.parametrize(
    "case", [c for c in CASES if c.name.startswith("w2s_mel") and "default" in c.name], ids=lambda case: case.name
)
def test_in_float32_a_log_spectrogram_is_close_before_the_log_too(case: Case) -> None:
    output = case.output()
    assert output is not None
    expected, y = np.exp(output), np.exp(ours(case, torch.float32, output))
    assert np.abs(y - expected).max() <= 2e-6 * max(1.0, expected.max())
