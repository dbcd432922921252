"""From blocks at the source's rate to hops at the model's, the same to the bit for every cutting into blocks.

A polyphase windowed-sinc filter. Output sample n has the content of time n / rate_out: with L / M = rate_out / rate_in
in lowest terms it lies at input position n M / L, whose fraction has only L values, one row of taps each. All positions
are Python integers, so nothing drifts. The filter needs half its length of sound after that position; this is
declared as `latency_s`.

Bitwise equality holds by construction: whatever the blocks, a hop is computed alone, from the same samples in arrays
of the same shape, so that no order of summation can depend on the blocks.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd

import numpy as np

from rtstrf.errors import ConfigError, StreamError
from rtstrf.framing import Framer

STOPBAND_DB = 100.0
PASSBAND = 0.9  # of the lower Nyquist frequency, at which the stopband begins


class Hops:
    """Turn blocks of any length at one rate into whole hops at another; host side, one per stream.

    Parameters
    ----------
    rate_in_hz, rate_out_hz : int
        Rates of the source and of the model; equal ones only frame, with no delay and no change of a bit.
    hop_samples : int
        Samples of a hop at the model's rate; at least 1.

    Attributes
    ----------
    latency_s : float
        How long, at most, a bin waits after its end for the sound that the filter needs.
    dropped_samples : int
        After `flush`: samples at the model's rate that made no whole hop.

    Notes
    -----
    Kaiser window, stopband 100 dB from the lower Nyquist frequency, flat to 1e-5 up to 0.9 of it. State: the source
    samples that later hops need, zeros before the first. The bank of taps has rate_out / gcd(rates) rows: 160 from
    44.1 to 48 kHz, but as many as rate_out where the rates have no common factor (50 MB).

    Raises
    ------
    ConfigError
        If a rate is not a positive whole number.

    Examples
    --------
    >>> hops = Hops(44100, 48000, 240)
    >>> [hops.push(np.zeros(n, dtype=np.float32)).shape for n in (1, 0, 4410)]
    [(0, 240), (0, 240), (19, 240)]
    >>> hops.flush().shape, hops.dropped_samples
    ((1, 240), 2)
    """

    def __init__(self, rate_in_hz: int, rate_out_hz: int, hop_samples: int) -> None:
        for name, rate_hz in (("rate_in_hz", rate_in_hz), ("rate_out_hz", rate_out_hz)):
            if rate_hz != int(rate_hz) or rate_hz < 1:
                raise ConfigError(f"{name} is {rate_hz}", remedy="give a positive whole number of hertz")
        self.rate_in_hz = int(rate_in_hz)
        self.rate_out_hz = int(rate_out_hz)
        self.hop_samples = hop_samples
        self._maker: Framer | _PolyphaseHops = (
            Framer(hop_samples)
            if self.rate_in_hz == self.rate_out_hz
            else _PolyphaseHops(self.rate_in_hz, self.rate_out_hz, hop_samples)
        )
        self.latency_s = self._maker.latency_s
        self.dropped_samples = 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Add a block of any length, 0 included, and return the hops it completes.

        Parameters
        ----------
        samples : ndarray, shape (n,), float32

        Returns
        -------
        hops : ndarray, shape (k, hop_samples), float32
            k >= 0; shares no memory with the block.
        """
        return self._maker.push(samples)

    def flush(self) -> np.ndarray:
        """End the sound: return the hops that the last source samples complete when silence follows.

        A hop that is still not whole is no bin; `dropped_samples` has its length.

        Returns
        -------
        hops : ndarray, shape (k, hop_samples), float32
        """
        hops = self._maker.flush()
        self.dropped_samples = self._maker.pending_samples
        return hops

    @property
    def period(self) -> tuple[int, int]:
        """Samples of the source after which hops lie as before, and how many hops that is."""
        return self._maker.period

    def skip(self, periods: int) -> None:
        """Let periods of silence pass without computing them, after at least a second of it."""
        self._maker.skip(periods)

    def source_samples_needed(self, bin_index: int) -> int:
        """Return how many samples of the source must have come in before that bin is out."""
        return self._maker.source_samples_needed(bin_index)

    def source_index(self, model_sample: int) -> float:
        """Return the position on the source's clock, in samples, of a sample on the model's clock."""
        return self._maker.source_index(model_sample)


