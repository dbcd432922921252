"""The recurrent cells against their equations, written out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from rtstrf.errors import ConfigError
from rtstrf.models.cells.lmu import LMU, legendre_delay
from rtstrf.models.cells.lstm import LSTM
from rtstrf.models.cells.mamba import Mamba
from rtstrf.models.cells.rnn import RNN
from rtstrf.models.cells.s4 import S4
from rtstrf.models.statenet import CELLS, StateNet
from rtstrf.stream import StreamModule
from tests.support import loops, loops_cells
from tests.support.stages import build

CASES: dict[str, tuple[Callable[[], StreamModule], Callable[..., np.ndarray]]] = {
    "lstm": (lambda: LSTM(3, 5), loops_cells.lstm),
    "rnn": (lambda: RNN(3, 5), loops_cells.rnn),
    "lmu": (lambda: LMU(3, 5), loops_cells.lmu),
    "lmu-short": (lambda: LMU(3, 5, memory=7, theta_frames=12.0), loops_cells.lmu),
    "mamba": (lambda: Mamba(3, 3), loops_cells.mamba),
    "mamba-two-ranks": (lambda: Mamba(18, 18), loops_cells.mamba),
    "s4": (lambda: S4(3, 3), loops_cells.s4),
    "s4-small": (lambda: S4(3, 3, states=6), loops_cells.s4),
}
FRAMES = 75  # two whole chunks of S4 and a rest, one of Mamba's and a rest
each_cell = pytest.mark.parametrize("name", CASES)


def weights(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {key: value.detach().double().numpy() for key, value in module.state_dict().items()}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@each_cell
@pytest.mark.parametrize("chunks", [[FRAMES], [1] * FRAMES, [1, 40, 34]], ids=["whole", "hop by hop", "chunks"])
def test_a_cell_is_its_equations(name: str, chunks: list[int]) -> None:
    make, equations = CASES[name]
    cell = build(make, torch.float64)
    x = normal(2, cell.input_shape(1, 1)[1], FRAMES)
    state, parts = cell.initial_state(2), []
    for piece in x.split(chunks, dim=-1):
        y, state = cell.step(piece, state)
        parts.append(y)
    y = torch.cat(parts, -1).detach().numpy()
    for stream in range(2):
        expected = equations(x[stream].T.numpy(), weights(cell))
        assert np.abs(y[stream].T - expected).max() <= 1e-9 * max(1.0, np.abs(expected).max())


@each_cell
def test_a_forward_changes_no_weight(name: str) -> None:
    cell = build(CASES[name][0], torch.float32)
    before = {key: value.clone() for key, value in cell.state_dict().items()}
    with torch.no_grad():
        cell(normal(1, cell.input_shape(1, 1)[1], 300).float())
    after = cell.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


@each_cell
def test_in_float32_the_error_does_not_grow_over_a_long_sound(name: str) -> None:
    double = build(CASES[name][0], torch.float64)
    single = build(CASES[name][0], torch.float32)
    x = normal(1, double.input_shape(1, 1)[1], 4000)
    with torch.inference_mode():
        error = (single(x.float()).double() - double(x)).abs().amax(dim=(0, 1))
        peak = double(x).abs().max().clamp_min(1.0)
    assert error[:1000].max() <= 1e-4 * peak
    assert error[-1000:].max() <= max(3 * error[:1000].max(), 1e-6 * peak)


@pytest.mark.parametrize("rnn_type", CELLS)
def test_every_cell_works_in_a_statenet(rnn_type: str) -> None:
    options = {"hidden_channels": 2, "kernel_size": 4, "stride": 2}
    model = build(lambda: StateNet(9, 3, rnn_type=rnn_type, **options), torch.float64)  # type: ignore[arg-type]
    equations = {"GRU": loops.gru, "RNN": loops_cells.rnn, "vanilla": loops_cells.rnn, "LSTM": loops_cells.lstm}
    equations |= {"LMU": loops_cells.lmu, "Mamba": loops_cells.mamba, "S4": loops_cells.s4}
    x = normal(1, 1, 9, 20)
    p = weights(model)
    inputs = np.array([loops.encode(x[0, :, :, t].numpy(), p, "LC", 4, 2) for t in range(20)])
    of = lambda prefix: {k.removeprefix(prefix): v for k, v in p.items() if k.startswith(prefix)}  # noqa: E731
    expected = loops.readout(equations[rnn_type](inputs, of("rnn.")), of("readout."))
    assert np.abs(model(x)[0].detach().numpy() - expected).max() <= 1e-9


def test_the_memory_of_an_lmu_is_the_held_legendre_delay() -> None:
    a, b = legendre_delay(12, 20.0)
    expected_a, expected_b = loops_cells.legendre(12, 20.0)
    assert np.abs(a.numpy() - expected_a).max() <= 1e-12
    assert np.abs(b.numpy() - expected_b).max() <= 1e-12


def test_the_memory_of_an_lmu_gives_the_signal_back_late() -> None:
    a, b = (m.numpy() for m in legendre_delay(20, 40.0))
    signal = np.sin(np.arange(200) / 12)
    m = np.zeros(20)
    for u in signal:
        m = a @ m + b[:, 0] * u
    # Shifted Legendre polynomials are 1 at the far end of the window, so the sum is the signal as it was there:
    # 40 frames before the end of the last, on the border of two frames.
    assert m.sum() == pytest.approx(signal[-41:-39].mean(), abs=2e-3)
    assert np.sum(m * (-1.0) ** np.arange(20)) == pytest.approx(signal[-1], abs=0.05)


@pytest.mark.parametrize(("memory", "theta"), [(0, 99.0), (4, 0.0), (4, -1.0)])
def test_an_empty_memory_is_refused(memory: int, theta: float) -> None:
    with pytest.raises(ConfigError, match="Legendre memory"):
        LMU(3, 5, memory=memory, theta_frames=theta)


@pytest.mark.parametrize(("hidden", "states"), [(4, 64), (3, 5), (3, 0)])
def test_an_s4_that_cannot_be_is_refused(hidden: int, states: int) -> None:
    with pytest.raises(ConfigError):
        S4(3, hidden, states=states)


@pytest.mark.parametrize("frames", [1, 16, 100])
def test_a_c_that_deepstrf_cut_for_a_clip_is_restored_from_its_length(frames: int) -> None:
    plain = build(lambda: S4(3, 3, states=16), torch.float64)
    cut = build(lambda: S4(3, 3, states=16), torch.float64)
    weights_cut = plain.state_dict()
    c = weights_cut["layer.kernel.C"].clone()
    for channel, (da, _, own) in enumerate(loops_cells.s4_systems(weights(plain))):
        kept = (own @ (np.eye(16) - np.linalg.matrix_power(da, frames)))[:8]
        c[0, channel] = torch.from_numpy(np.stack([kept.real, kept.imag], -1))
    weights_cut["layer.kernel.C"] = c
    weights_cut["layer.kernel.l_kernel"] = torch.tensor(frames)
    cut.load_state_dict(weights_cut)
    x = normal(1, 3, 90)
    assert (cut(x) - plain(x)).abs().max() <= 1e-10
    assert torch.equal(cut.state_dict()["layer.kernel.C"], c)  # a folder written again says the same


def test_a_fresh_s4_remembers_by_legendre_polynomials() -> None:
    a = weights(S4(1, 1, states=8))
    half = -np.exp(a["layer.kernel.A_real"][0]) - 1j * a["layer.kernel.A_imag"][0]
    low = a["layer.kernel.P"][0, 0, :, 0] + 1j * a["layer.kernel.P"][0, 0, :, 1]
    diagonal, low = np.concatenate([half, half.conj()]), np.concatenate([low, low.conj()])
    dense = np.diag(diagonal) - np.outer(low, low.conj())
    # HiPPO-LegS is lower triangular with -1, ..., -N on its diagonal, which are its eigenvalues in any basis.
    assert np.sort(np.linalg.eigvals(dense).real) == pytest.approx(-np.arange(8.0, 0.0, -1.0), abs=0.02)


def test_a_fresh_mamba_starts_with_the_time_steps_of_the_paper() -> None:
    torch.manual_seed(0)
    steps = torch.nn.functional.softplus(Mamba(64, 64).dt_proj.bias)
    assert steps.min() >= 1e-3 * (1 - 1e-4)
    assert steps.max() <= 1e-1 * (1 + 1e-4)
    assert steps.min() < 2e-3
    assert steps.max() > 5e-2
