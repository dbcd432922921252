"""Where the picture ends: it follows the newest bin smoothly while live, and stands still while paused."""

from __future__ import annotations

CATCH_UP_S = 0.15
JUMP_S = 0.5


class Scroll:
    """The right edge of the picture, in bins.

    Rates come in bursts where the sound does. The edge runs at the pace of the clock instead, is drawn towards the
    newest bin, never passes it, and jumps where it is far off (a new run, a silent network, a replay at full speed).

    Attributes
    ----------
    live : bool
        Whether the edge follows the newest bin.
    edge : float
        Bin at which the picture ends.

    Examples
    --------
    >>> scroll = Scroll()
    >>> scroll.follow(1000, 0.005, now_s=0.0)
    >>> scroll.edge
    1000.0
    """

    def __init__(self) -> None:
        self.live = True
        self.edge = 0.0
        self._at_s: float | None = None

    def restart(self) -> None:
        """Begin anew, as for a new run."""
        self.live, self.edge, self._at_s = True, 0.0, None

    def follow(self, newest: int, bin_s: float, now_s: float) -> None:
        """Move the edge to where it belongs at `now_s`, if live."""
        if not self.live:
            return
        elapsed_s = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        moved = self.edge + elapsed_s / bin_s
        behind = newest - moved
        if abs(behind) * bin_s > JUMP_S or elapsed_s == 0.0:
            moved = float(newest) if abs(behind) * bin_s > JUMP_S else self.edge
        else:
            moved += behind * min(1.0, elapsed_s / CATCH_UP_S)
        self.edge = min(max(moved, self.edge if newest >= self.edge else 0.0), float(newest))

    def pause(self) -> None:
        """Stand still."""
        self.live = False

    def resume(self) -> None:
        """Follow the newest bin again."""
        self.live, self._at_s = True, None

    def move(self, bins: float, oldest: float, newest: float) -> None:
        """Pause and move the edge by some bins, within what is held."""
        self.pause()
        self.edge = min(max(self.edge + bins, min(oldest, newest)), newest)
