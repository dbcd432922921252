"""Everything the engine tells goes through here: to the network, and to the sinks of this process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from rtstrf.clock import RunClock
from rtstrf.errors import RtstrfError
from rtstrf.sinks.sink import Sink
from rtstrf.sinks.sinks import Sinks
from rtstrf.sound.source import Block
from rtstrf.wire.server import WireServer


class Outlet:
    """Tell the wire and the sinks the same.

    Parameters
    ----------
    server : WireServer
    clock : RunClock
    sinks : iterable of Sink

    Notes
    -----
    Sinks come first: a trigger in this process need not wait for the network. None of the calls waits for anybody.
    """

    def __init__(self, server: WireServer, clock: RunClock, sinks: Iterable[Sink] = ()) -> None:
        self._server = server
        self._clock = clock
        self.sinks = Sinks(sinks, self._sink_failed)

    def sound(self, block: Block, at_sample: int) -> None:
        """Hand the sinks a block as it was captured; it does not go on the wire."""
        self.sinks.sound(block, at_sample)

    def rows(self, kind: str, header: dict[str, Any], rows: np.ndarray) -> None:
        """Publish rows of a topic, (bins, width) float32, under the fields of docs/protocol.md from ``i0`` on."""
        self.sinks.rows(kind, header, rows)
        self._server.submit(kind, header, rows)

    def event(self, name: str, **details: Any) -> None:
        """Tell that something happened."""
        self.sinks.event(name, self._clock.now_ns(), details)
        self._server.event(name, **details)

    def _sink_failed(self, sink: Sink, error: Exception) -> None:
        what = error.what if isinstance(error, RtstrfError) else f"{type(error).__name__}: {error}"
        remedy = error.remedy if isinstance(error, RtstrfError) else None
        self.event("fault", what=f"{sink.name} has ended: {what}", remedy=remedy)
