"""A fault, what was injected, and what was announced of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Row:
    """The outcome of a fault.

    Attributes
    ----------
    fault : str
    injected, announced : dict
        The same figures, from whoever caused the loss and from whoever told of it.
    checks : dict of str to bool
        What else must hold for it to be survived.
    recovery_s : float or None
        From the end of the fault to the first message after which all are well.
    skipped : str or None
        Why it could not be injected.
    notes : dict
        Figures that nothing depends on.
    """

    fault: str
    injected: dict[str, Any] = field(default_factory=dict)
    announced: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, bool] = field(default_factory=dict)
    recovery_s: float | None = None
    skipped: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether what was announced is what was injected."""
        return self.skipped is None and self.injected == self.announced

    @property
    def survived(self) -> bool:
        """Whether all else holds too."""
        return self.skipped is None and all(self.checks.values())

    @property
    def good(self) -> bool:
        """Whether nothing is wrong; a fault that could not be injected, for a reason, is not wrong."""
        return self.skipped is not None or (self.equal and self.survived)

    def as_dict(self) -> dict[str, Any]:
        """Return what is written down."""
        return {
            "fault": self.fault, "injected": self.injected, "announced": self.announced, "equal": self.equal,
            "survived": self.survived, "recovery_s": None if self.recovery_s is None else round(self.recovery_s, 3),
            "checks": self.checks, "skipped": self.skipped, "notes": self.notes,
        }  # fmt: skip


def bins_unheard(losses: Iterable[tuple[int, int]], hop_samples: int, conceal_samples: int) -> int:
    """Return how many bins hold nothing but lost samples, of losses too long to be concealed.

    Parameters
    ----------
    losses : iterable of (at_sample, samples)
    hop_samples, conceal_samples : int

    Examples
    --------
    >>> bins_unheard([(100, 20), (250, 1000)], 240, 480)
    3
    """
    return sum(
        max(0, (at + samples) // hop_samples - -(-at // hop_samples))
        for at, samples in losses
        if samples > conceal_samples
    )


def bins_concealed(losses: Iterable[tuple[int, int]], hop_samples: int, conceal_samples: int) -> list[int]:
    """Return the bins that hold some lost samples and are published nevertheless, in order.

    Examples
    --------
    >>> bins_concealed([(100, 20), (250, 1000)], 240, 480)
    [0, 1, 5]
    """
    found: set[int] = set()
    for at, samples in losses:
        for index in range(at // hop_samples, -(-(at + samples) // hop_samples)):
            whole = at <= index * hop_samples and (index + 1) * hop_samples <= at + samples
            if not (whole and samples > conceal_samples):
                found.add(index)
    return sorted(found)
