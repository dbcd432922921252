"""Everything the engine tells goes through here: to the network, and to the sinks of this process."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
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
    sinks : Sinks or iterable of Sink

    Attributes
    ----------
    stream : str or None
        Whose outlet it is, where there are several streams; headers, events and blocks bear it then.

    Notes
    -----
    Sinks come first: a trigger in this process need not wait for the network. None of the calls waits for anybody.
    """

    def __init__(self, server: WireServer, clock: RunClock, sinks: Sinks | Iterable[Sink] = ()) -> None:
        self._server = server
        self._clock = clock
        self.sinks = sinks if isinstance(sinks, Sinks) else Sinks(sinks, self._sink_failed)
        self.stream: str | None = None

    def of(self, stream: str) -> Outlet:
        """Return the outlet of one of several streams; the sinks are the same."""
        outlet = Outlet(self._server, self._clock, self.sinks)
        outlet.stream = stream
        return outlet

    def sound(self, block: Block, at_sample: int) -> None:
        """Hand the sinks a block as it was captured; it does not go on the wire."""
        self.sinks.sound(block if self.stream is None else replace(block, stream=self.stream), at_sample)

    def rows(self, kind: str, header: dict[str, Any], rows: np.ndarray) -> None:
        """Publish rows of a topic, (bins, width) float32, under the fields of docs/protocol.md from ``i0`` on."""
        if self.stream is None:
            self.sinks.rows(kind, header, rows)
            self._server.submit(kind, header, rows)
        else:
            self.sinks.rows(kind, {**header, "stream": self.stream}, rows)
            self._server.submit(kind, header, rows, stream=self.stream)

    def event(self, name: str, **details: Any) -> None:
        """Tell that something happened."""
        if self.stream is None:
            self.sinks.event(name, self._clock.now_ns(), details)
            self._server.event(name, **details)
        else:
            self.sinks.event(name, self._clock.now_ns(), {**details, "stream": self.stream})
            self._server.event(name, stream=self.stream, **details)

    def _sink_failed(self, sink: Sink, error: Exception) -> None:
        what = error.what if isinstance(error, RtstrfError) else f"{type(error).__name__}: {error}"
        remedy = error.remedy if isinstance(error, RtstrfError) else None
        self.event("fault", what=f"{sink.name} has ended: {what}", remedy=remedy)
