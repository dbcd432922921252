"""Gammatone filters as cascades of four second-order sections, and what a cascade does to a whole bin at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rtstrf.spectrogram import erb

SECTIONS = 4
STATES = 2 * SECTIONS


@dataclass(frozen=True, slots=True)
class ErbFilters:
    """Coefficients of F filters: each is four sections with one denominator, then a gain to divide by.

    Attributes
    ----------
    denominator : ndarray, shape (F, 3)
    numerators : ndarray, shape (4, F, 3)
    gain : ndarray, shape (F,)
        That of the cascade at its centre frequency.
    """

    denominator: np.ndarray
    numerators: np.ndarray
    gain: np.ndarray


def design(centre_hz: np.ndarray, rate_hz: float) -> ErbFilters:
    """Return fourth-order gammatones at the centre frequencies, shape (F,), of gain 1 there.

    Slaney 1993, "An efficient implementation of the Patterson-Holdsworth auditory filter bank", Apple TR 35: the poles
    of a damped tone of 1.019 bandwidths, four times, with a real zero each.
    """
    period_s = 1 / rate_hz
    damping = np.exp(-2 * np.pi * 1.019 * erb.bandwidth_hz(centre_hz) * period_s)
    angle = 2 * np.pi * centre_hz * period_s
    zeros = [sign * np.sqrt(3 + way * 2**1.5) for way in (1, -1) for sign in (1, -1)]
    one = np.ones_like(damping)
    denominator = np.stack([one, -2 * np.cos(angle) * damping, damping**2], axis=-1)
    numerators = np.stack(
        [
            np.stack([one, -damping * (np.cos(angle) + zero * np.sin(angle)), 0 * one], axis=-1) * period_s
            for zero in zeros
        ]
    )
    delays = np.exp(-1j * angle[:, None] * np.arange(3))  # (F, 3): what each coefficient's delay is at the centre
    response = (numerators * delays).sum(-1) / (denominator * delays).sum(-1)  # (4, F)
    return ErbFilters(denominator, numerators, np.abs(response.prod(axis=0)))


@dataclass(frozen=True, slots=True)
class BinOperators:
    """What a cascade does in one bin of `hop` samples, of which the first `window` are heard.

    With s (F, 8) the state at the start of the bin and x its samples: the output is
    y_n = (observe s)_n + the sum over j <= n of impulse_{n-j} x_j, and the state after the bin is
    carry s + the sum over j of drive_j x_j.

    Attributes
    ----------
    observe : Tensor, shape (F, window, 8), float64
    impulse : Tensor, shape (F, window), float64
    carry : Tensor, shape (F, 8, 8), float64
    drive : Tensor, shape (F, 8, hop), float64
    """

    observe: Tensor
    impulse: Tensor
    carry: Tensor
    drive: Tensor


def one_sample(denominator: Tensor, numerators: Tensor, gain: Tensor) -> Callable[[Tensor, Tensor], tuple[Tensor, ...]]:
    """Return the cascade as a function of a sample (F,) and a state (F, 8), to an output (F,) and the next state.

    Each section holds two numbers (transposed direct form II); the gain is divided out before the first, so that the
    state is of the size of the output.
    """
    leading = denominator[:, :1]
    denominator, numerators = denominator / leading, numerators / leading

    def advance(x: Tensor, state: Tensor) -> tuple[Tensor, ...]:
        x = x / gain
        after = []
        for section in range(SECTIONS):
            first, second = state[:, 2 * section], state[:, 2 * section + 1]
            b0, b1, b2 = numerators[section].unbind(-1)
            y = b0 * x + first
            after += [b1 * x - denominator[:, 1] * y + second, b2 * x - denominator[:, 2] * y]
            x = y
        return x, torch.stack(after, dim=-1)

    return advance


def bin_operators(denominator: Tensor, numerators: Tensor, gain: Tensor, hop: int, window: int) -> BinOperators:
    """Return what the cascade does in one bin.

    Parameters
    ----------
    denominator : Tensor, shape (F, 3), float64
    numerators : Tensor, shape (4, F, 3), float64
    gain : Tensor, shape (F,), float64
    hop, window : int
        Samples of the bin, and those of its beginning that are heard.
    """
    bands = len(gain)
    advance = one_sample(denominator, numerators, gain)
    silence, at_rest = torch.zeros_like(gain), gain.new_zeros(bands, STATES)
    # The cascade is linear, so what it does to one unit of each state, and to one sample, is all that it does.
    units = torch.eye(STATES, dtype=gain.dtype, device=gain.device)
    answers = [advance(silence, unit.expand(bands, STATES)) for unit in units]
    output = torch.stack([y for y, _ in answers], dim=-1)  # (F, 8)
    step = torch.stack([after for _, after in answers], dim=-1)  # (F, 8, 8)
    direct, into = advance(torch.ones_like(gain), at_rest)  # (F,), (F, 8)

    columns = into.unsqueeze(-1)  # step^n into, n = 0 ..., (F, 8, n), by doubling
    rows = output.unsqueeze(1)  # output step^n, (F, n, 8)
    power = step
    while columns.shape[-1] < hop or rows.shape[1] < window:
        columns = torch.cat([columns, power @ columns], dim=-1)
        rows = torch.cat([rows, rows @ power], dim=1)
        power = power @ power
    after_impulse = (output.unsqueeze(1) @ columns[..., : window - 1]).squeeze(1)  # (F, window - 1)
    return BinOperators(
        observe=rows[:, :window].contiguous(),
        impulse=torch.cat([direct.unsqueeze(-1), after_impulse], dim=-1),
        carry=torch.linalg.matrix_power(step, hop),
        drive=columns[..., :hop].flip(-1).contiguous(),  # the first sample has had the longest to go
    )
