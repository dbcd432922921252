"""How a driver would cut the sound: blocks of one size, or of sizes drawn at random."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal

import numpy as np

from rtstrf.errors import ConfigError

LARGEST_RANDOM_SAMPLES = 4096

BlockSize = int | Literal["random"]


def parse_block(text: str) -> BlockSize:
    """Return the size of the blocks from the command line's words: a whole number from 1, or ``random``.

    Raises
    ------
    ConfigError
        If it is neither.

    Examples
    --------
    >>> parse_block("240"), parse_block("random")
    (240, 'random')
    """
    if text == "random":
        return "random"
    try:
        return check_block(int(text))
    except ValueError as error:
        raise _unusable(text) from error


def check_block(block: BlockSize) -> BlockSize:
    """Return the size if it can be used; ConfigError otherwise."""
    if block != "random" and (isinstance(block, bool) or int(block) != block or block < 1):
        raise _unusable(block)
    return block


def block_sizes(block: BlockSize, seed: int = 0) -> Iterator[int]:
    """Yield the size of one block after another, in samples of the source's clock, for ever.

    Parameters
    ----------
    block : int or "random"
        Random sizes are uniform from 1 to 4096.
    seed : int
        Of the random sizes.

    Examples
    --------
    >>> [size for size, _ in zip(block_sizes(7), range(3))]
    [7, 7, 7]
    """
    if check_block(block) != "random":
        yield from itertools.repeat(int(block))
    rng = np.random.default_rng(seed)
    while True:
        yield from rng.integers(1, LARGEST_RANDOM_SAMPLES, size=256, endpoint=True).tolist()


def _unusable(value: object) -> ConfigError:
    return ConfigError(f"a block of {value!r} samples", remedy="give a whole number of samples from 1, or: random")
