"""First-order linear recurrences whose decay changes from frame to frame, for many frames at once and exactly."""

from __future__ import annotations

import torch
from torch import Tensor

# Frames worth scanning together: 6 passes over memory that fits a processor's cache, instead of one pass a frame.
CHUNK_FRAMES = 64


def linear_scan(decay: Tensor, terms: Tensor, initial: Tensor) -> Tensor:
    """Return every h_t = decay_t h_{t-1} + terms_t, elementwise, from h_{-1} = initial.

    Parameters
    ----------
    decay, terms : Tensor, shape (B, T, ...)
        All frames are in memory several times over; cut long streams into `CHUNK_FRAMES`.
    initial : Tensor, shape (B, ...)

    Returns
    -------
    h : Tensor, shape (B, T, ...)

    Notes
    -----
    By doubling: after the pass of shift s, each frame holds the product of its last 2 s decays and what these frames
    add up to. Only multiplications and additions of a frame and an earlier one, so no frame sees a later one, not even
    through a NaN. Decays of magnitude at most 1 keep the rounding error from growing.

    Examples
    --------
    >>> half = torch.full((1, 4), 0.5)
    >>> linear_scan(half, torch.ones(1, 4), torch.zeros(1)).tolist()
    [[1.0, 1.5, 1.75, 1.875]]
    """
    shift, frames = 1, terms.shape[1]
    while shift < frames:
        later = decay[:, shift:]
        terms = torch.cat([terms[:, :shift], terms[:, shift:] + later * terms[:, :-shift]], dim=1)
        decay = torch.cat([decay[:, :shift], later * decay[:, :-shift]], dim=1)
        shift *= 2
    return terms + decay * initial.unsqueeze(1)  # (B, T, ...)
