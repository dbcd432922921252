"""Hops made again from recorded sound, wherever in a run the recording begins."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import NamedTuple

import numpy as np

from rtstrf.pipeline import make_framer


class ResumePoint(NamedTuple):
    """Where hops can be made again.

    Attributes
    ----------
    sample : int
        Sample of the source from which a fresh framer is fed.
    bin : int
        The bin that its first hop makes.
    first_bin : int
        The first bin whose hop is the same to the bit as in the run: a resampler's filter reaches back.
    """

    sample: int
    bin: int
    first_bin: int


def resume_point(from_sample: int, source_rate_hz: int, rate_hz: int, hop_samples: int) -> ResumePoint:
    """Return where a framer can begin when sound is known from a sample of the source on.

    A framer is fed from a place where a hop begins on a whole sample of the source, so that it computes from there on
    what it would have computed had it heard everything before.

    Examples
    --------
    >>> resume_point(0, 44100, 48000, 240)
    ResumePoint(sample=0, bin=0, first_bin=0)
    >>> resume_point(1000, 48000, 48000, 240)
    ResumePoint(sample=1200, bin=5, first_bin=5)
    >>> resume_point(1000, 44100, 48000, 240)
    ResumePoint(sample=1323, bin=6, first_bin=7)
    """
    common = gcd(source_rate_hz, rate_hz)
    up, down = rate_hz // common, source_rate_hz // common
    bins = up // gcd(hop_samples * down, up)  # hops until one begins on a whole sample again
    samples = bins * hop_samples * down // up
    periods = -(-from_sample // samples)
    sample, first = periods * samples, periods * bins
    if not from_sample:
        return ResumePoint(0, 0, 0)  # before the sound there are zeros, as there were in the run
    reach = reach_back(source_rate_hz, rate_hz, hop_samples)
    skipped = 0
    while skipped * hop_samples * down // up < reach:
        skipped += 1
    return ResumePoint(sample, first, first + skipped)


def reach_back(source_rate_hz: int, rate_hz: int, hop_samples: int) -> int:
    """Return how many samples of the source before its beginning a hop depends on."""
    if source_rate_hz == rate_hz:
        return 0
    framer = make_framer(source_rate_hz, rate_hz, hop_samples)
    last = framer.source_index(hop_samples - 1)
    # The filter reaches as far back as ahead: half its taps, less one.
    return framer.source_samples_needed(0) - int(last) - 2


class Hops:
    """Give hops by their bins, in order, from the parts of a recorded sound.

    Parameters
    ----------
    parts : iterator of (int, ndarray or None)
        Position on the source's clock and samples, in order; what is missing between two parts was not recorded.
        A loss is a part of zeros.
    source_rate_hz, rate_hz, hop_samples : int

    Examples
    --------
    >>> sound = np.arange(1000, dtype=np.float32)
    >>> hops = Hops(iter([(0, sound)]), 48000, 48000, 240)
    >>> float(hops.take(2)[0]), hops.take(5) is None
    (480.0, True)
    """

    def __init__(
        self, parts: Iterator[tuple[int, np.ndarray]], source_rate_hz: int, rate_hz: int, hop_samples: int
    ) -> None:
        self._parts = parts
        self._rates = (source_rate_hz, rate_hz, hop_samples)
        self._framer = make_framer(*self._rates)
        self._fed_to: int | None = None  # position on the source's clock; None while nothing is fed
        self._feed_from = 0
        self._next_bin = 0  # the bin of self._hops[0]
        self._first_bin = 0  # bins before this one cannot be made
        self._hops: list[np.ndarray] = []
        self._ended = False

    def take(self, index: int) -> np.ndarray | None:
        """Return the hop of a bin, (hop_samples,) float32; None where its sound is not recorded. Bins may not fall."""
        while True:
            if index < self._first_bin:
                return None
            skip = index - self._next_bin
            if skip < len(self._hops):
                del self._hops[: max(skip, 0)]
                self._next_bin = index
                return self._hops[0]
            self._next_bin += len(self._hops)
            self._hops = []
            if not self._feed():
                return None

    def _feed(self) -> bool:
        """Feed one part more and tell whether there was one; the end of the sound flushes the framer once."""
        part = next(self._parts, None)
        if part is None:
            if self._ended:
                return False
            self._ended = True
            self._hops = list(self._framer.flush())
            return bool(self._hops)
        at, samples = part
        if self._fed_to is None or at != self._fed_to:  # the recording begins here, or goes on after a hole
            point = resume_point(at, *self._rates)
            self._framer = make_framer(*self._rates)
            self._feed_from, self._next_bin, self._first_bin = point.sample, point.bin, point.first_bin
        self._fed_to = at + len(samples)
        self._hops = list(self._framer.push(samples[max(0, self._feed_from - at) :]))
        return True
