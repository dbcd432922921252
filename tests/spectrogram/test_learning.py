"""What is said to learn does: a front-end or a prefilter finds its way towards another's output."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rtstrf.prefilter.make import make_prefiltering
from rtstrf.spectrogram.make import FRONT_ENDS, make_wav2spec
from rtstrf.stream import StreamModule

RATE_HZ, BIN_MS, BANDS = 4000, 5.0, 3
LEARNING: dict[str, Callable[[], StreamModule]] = {
    "leaf": lambda: make_wav2spec("leaf", rate_hz=RATE_HZ, bin_ms=BIN_MS, n_filters=BANDS),
    "sincnet": lambda: make_wav2spec("sincnet", rate_hz=RATE_HZ, bin_ms=BIN_MS, n_filters=BANDS, kernel_size=51),
    "sincnet with envelope": lambda: make_wav2spec(
        "sincnet", rate_hz=RATE_HZ, bin_ms=BIN_MS, n_filters=BANDS, kernel_size=31, envelope=True
    ),
    "adaptrans": lambda: make_prefiltering("adaptrans", bands=BANDS, dt_ms=BIN_MS),
}


def error(student: StreamModule, teacher: StreamModule, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        wanted = teacher(x)
    return (student(x) - wanted).square().mean()


@pytest.mark.parametrize("name", LEARNING)
def test_what_learns_comes_nearer_to_another_of_its_kind(name: str) -> None:
    torch.manual_seed(0)
    student, teacher = LEARNING[name](), LEARNING[name]()
    with torch.no_grad():
        for weight in teacher.parameters():
            weight.mul_(1 + 0.1 * torch.randn_like(weight))
    x = torch.randn(student.input_shape(2, 120)).abs() if name == "adaptrans" else torch.randn(2, 1, 120 * 20)
    # Hertz and sigmoids' arguments: each weight has a size of its own.
    groups = [{"params": [weight], "lr": 3e-3 * float(weight.detach().abs().mean())} for weight in student.parameters()]
    optimiser = torch.optim.Adam(groups, eps=1e-20)
    begin = {key: weight.detach().clone() for key, weight in student.named_parameters()}
    first = error(student, teacher, x).item()
    for _ in range(60):
        optimiser.zero_grad()
        error(student, teacher, x).backward()
        optimiser.step()
    assert error(student, teacher, x).item() < 0.5 * first
    assert all((weight != begin[key]).all() for key, weight in student.named_parameters())


def test_the_others_have_nothing_to_learn() -> None:
    fixed = [make_wav2spec(kind, rate_hz=16000, bin_ms=5.0) for kind in FRONT_ENDS if kind not in ("leaf", "sincnet")]
    fixed.append(make_prefiltering("icadaptation", bands=BANDS, dt_ms=BIN_MS))
    fixed.append(make_prefiltering("adaptrans", bands=BANDS, dt_ms=BIN_MS, learnable=False))
    assert not [name for stage in fixed for name, weight in stage.named_parameters() if weight.requires_grad]
