"""Reading a source to its end, in blocks of chosen lengths."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, repeat

import numpy as np

from rtstrf.sound.source import Block, Source


def read_blocks(source: Source, lengths: Iterable[int], then: int = 1000) -> list[Block]:
    """Open a source, read blocks of these lengths and then of `then` samples to its end, and close it."""
    blocks = []
    with source:
        for length in chain(lengths, repeat(then)):
            block = source.read(length)
            if block is None:
                break
            blocks.append(block)
    return blocks


def read_all(source: Source, lengths: Iterable[int] = (), then: int = 1000) -> np.ndarray:
    """Return all samples of a source, shape (n,)."""
    return np.concatenate([block.samples for block in read_blocks(source, lengths, then)])


def read_exactly(source: Source, count: int, lengths: Iterable[int] = ()) -> np.ndarray:
    """Return the first `count` samples of a source that is open, read in blocks of these lengths first."""
    parts: list[np.ndarray] = []
    missing = count
    for length in chain(lengths, repeat(997)):
        if missing == 0:
            break
        block = source.read(min(length, missing))
        assert block is not None
        parts.append(block.samples)
        missing -= len(block.samples)
    return np.concatenate(parts)
