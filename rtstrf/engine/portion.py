"""What goes into one step of a stream."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rtstrf.engine.ledger import Hop


class Portion(NamedTuple):
    """Hops that go into one step, and what is to be told of them.

    Attributes
    ----------
    hops : list of Hop
        One or more, one after another.
    sound_pa : ndarray, shape (k, hop_samples), float32
        As the model is to hear it.
    gap : int
        Bins missing before the first.
    flags : int
        `rtstrf.wire.message.Flags`, added up.
    """

    hops: list[Hop]
    sound_pa: np.ndarray
    gap: int
    flags: int