class _PolyphaseHops:
    """`Hops` where the rates differ."""

    def __init__(self, rate_in_hz: int, rate_out_hz: int, hop_samples: int) -> None:
        if hop_samples < 1:
            raise StreamError(f"a hop of {hop_samples} samples", remedy="a hop has at least 1 sample")
        common = gcd(rate_in_hz, rate_out_hz)
        self.up, self.down = rate_out_hz // common, rate_in_hz // common  # L and M
        self.hop_samples = hop_samples
        self.bank = polyphase_bank(self.up, self.down)  # (L, taps)
        self.taps = self.bank.shape[1]
        self.half = self.taps // 2
        # The last sample of a bin needs half + 1 source samples from its position on, and ends 1 / rate_out later.
        self.latency_s = (self.half + 1) / rate_in_hz - 1 / rate_out_hz
        self.pending_samples = 0
        self._first = 1 - self.half  # position on the source's clock of self._samples[0]: zeros before the sound
        self._samples = np.zeros(self.half - 1)
        self._hops_out = 0
        self._ended = False
        self._ramp = np.arange(hop_samples, dtype=np.int64) * self.down
        self._taps = np.empty((hop_samples, self.taps))

    def push(self, samples: np.ndarray) -> np.ndarray:
        if self._ended:
            raise StreamError("sound pushed after the end of the sound", remedy="make new Hops for the next sound")
        block = np.asarray(samples)
        if block.ndim != 1:
            raise StreamError(f"a block of shape {block.shape}", remedy="give one channel, shape (n,)")
        self._samples = np.concatenate([self._samples, block], dtype=np.float64)
        have = self._first + len(self._samples)
        count = 0
        while self.source_samples_needed(self._hops_out + count) <= have:
            count += 1
        return self._next_hops(count)

    def flush(self) -> np.ndarray:
        have = self._first + len(self._samples)
        whole, self.pending_samples = divmod(-(-have * self.up // self.down), self.hop_samples)  # outputs before `have`
        count = whole - self._hops_out
        if count > 0:
            missing = self.source_samples_needed(whole - 1) - have
            self._samples = np.concatenate([self._samples, np.zeros(max(missing, 0))])
        self._ended = True
        return self._next_hops(count)

    @property
    def period(self) -> tuple[int, int]:
        source_samples = self.hop_samples * self.down
        hops = self.up // gcd(source_samples, self.up)
        return hops * source_samples // self.up, hops

    def skip(self, periods: int) -> None:
        source_samples, hops = self.period
        self._first += periods * source_samples  # what is kept is silence, and so it would be then
        self._hops_out += periods * hops

    def source_samples_needed(self, bin_index: int) -> int:
        last = (bin_index + 1) * self.hop_samples - 1
        return last * self.down // self.up + self.half + 1

    def source_index(self, model_sample: int) -> float:
        return model_sample * self.down / self.up

    def _next_hops(self, count: int) -> np.ndarray:
        hops = np.empty((count, self.hop_samples), dtype=np.float32)
        for index in range(count):
            start, phase = divmod(self._hops_out * self.hop_samples * self.down, self.up)
            steps, phases = np.divmod(phase + self._ramp, self.up)  # (hop,): whole source samples, row of the bank
            first = start + 1 - self.half - self._first  # where the window of the hop's first sample begins
            needed = self._samples[first : first + int(steps[-1]) + self.taps]
            windows = np.lib.stride_tricks.sliding_window_view(needed, self.taps)[steps]  # -> (hop, taps), a copy
            np.take(self.bank, phases, axis=0, out=self._taps, mode="clip")  # -> (hop, taps); "raise" would copy twice
            hops[index] = np.einsum("nk,nk->n", windows, self._taps)
            self._hops_out += 1
        keep = self._hops_out * self.hop_samples * self.down // self.up + 1 - self.half  # where the next begins
        drop = max(0, min(keep - self._first, len(self._samples)))
        if drop:
            self._samples = self._samples[drop:].copy()
            self._first += drop
        return hops


@lru_cache(maxsize=4)  # streams of the same rates share one
def polyphase_bank(up: int, down: int) -> np.ndarray:
    """Return the taps of each phase of a Kaiser-windowed sinc.

    Parameters
    ----------
    up, down : int
        L and M of the ratio, in lowest terms.

    Returns
    -------
    bank : ndarray, shape (up, taps), float64, read-only
        Row p weighs the source samples from 1 - taps / 2 to taps / 2 around a position whose fraction is p / up.
        Each row adds up to 1, so that a constant stays itself.
    """
    slower = min(1.0, up / down)  # the lower Nyquist frequency, in units of the source's
    transition = (1.0 - PASSBAND) * slower * np.pi  # radians per source sample
    half = ceil((STOPBAND_DB - 7.95) / (2.285 * transition) / 2)  # Kaiser's formula for the order
    beta = 0.1102 * (STOPBAND_DB - 8.7)
    cutoff = slower * (1.0 + PASSBAND) / 2  # mid-transition
    offsets = np.arange(1 - half, half + 1)
    bank = np.empty((up, 2 * half))
    for begin in range(0, up, 512):  # some rows at a time: the intermediate arrays of a large bank are many
        phases = np.arange(begin, min(begin + 512, up))
        x = offsets - phases[:, None] / up  # (rows, taps)
        window = np.i0(beta * np.sqrt(np.maximum(0.0, 1.0 - (x / half) ** 2)))
        rows = np.sinc(cutoff * x) * window
        bank[phases] = rows / rows.sum(axis=1, keepdims=True)
    bank.flags.writeable = False
    return bank
