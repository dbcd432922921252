"""The ledger of sound: which samples each bin holds, when they were captured, and which of them were lost.

Every sample a source captured or lost is booked once, in order. Lost ones are replaced by zeros, so that bins keep
their place in time; a bin that holds any of them is marked, and where too many are missing, whole bins are left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rtstrf.clock import NS_PER_S, AudioClock
from rtstrf.pipeline import HopMaker
from rtstrf.sound.source import Block


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop of sound, ready for the model.

    Attributes
    ----------
    index : int
        The bin it makes; indices that are missing before it are a gap.
    samples_pa : ndarray, shape (hop_samples,), float32
    t_cap_ns, t_raw_ns : int
        Monotonic time at which its last sample was captured: on the fitted clock, and as the driver stamped it.
    loss_begins : bool
        A loss begins inside it.
    concealed : bool
        It holds zeros in place of lost samples.
    """

    index: int
    samples_pa: np.ndarray
    t_cap_ns: int
    t_raw_ns: int
    loss_begins: bool = False
    concealed: bool = False

    def continues(self, before: Hop) -> bool:
        """Whether both can be told in one message: nothing is missing between them, and the same holds of both."""
        return self.index == before.index + 1 and self.concealed == before.concealed and not self.loss_begins


class Ledger:
    """Book blocks, give out hops.

    Parameters
    ----------
    framer : HopMaker
        Cuts the source's samples into hops at the model's rate.
    hop_samples : int
        Samples of a hop at the model's rate.
    rate_hz : int
        Rate of the source.
    speed : float or None
        How fast a paced source plays; None where it has no clock, and hops bear the time at which they came.
    conceal_samples : int
        Longest loss that is concealed; a longer one becomes a gap.

    Attributes
    ----------
    samples_in, samples_lost : int
        Captured, and lost.
    clock_step_ns : int
        By how much the device's clock stepped, all steps together; whoever tells of them sets it to 0.

    Notes
    -----
    State: samples booked (an integer, for ever exact), the loss ranges that hops still to come may hold, the fitted
    clock. Delay: none of its own.

    Examples
    --------
    >>> from rtstrf.framing import Framer
    >>> ledger = Ledger(Framer(240), 240, 48000, speed=1.0, conceal_samples=480)
    >>> block = Block(np.ones(500, dtype=np.float32), t_ns=10_000_000)
    >>> [hop.index for hop in ledger.book(block)], ledger.samples_in, ledger.samples_lost
    ([0, 1], 500, 0)
    """

    def __init__(
        self, framer: HopMaker, hop_samples: int, rate_hz: int, *, speed: float | None, conceal_samples: int
    ) -> None:
        self._framer = framer
        self._hop_samples = hop_samples
        self._rate_hz = rate_hz * (speed or 1.0)
        self._conceal_samples = conceal_samples
        self.clock = AudioClock(self._rate_hz) if speed is not None else None
        self.samples_in = 0
        self.samples_lost = 0
        self.clock_step_ns = 0
        self._latest_ns = 0  # time given out: they never step back, but where the clock does
        self._next_bin = 0
        self._losses: deque[range] = deque()  # on the source's clock

    @property
    def bins(self) -> int:
        """Whole bins of sound that have passed: given out, or left out as a gap."""
        return self._next_bin

    @property
    def position(self) -> int:
        """Samples of the source's clock that have passed: captured or lost."""
        return self.samples_in + self.samples_lost

    def book(self, block: Block) -> list[Hop]:
        """Book a block and return the hops it completes, gaps left out."""
        if block.lost_samples:
            self._losses.append(range(self.position, self.position + block.lost_samples))
        self.samples_lost += block.lost_samples
        self.samples_in += len(block.samples)
        if (len(block.samples) or block.lost_samples) and self.clock is not None:
            step_ns = self.clock.update(self.position, block.t_ns)
            if step_ns:
                self.clock_step_ns += step_ns
                self._latest_ns = 0
        hops: list[Hop] = []
        for part in self._filled(block):
            hops += self._place(self._framer.push(part), block.t_ns)
        return hops

    def resume(self, block: Block) -> Block:
        """Return the first block after the source was away, with what was not heard counted by the monotonic clock."""
        lost = max(0, round(self._samples_due(block.t_ns)) - self.position - len(block.samples))
        if self.clock is not None:
            self.clock.restart()
        return replace(block, lost_samples=max(block.lost_samples, lost))

    def unheard(self, now_ns: int) -> int:
        """Return how many samples have passed on the monotonic clock since the last one booked."""
        return max(0, round(self._samples_due(now_ns)) - self.position)

    def finish(self, t_ns: int) -> list[Hop]:
        """End the sound and return the hops that only waited for a filter's look-ahead."""
        return self._place(self._framer.flush(), t_ns)

    def sample_at(self, t_ns: int) -> int:
        """Return the source sample that was being captured at a monotonic time, as well as is known."""
        if self.clock is None or not self.position:
            return self.position
        return max(0, round(self.clock.samples_at(t_ns)))

    def _samples_due(self, t_ns: int) -> float:
        return self.clock.samples_at(t_ns) if self.clock is not None and self.position else 0

    def _filled(self, block: Block) -> Iterator[np.ndarray]:
        """Yield zeros for what was lost, a second at a time; of a long silence only its beginning and its end."""
        left = block.lost_samples
        second = round(self._rate_hz)
        skippable = left - 2 * second if left > self._conceal_samples else 0
        if skippable > 0:
            yield np.zeros(second, dtype=np.float32)
            source_samples, hops = self._framer.period
            periods = skippable // source_samples
            self._framer.skip(periods)
            self._next_bin += periods * hops
            left -= second + periods * source_samples
        while left > 0:
            count = min(left, second)
            yield np.zeros(count, dtype=np.float32)
            left -= count
        yield block.samples

    def _place(self, hops: np.ndarray, t_ns: int) -> list[Hop]:
        placed = []
        for samples in hops:
            index = self._next_bin
            self._next_bin += 1
            first = self._framer.source_index(index * self._hop_samples)
            end = self._framer.source_index((index + 1) * self._hop_samples)
            while self._losses and self._losses[0].stop <= first:
                self._losses.popleft()
            inside = [loss for loss in self._losses if loss.start < end]
            if any(len(loss) > self._conceal_samples and loss.start <= first and end <= loss.stop for loss in inside):
                continue  # nothing of this bin was heard
            placed.append(
                Hop(
                    index=index,
                    samples_pa=samples,
                    t_cap_ns=self._time_ns(end, t_ns),
                    t_raw_ns=t_ns - round((self.position - end) * NS_PER_S / self._rate_hz),
                    loss_begins=any(loss.start >= first for loss in inside),
                    concealed=bool(inside),
                )
            )
        return placed

    def _time_ns(self, samples: float, t_ns: int) -> int:
        # A fitted time cannot be later than the block that brought the sample.
        fitted_ns = t_ns if self.clock is None else min(t_ns, self.clock.time_ns(samples))
        self._latest_ns = max(self._latest_ns, fitted_ns)
        return self._latest_ns
