"""The contract of what takes the stream inside the engine's process, never behind a socket."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtstrf.sound.source import Block


class Sink:
    """Something that takes what the engine tells; every method does nothing unless a subclass says otherwise.

    Attributes
    ----------
    name : str
        As a person would name it, in events and messages.
    immediate : bool
        Called on the engine's own threads, between computing and sending, and so allowed microseconds only, and to
        wait for nobody. Anything else is called on a thread of its own, behind a bounded queue (`rtstrf.sinks.queued`).
    patient : bool
        May be called some hundredths of a second late: its thread is not woken for every call then, which costs the
        engine tens of microseconds each time.

    Notes
    -----
    The order of calls is `open`, then the others as things happen, then `close`. What a method raises ends this sink
    and is told as an event; the stream goes on.
    """

    name: str = "sink"
    immediate: bool = False
    patient: bool = False

    def open(self, greeting: dict[str, Any]) -> None:
        """Begin: the greeting says all that stays the same in a run (docs/protocol.md, hello)."""

    def sound(self, block: Block, at_sample: int) -> None:
        """Take a block as the source gave it.

        Parameters
        ----------
        block : Block
            Its samples are float32 pascals; the ones it lost come before them.
        at_sample : int
            Position on the source's clock of the first sample of the block, lost ones included.
        """

    def rows(self, kind: str, header: dict[str, Any], rows: np.ndarray) -> None:
        """Take what is published of one or more bins.

        Parameters
        ----------
        kind : str
            ``rates``, ``spectrogram``, ``onoff``, ``level`` or ``spikes``.
        header : dict
            Fields of docs/protocol.md from ``i0`` on; times in nanoseconds since the run started.
        rows : ndarray, shape (bins, width), float32
            Not to be written to; the sink may keep it.
        """

    def event(self, name: str, t_ns: int, details: dict[str, Any]) -> None:
        """Take an event: a mark, a change of state, a loss; `t_ns` since the run started."""

    def missed(self, calls: int) -> None:
        """Take notice that as many calls did not arrive, since this sink was slower than the stream."""

    def idle(self) -> None:
        """Take a moment in which nothing else comes: every quarter of a second of it, and not where `immediate`."""

    def close(self) -> None:
        """End: complete what was begun. Called once, also after a failure."""
