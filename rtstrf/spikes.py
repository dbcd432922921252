"""Spikes drawn from the rates: seeded, with a refractory period, the same however the stream is cut.

Each unit is a Poisson process whose hazard, at a time t at which the unit can fire, is

    h(t) = r(t) / (1 - integral of r over the refractory period before t)

The denominator is the probability that the unit can fire at t, as at most one spike lies in a refractory period, so the
expected rate is r(t) itself: at every moment, at onsets too, and not only where the rate is steady (there it is the
familiar r / (1 - r tau); Berry and Meister 1998, doi 10.1523/JNEUROSCI.18-06-02200.1998).
Rates are constant within a bin, so the hazard has a closed form, and the time of the next spike too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtstrf.errors import ConfigError, StreamError

BLOCK = 4  # numbers that Philox makes at a time
TINY = 1e-300  # added to a slope of 0, so that both of its formulas have their limit
FULLEST = 0.9  # largest expected part of the time that a unit is refractory


@dataclass(frozen=True, slots=True)
class SpikeState:
    """Where the spike trains of a population are; never written to, so that keeping one is a snapshot.

    Attributes
    ----------
    bin : int
        The bin that comes next.
    wait_samples : ndarray, shape (units,), float64
        Samples from the start of that bin until each unit can fire; 0 where it can.
    past_rates : ndarray, shape (bins, units), float64
        Expected spikes per sample of the bins that a refractory period reaches into, the latest last.
    """

    bin: int
    wait_samples: np.ndarray
    past_rates: np.ndarray


class SpikeGenerator:
    """Draw the spikes of a population.

    Parameters
    ----------
    units : int
    hop_samples : int
        Samples of a bin.
    sample_rate_hz : int
        Of the model's clock.
    seed : int
        From 0 to 2^64 - 1; another seed is another trial of the same response.
    refractory_ms : float
        Absolute refractory period: two spikes of a unit are at least this far apart, rounded to samples.

    Attributes
    ----------
    refractory_samples : int
    slots : int
        Most spikes that a unit can fire in a bin.
    highest_rate_hz : float
        Rates beyond it are taken for it: a unit is refractory 90 % of the time then.

    Notes
    -----
    The random numbers of a bin come from Philox, keyed by seed, unit and bin, and from nothing else. So any chunking,
    a restart from a state, another number of other units, or a replay of the same rates gives the same spikes. A bin
    that was left out counts as one without spikes. A rate that is negative or NaN counts as 0.

    Examples
    --------
    >>> generator = SpikeGenerator(3, hop_samples=240, sample_rate_hz=48000, seed=7)
    >>> rates_hz = np.full((200, 3), 50.0)
    >>> spikes, state = generator.step(rates_hz, generator.initial_state())
    >>> spikes.shape, generator.slots, state.bin
    ((200, 9), 3, 200)
    >>> generator.counts(spikes).sum(axis=0).tolist()
    [52, 37, 68]
    """

    def __init__(
        self, units: int, *, hop_samples: int, sample_rate_hz: int, seed: int = 0, refractory_ms: float = 2.0
    ) -> None:
        if units < 1 or hop_samples < 1 or sample_rate_hz < 1:
            raise ConfigError(
                f"spikes of {units} units in bins of {hop_samples} samples at {sample_rate_hz} Hz",
                remedy="each must be at least 1",
            )
        if not 0 <= seed < 2**64:
            raise ConfigError(f"the seed {seed} of the spikes", remedy="give a whole number from 0 to 2^64 - 1")
        if not 0 < refractory_ms <= 1000:
            raise ConfigError(
                f"a refractory period of {refractory_ms:g} ms", remedy="give more than 0 and at most 1000 ms"
            )
        self.units = units
        self.hop_samples = hop_samples
        self.sample_rate_hz = sample_rate_hz
        self.seed = seed
        self.refractory_samples = max(1, round(refractory_ms * sample_rate_hz / 1000))
        self.slots = (hop_samples - 1) // self.refractory_samples + 1
        self.highest_rate_hz = FULLEST * sample_rate_hz / self.refractory_samples
        # The refractory period reaches `whole` bins back, and `rest` samples into the one before those.
        self._whole, self._rest = divmod(self.refractory_samples, hop_samples)
        self._blocks = -(-self.slots // BLOCK)  # of random numbers, for each unit and bin
        self._philox = np.random.Philox(key=np.array([seed, 0], dtype=np.uint64))
        self._seat = self._philox.state

    def initial_state(self, first_bin: int = 0) -> SpikeState:
        """Return the state before a first bin: no unit has fired."""
        past = np.zeros((self._whole + 1, self.units))
        return SpikeState(first_bin, np.zeros(self.units), past)

    def step(
        self, rates_hz: np.ndarray, state: SpikeState, first_bin: int | None = None
    ) -> tuple[np.ndarray, SpikeState]:
        """Draw the spikes of one or more bins.

        Parameters
        ----------
        rates_hz : ndarray, shape (bins, units)
        state : SpikeState
        first_bin : int, optional
            Index of the first of them, where bins were left out since the state; by default the one that comes next.

        Returns
        -------
        spikes : ndarray, shape (bins, slots x units), float32
            Sample of each spike, counted from the start of its bin; -1 where there is none. First the first spike of
            every unit, then the second of every unit...
        state : SpikeState

        Raises
        ------
        StreamError
            If the rates are of another number of units, or the bins are past.
        """
        if rates_hz.ndim != 2 or rates_hz.shape[1] != self.units:
            raise StreamError(f"rates of shape {rates_hz.shape}", remedy=f"give them as (bins, {self.units})")
        if first_bin is not None:
            state = self._skip(state, first_bin)
        # (T, N), per sample; fmax takes 0 for NaN.
        rates = np.minimum(np.fmax(rates_hz, 0.0, dtype=np.float64), self.highest_rate_hz) / self.sample_rate_hz
        spikes = np.full((len(rates), self.slots, self.units), -1.0, dtype=np.float32)  # (T, K, N)
        wait, past = state.wait_samples, state.past_rates
        for index, now in enumerate(rates):
            wait = self._bin(state.bin + index, now, past, wait, spikes[index])
            past = np.concatenate([past[1:], now[None]])
        return spikes.reshape(len(rates), self.slots * self.units), SpikeState(state.bin + len(rates), wait, past)

    def counts(self, spikes: np.ndarray) -> np.ndarray:
        """Return how many spikes each unit fired in each bin, (bins, units) int64, of what `step` returned."""
        return (spikes.reshape(len(spikes), self.slots, self.units) >= 0).sum(axis=1)

    def times(self, spikes: np.ndarray, first_bin: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the spikes one by one, in order of time.

        Parameters
        ----------
        spikes : ndarray, shape (bins, slots x units)
            As `step` returned them.
        first_bin : int
            Index of the first of these bins.

        Returns
        -------
        samples : ndarray, shape (spikes,), int64
            On the model's clock, since the start of the run.
        units : ndarray, shape (spikes,), int64
        """
        bins, _, units = np.nonzero(spikes.reshape(len(spikes), self.slots, self.units) >= 0)
        offsets = spikes[spikes >= 0].astype(np.int64)  # both go through the array in C order
        samples = (first_bin + bins) * self.hop_samples + offsets
        order = np.lexsort((units, samples))
        return samples[order], units[order]

    def _skip(self, state: SpikeState, to_bin: int) -> SpikeState:
        """Let bins pass in which nobody fires."""
        missing = to_bin - state.bin
        if missing < 0:
            raise StreamError(f"spikes of bin {to_bin} after those of bin {state.bin - 1}", remedy="give bins in order")
        if not missing:
            return state
        past = np.concatenate([state.past_rates, np.zeros((min(missing, self._whole + 1), self.units))])
        wait = np.maximum(state.wait_samples - missing * self.hop_samples, 0.0)
        return SpikeState(to_bin, wait, past[-(self._whole + 1) :])

    def _bin(self, index: int, now: np.ndarray, past: np.ndarray, wait: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Draw one bin into `out`, (slots, units), and return how long each unit must wait in the next one."""
        hop, rest = self.hop_samples, self._rest
        # Rates that leave the refractory period during the bin: first those of a bin further back, then of the next.
        leaving = past[0], past[1] if self._whole else now
        slopes = now - leaving[0], now - leaving[1]
        free = 1.0 - rest * leaving[0]  # the probability of being able to fire: at the start,
        if self._whole:
            free -= hop * past[1:].sum(axis=0)
        free_then = free - rest * slopes[0]  # after `rest` samples,
        free_last = free_then - (hop - rest) * slopes[1]  # and at the end; linear in between
        # The hazard of the whole bin is at most this: most units need no more than the comparison.
        most = hop * now / np.minimum(np.minimum(free, free_then), free_last)
        draws = self._exponentials(index)  # (N, draws)
        ready = wait.copy()
        live = np.flatnonzero((draws[:, 0] < most) & (wait < hop))
        for slot in range(self.slots):
            if not len(live):
                break
            rate, start, due = now[live], ready[live], draws[live, slot]
            at, slope = np.minimum(start, rest), slopes[0][live]
            left = free[live] - at * slope
            spent = _spent(rest - at, rate, left, slope)
            first = at + _wait(np.minimum(due, spent), rate, left, slope)
            later, due_then = np.maximum(start, rest), np.maximum(due - spent, 0.0)
            if self._whole:
                slope = slopes[1][live]
                then = later + _wait(due_then, rate, free_then[live] - (later - rest) * slope, slope)
            else:  # the same where nothing changes any more
                then = later + due_then * free_then[live] / rate
            fires = np.where(due < spent, first, then)
            fired = fires < hop
            live, fires = live[fired], fires[fired]
            out[slot, live] = np.floor(fires)
            ready[live] = again = fires + self.refractory_samples
            if slot + 1 < self.slots:
                live = live[(again < hop) & (draws[live, slot + 1] < most[live])]
        return np.maximum(ready - hop, 0.0)

    def _exponentials(self, index: int) -> np.ndarray:
        """Return the random numbers of a bin, (units, blocks x 4) of mean 1, the same whatever was drawn before."""
        self._seat["state"]["counter"][:] = 0, index, 0, 0
        self._seat["buffer_pos"] = BLOCK  # nothing left of what was drawn before
        self._philox.state = self._seat
        # Raw integers: what numpy makes of them in other ways may change with its version.
        raw = self._philox.random_raw(self.units * self._blocks * BLOCK)
        uniform = ((raw >> np.uint64(11)) + 0.5) * 2.0**-53  # never 0, never 1
        return -np.log(uniform).reshape(self.units, -1)


def _wait(hazard: np.ndarray, rate: np.ndarray, free: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Return how long it takes until a cumulative hazard has passed, where ``free`` falls by `slope` a sample."""
    x = slope * hazard / rate + TINY
    return hazard * free / rate * -np.expm1(-x) / x


def _spent(samples: np.ndarray, rate: np.ndarray, free: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Return the cumulative hazard of some samples; the inverse of `_wait`."""
    x = slope * samples / free + TINY
    return rate * samples / free * -np.log1p(-x) / x
