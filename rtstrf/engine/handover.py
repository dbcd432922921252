"""From the threads that capture to the thread that computes: a bounded queue a stream, and commands between hops."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from rtstrf.engine.ledger import Hop

Command = Callable[[], None]


class HopQueue:
    """The hops of one stream that wait; made by `Handover.add`.

    Attributes
    ----------
    dropped_hops : int
        Hops that found no room, so far.
    closed : bool
        Whether nothing more will be put.
    """

    def __init__(self, changed: threading.Condition, capacity: int, keep: int) -> None:
        self._changed = changed
        self._capacity = capacity
        self._keep = min(keep, capacity - 1)
        self._hops: deque[Hop] = deque()
        self.dropped_hops = 0
        self.closed = False

    def __len__(self) -> int:
        return len(self._hops)

    def put(self, hop: Hop, *, wait: bool) -> int:
        """Queue a hop and return how many were dropped for it.

        Where the queue is full, wait for room; or drop what waits, the oldest first, until so few are left that what
        follows is heard in time again.
        """
        with self._changed:
            while len(self._hops) >= self._capacity and wait and not self.closed:
                self._changed.wait()
            if self.closed:
                self.dropped_hops += 1
                return 1
            dropped = len(self._hops) - self._keep if len(self._hops) >= self._capacity else 0
            for _ in range(dropped):
                self._hops.popleft()
            self.dropped_hops += dropped
            self._hops.append(hop)
            self._changed.notify_all()
            return dropped

    def take(self, most: int) -> list[Hop]:
        """Return the next hops, at most so many, all of which can be told in one message; none where none waits."""
        with self._changed:
            taken: list[Hop] = []
            full = len(self._hops) >= self._capacity
            while self._hops and len(taken) < most and (not taken or self._hops[0].continues(taken[-1])):
                taken.append(self._hops.popleft())
            if full:
                self._changed.notify_all()  # a writer may be waiting for this place
            return taken

    def close(self) -> None:
        """Put nothing more: what waits still comes out, what is put from now on is dropped."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()


class Handover:
    """What the inference thread waits for.

    Notes
    -----
    Commands come before hops: they are carried out between two steps.

    Examples
    --------
    >>> handover = Handover()
    >>> queue = handover.add(capacity=2, keep=1)
    >>> hops = [Hop(index, None, 0, 0) for index in range(4)]
    >>> [queue.put(hop, wait=False) for hop in hops]
    [0, 0, 1, 1]
    >>> handover.wait(), [hop.index for hop in queue.take(8)]
    (True, [2, 3])
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queues: list[HopQueue] = []
        self._commands: deque[Command] = deque()

    def add(self, capacity: int, keep: int) -> HopQueue:
        """Add the queue of one more stream.

        Parameters
        ----------
        capacity : int
            Hops that may wait.
        keep : int
            Hops that are left, at most, when some are dropped as the queue is full; the newest.
        """
        queue = HopQueue(self._changed, capacity, keep)
        with self._changed:
            self._queues.append(queue)
        return queue

    def remove(self, queue: HopQueue) -> None:
        """Take a queue out, at the end of its stream."""
        with self._changed:
            self._queues.remove(queue)

    def command(self, command: Command) -> None:
        """Queue something to be done between two steps."""
        with self._changed:
            self._commands.append(command)
            self._changed.notify_all()

    def wait(self) -> Command | bool:
        """Wait for a command, which is returned, or for hops or a stream's end: True; False without queues."""
        with self._changed:
            while True:
                if self._commands:
                    return self._commands.popleft()
                if not self._queues:
                    return False
                for queue in self._queues:
                    if queue._hops or queue.closed:
                        return True
                self._changed.wait()

    def close(self) -> None:
        """Close all queues."""
        with self._changed:
            for queue in self._queues:
                queue.closed = True
            self._changed.notify_all()
