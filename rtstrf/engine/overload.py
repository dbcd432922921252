"""What is done when sound comes faster than it is computed: a ladder, each rung announced, and climbed down again.

    0  none     one hop a step
    1  chunks   several waiting hops in one step: cheaper a hop, equal within G1 instead of to the bit
    2  shed     topics beside the rates are left out
    3  drop     the queue was full: the oldest hops are gone, and told as a gap

The rungs follow the hops that wait. Up at once; down one rung at a time, and only after some calm.
"""

from __future__ import annotations

from typing import NamedTuple

from rtstrf.config.live import OverloadSection

LEVELS = ("none", "chunks", "shed", "drop")
CHUNKS, SHED, DROP = 1, 2, 3


class Step(NamedTuple):
    """A step up or down the ladder; to where it was before where input is dropped again."""

    previous: int
    level: int


class Ladder:
    """Where on the ladder a stream stands.

    Parameters
    ----------
    policy : OverloadSection
    queue_hops : int
        Hops that the queue holds.

    Attributes
    ----------
    level : int
        Index into `LEVELS`.
    steps_up, steps_down : int
        Taken so far.

    Examples
    --------
    >>> ladder = Ladder(OverloadSection(chunks_from_hops=4, shed_from_hops=20, calm_hops=2), queue_hops=100)
    >>> [ladder.follow(waiting, heard=1) for waiting in (3, 25, 0, 0)]
    [(), (Step(previous=0, level=1), Step(previous=1, level=2)), (), (Step(previous=2, level=1),)]
    >>> ladder.hops_a_step(13)
    8
    """

    def __init__(self, policy: OverloadSection, queue_hops: int) -> None:
        self._from_hops = (0, policy.chunks_from_hops, policy.shed_from_hops, queue_hops)
        self._most_hops_a_step = policy.most_hops_a_step if "chunks" in policy.rungs else 1
        self._sheds = "shed" in policy.rungs
        self._calm_hops = policy.calm_hops
        self._calm = 0
        self.level = 0
        self.steps_up = self.steps_down = 0

    @property
    def sheds(self) -> bool:
        """Whether topics beside the rates are left out now."""
        return self._sheds and self.level >= SHED

    def told(self, step: Step, dropped: int) -> dict[str, object]:
        """Return what the event of a step says of it (docs/protocol.md); `dropped` is the hops lost before it."""
        return {
            "on": step.level > 0,
            "level": step.level,
            "previous": step.previous,
            "does": LEVELS[step.level],
            "exact": "G1" if step.level >= CHUNKS else "G0",
            "dropped": dropped if step.level == DROP else 0,
            "steps_up": self.steps_up,
            "steps_down": self.steps_down,
        }

    def hops_a_step(self, waiting: int) -> int:
        """Return how many of the hops that wait go into one step: a power of two, so that few shapes occur."""
        if self.level < CHUNKS:
            return 1
        most = max(1, min(waiting, self._most_hops_a_step))
        return 1 << (most.bit_length() - 1)

    def follow(self, waiting: int, *, heard: int, dropped: bool = False) -> tuple[Step, ...]:
        """Take note of the queue and return the steps that follow from it.

        Parameters
        ----------
        waiting : int
            Hops that wait.
        heard : int
            Hops computed since the last call; calm is counted in them.
        dropped : bool
            Whether hops were dropped since the last call.
        """
        if self.level == 0 and waiting < self._from_hops[CHUNKS] and not dropped:
            return ()
        wanted = DROP if dropped else sum(waiting >= limit for limit in self._from_hops[CHUNKS:DROP])
        if wanted > self.level:
            steps = tuple(Step(level, level + 1) for level in range(self.level, wanted))
            self.steps_up += len(steps)
            self.level, self._calm = wanted, 0
            return steps
        if waiting > self._from_hops[self.level] // 2 or dropped:
            self._calm = 0
            return (Step(DROP, DROP),) if dropped else ()  # each time that input is dropped is told
        self._calm += heard
        if self._calm < self._calm_hops:
            return ()
        self._calm = 0
        self.level -= 1
        self.steps_down += 1
        return (Step(self.level + 1, self.level),)
