"""What all panels show at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class View:
    """What all panels show at one moment.

    Attributes
    ----------
    stop : int
        Column of pixels at which the picture ends.
    bins_per_column : float
    width_px : int
        Columns in view, in pixels of the screen.
    span_s : float
    bin_s : float
    live : bool
        False while paused or scrolled back.
    """

    stop: int
    bins_per_column: float
    width_px: int
    span_s: float
    bin_s: float
    live: bool

    @property
    def stop_bin(self) -> float:
        """Bin at which the picture ends."""
        return self.stop * self.bins_per_column

    @property
    def stop_s(self) -> float:
        """Time in the run at which the picture ends."""
        return self.stop_bin * self.bin_s

    @property
    def bins(self) -> tuple[int, int]:
        """Whole bins in view: [start, stop)."""
        return int(self.stop_bin - self.width_px * self.bins_per_column), int(self.stop_bin)
