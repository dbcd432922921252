"""From blocks of any length, as a driver delivers them, to whole hops, as the model takes them."""

from __future__ import annotations

import numpy as np

from rtstrf.errors import StreamError


class Framer:
    """Cut a stream of blocks into hops; host side, one per stream.

    Parameters
    ----------
    hop_samples : int
        Samples of one hop, which is one bin of the model; at least 1.

    Notes
    -----
    State: the samples of the unfinished hop (fewer than `hop_samples`), none at the start. Delay: a hop is out as
    soon as its last sample is in, so the first sample of a hop waits hop_samples - 1 samples.

    Examples
    --------
    >>> framer = Framer(3)
    >>> [framer.push(np.arange(n, dtype=np.float32)).shape for n in (0, 1, 7)]
    [(0, 3), (0, 3), (2, 3)]
    >>> framer.pending_samples
    2
    """

    def __init__(self, hop_samples: int) -> None:
        if hop_samples < 1:
            raise StreamError(f"a hop of {hop_samples} samples", remedy="a hop has at least 1 sample")
        self.hop_samples = hop_samples
        self._rest = np.empty(0, dtype=np.float32)

    @property
    def pending_samples(self) -> int:
        """Samples that wait for their hop to be whole."""
        return len(self._rest)

    latency_s = 0.0  # beyond the hop itself

    @property
    def period(self) -> tuple[int, int]:
        """Samples of the source after which hops lie as before, and how many hops that is."""
        return self.hop_samples, 1

    def skip(self, periods: int) -> None:
        """Let periods of silence pass, after at least a second of it; nothing has to be done, as no sample is kept."""

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Add a block of any length and return the hops it completes.

        Parameters
        ----------
        samples : ndarray, shape (n,), float32
            n >= 0.

        Returns
        -------
        hops : ndarray, shape (k, hop_samples), float32
            k >= 0; a copy, so that the caller's buffer may be used again.

        Raises
        ------
        StreamError
            If the block has more than one axis.
        """
        block = np.asarray(samples, dtype=np.float32)
        if block.ndim != 1:
            raise StreamError(f"a block of shape {block.shape}", remedy="give one channel, shape (n,)")
        joined = np.concatenate([self._rest, block])
        whole = len(joined) // self.hop_samples
        self._rest = joined[whole * self.hop_samples :].copy()
        return joined[: whole * self.hop_samples].reshape(whole, self.hop_samples)  # (n,) -> (k, hop)

    def flush(self) -> np.ndarray:
        """End the sound: no further hop comes out, as a partial hop is no bin; `pending_samples` says what is left."""
        return np.empty((0, self.hop_samples), dtype=np.float32)

    def source_samples_needed(self, bin_index: int) -> int:
        """Return how many samples of the source must have come in before that bin is out."""
        return (bin_index + 1) * self.hop_samples

    def source_index(self, model_sample: int) -> float:
        """Return the position on the source's clock of a sample on the model's clock: the same."""
        return float(model_sample)
