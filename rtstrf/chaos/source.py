"""A sound card whose faults are ordered, and that writes down the truth of each."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from rtstrf.errors import SoundError
from rtstrf.sound.source import Block, Source

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault as it was injected.

    Attributes
    ----------
    fault : str
        ``lose``, ``late``, ``step`` or ``unplug``.
    at_sample : int
        Samples that had passed before it.
    samples : int
        Samples lost by it.
    xruns : int
        Overflows that the device reported for it.
    late_ms, step_ms : float
        How long a block was held back, and how far the device's clock stepped.
    to_ns : int
        When the source worked again, on the monotonic clock.
    """

    fault: str
    at_sample: int
    samples: int = 0
    xruns: int = 0
    late_ms: float = 0.0
    step_ms: float = 0.0
    to_ns: int = 0


class ChaosSource(Source):
    """A passive sound as a device would deliver it, with faults on demand.

    The device's clock starts when it is first opened, and every block is stamped with the time at which its last
    sample was captured, or where it is late, at which it came. A fault begins with the next block.

    Parameters
    ----------
    source : Source
        Endless and passive.

    Attributes
    ----------
    injected : list of Injected
        The truth, in order.
    position : int
        Samples of the device's clock that have passed: delivered, or lost.

    Examples
    --------
    >>> from rtstrf.sound.synthetic import SilenceSource
    >>> with ChaosSource(SilenceSource()) as source:
    ...     source.lose(48, xruns=1)
    ...     block = source.read(240, timeout_s=1.0)
    >>> block.lost_samples, len(block.samples), source.position, source.xruns, source.injected[0].samples
    (48, 240, 288, 1, 48)
    """

    live = True
    can_wait = False
    comes_back = True

    def __init__(self, source: Source) -> None:
        self.info = source.info
        self.injected: list[Injected] = []
        self.position = 0
        self._source = source
        self._orders: deque[Injected] = deque()
        self._start_ns: int | None = None
        self._step_ns = 0
        self._held: Injected | None = None
        self._away: Injected | None = None
        self._away_until_ns = 0
        self._lock = threading.Lock()

    # --- what is ordered, from any thread -----------------------------------------------------------------------

    def lose(self, samples: int, *, xruns: int = 0) -> None:
        """Lose samples, as an overflow of the device does."""
        self._order(Injected("lose", 0, samples=samples, xruns=xruns))

    def hold_back(self, late_ms: float) -> None:
        """Deliver a block that much late, and those behind it all at once."""
        self._order(Injected("late", 0, late_ms=late_ms))

    def step_clock(self, step_ms: float) -> None:
        """Stamp all blocks from now on that much later than before."""
        self._order(Injected("step", 0, step_ms=step_ms))

    def unplug(self, away_ms: float) -> None:
        """Fail, and refuse to be opened for a while; the device's clock goes on."""
        self._order(Injected("unplug", 0, late_ms=away_ms))

    def _order(self, order: Injected) -> None:
        with self._lock:
            self._orders.append(order)

    # --- a source ---------------------------------------------------------------------------------------------------

    def open(self) -> None:
        if time.monotonic_ns() < self._away_until_ns:
            raise SoundError("the chaos device is away", remedy="wait until it is back")
        if self._start_ns is None:
            self._source.open()
            self._start_ns = time.monotonic_ns()

    def read(self, max_samples: int, timeout_s: float = 0.1) -> Block | None:
        assert self._start_ns is not None, "read before it was opened"
        if self._away is not None:
            return self._come_back(max_samples)
        lost = self._begin_faults()
        due_ns = self._captured_ns(self.position + lost + max_samples)
        if self._held is not None:
            due_ns += round(self._held.late_ms * 1e6)
        now_ns = time.monotonic_ns()
        while now_ns < due_ns:  # a fault that has begun is delivered whole, whatever the time-out
            if not lost and self._held is None and due_ns - now_ns > timeout_s * NS_PER_S:
                time.sleep(timeout_s)
                return Block(np.empty(0, dtype=np.float32), time.monotonic_ns())
            time.sleep((due_ns - now_ns) / NS_PER_S)
            now_ns = time.monotonic_ns()
        if self._held is not None:
            self._note(self._held, late_ms=self._held.late_ms, to_ns=now_ns)
            self._held, stamp_ns = None, now_ns
        else:
            stamp_ns = self._captured_ns(self.position + lost + max_samples)
        return self._deliver(max_samples, lost, stamp_ns)

    def close(self) -> None:
        """Release nothing: the clock of a device goes on while it is away."""

    # --- parts ------------------------------------------------------------------------------------------------------

    def _begin_faults(self) -> int:
        """Begin the next fault that was ordered, one a block; return the samples that are lost by it."""
        with self._lock:
            order = self._orders.popleft() if self._orders else None
        if order is None:
            return 0
        now_ns = time.monotonic_ns()
        if order.fault == "lose":
            self._note(
                order, samples=order.samples, xruns=order.xruns, to_ns=self._captured_ns(self.position + order.samples)
            )
            self.xruns += order.xruns
            return order.samples
        if order.fault == "late":
            self._held = order
        elif order.fault == "step":
            self._step_ns += round(order.step_ms * 1e6)
            self._note(order, step_ms=order.step_ms, to_ns=now_ns)
        else:
            self._away, self._away_until_ns = order, now_ns + round(order.late_ms * 1e6)
            raise SoundError("the chaos device was unplugged", remedy="plug it in again")
        return 0

    def _come_back(self, max_samples: int) -> Block:
        """Return the first block after it was away: what is captured now, after all that nobody heard."""
        assert self._start_ns is not None
        assert self._away is not None
        now_ns = time.monotonic_ns()
        passed = (now_ns - self._start_ns) * self.info.rate_hz // NS_PER_S
        lost = max(0, passed - self.position)
        due_ns = self._captured_ns(self.position + lost + max_samples)
        time.sleep(max(0, due_ns - now_ns) / NS_PER_S)
        self._note(self._away, samples=lost, to_ns=due_ns)
        self._away = None
        # A device that was opened anew knows nothing of what it did not hear: the ledger has to find out.
        block = self._deliver(max_samples, lost, due_ns)
        return Block(block.samples, block.t_ns)

    def _deliver(self, samples: int, lost: int, stamp_ns: int) -> Block:
        if lost:
            self._source.read(lost)  # the sound that was not heard
        block = self._source.read(samples)
        assert block is not None, "an endless sound"
        self.position += lost + samples
        return Block(block.samples, stamp_ns + self._step_ns, lost)

    def _captured_ns(self, samples: int) -> int:
        assert self._start_ns is not None
        return self._start_ns + samples * NS_PER_S // self.info.rate_hz

    def _note(
        self,
        order: Injected,
        *,
        samples: int = 0,
        xruns: int = 0,
        late_ms: float = 0.0,
        step_ms: float = 0.0,
        to_ns: int,
    ) -> None:
        self.injected.append(Injected(order.fault, self.position, samples, xruns, late_ms, step_ms, to_ns))
