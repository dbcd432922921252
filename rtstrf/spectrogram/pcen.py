"""Per-channel energy normalisation: each band against its own slow average, then a root."""

from __future__ import annotations

import torch
from torch import Tensor

from rtstrf.prefilter.decay import decayed_sums


def smoothed(energy: Tensor, rate: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Return the slow average of every frame, M_t = (1 - s) M_{t-1} + s E_t.

    Parameters
    ----------
    energy : Tensor, shape (B, F, T)
    rate : Tensor, shape (F,), float64
        s of each band, in (0, 1).
    before : Tensor, shape (B, F), float64
        M of the frame before; it runs for hours, so it is kept in float64.

    Returns
    -------
    mean : Tensor, shape (B, F, T), dtype of `energy`
    last : Tensor, shape (B, F), float64
        M of the last frame.
    """
    terms = torch.cat([before.unsqueeze(-1), rate.unsqueeze(-1) * energy.double()], dim=-1)  # (B, F, T + 1)
    sums = decayed_sums(terms.unsqueeze(1), (1 - rate).unsqueeze(0)).squeeze(1)
    return sums[..., 1:].to(energy.dtype), sums[..., -1].clone()


def normalised(
    energy: Tensor, mean: Tensor, alpha: Tensor | float, delta: Tensor | float, root: Tensor | float, eps: float
) -> Tensor:
    """Return (E / (eps + M)^alpha + delta)^root - delta^root; the parameters are numbers, or of shape (F, 1).

    Source: Wang et al. 2017, doi 10.1109/ICASSP.2017.7953242.
    """
    return (energy / (eps + mean).pow(alpha) + delta).pow(root) - delta**root
