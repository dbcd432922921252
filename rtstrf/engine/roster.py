"""The streams of a session: those it began with, those that come, and those that go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from rtstrf.config.live import StreamSection
from rtstrf.config.sources import make_source
from rtstrf.engine.outlet import Outlet
from rtstrf.engine.scheduler import Scheduler
from rtstrf.engine.stream import LiveStream, Session
from rtstrf.errors import ConfigError
from rtstrf.sound.source import Source
from rtstrf.wire.server import WireServer


class Roster:
    """Let streams come and go.

    Parameters
    ----------
    session : Session
    outlet : Outlet
        Of the whole session.
    server : WireServer
    scheduler : Scheduler
    status : callable
        ``status(name)`` returns what changes in a stream.

    Attributes
    ----------
    streams : dict of str to LiveStream
        By name, in the order they came; replaced whole, so that a reader needs no lock.
    told_of_added : callable
        Called with the name of each stream that is added, before it begins.

    Notes
    -----
    The number of lanes is that of the streams at the start and ``engine.spare_lanes``: it is fixed, since a step over
    more lanes is another step.
    """

    def __init__(
        self,
        session: Session,
        outlet: Outlet,
        server: WireServer,
        scheduler: Scheduler,
        status: Callable[[str], dict[str, Any]],
    ) -> None:
        self.streams: dict[str, LiveStream] = {}
        self._session = session
        self._outlet = outlet
        self._server = server
        self._scheduler = scheduler
        self._status = status
        self._changing = threading.Lock()
        self.told_of_added: Callable[[str], None] = lambda name: None

    @property
    def first(self) -> LiveStream:
        """The stream that is meant where none is named."""
        return next(iter(self.streams.values()))

    def begin_with(self, section: StreamSection, source: Source) -> None:
        """Make a stream of the session before it runs; the first is the one the server was made with."""
        stream = self._make(section, source)
        self._scheduler.add(stream)
        if self.streams:
            self._server.add_stream(stream.name, stream.greeting, partial(self._status, stream.name))
        self.streams = {**self.streams, stream.name: stream}

    def add(self, section: StreamSection, source: Source | None = None) -> LiveStream:
        """Add a stream while the session runs; what it hears begins with its source.

        Raises
        ------
        UserError
            If there is no lane left, the name is taken, or the source cannot be opened; nothing has changed then.
        """
        with self._changing:
            known = self.streams.get(section.name)
            if known is not None and known.state != "ended":
                raise ConfigError(f"there is a stream {section.name!r} already", remedy="give another name")
            if not self._session.batch.free_lanes:
                raise ConfigError(
                    f"all {self._session.batch.lanes} lanes are taken",
                    remedy="remove a stream first, or start with engine.spare_lanes",
                )
            if known is not None:
                self._take_out(known)
            stream = self._make(section, make_source(section.source) if source is None else source)
            try:
                stream.open()
            except BaseException:
                self._session.handover.remove(stream.queue)
                lane = stream.inference.lane
                self._session.handover.command(lambda: self._session.batch.release(lane))
                raise
            self._server.add_stream(stream.name, stream.greeting, partial(self._status, stream.name))
            self.streams = {**self.streams, stream.name: stream}
            self.told_of_added(stream.name)
            stream.begin()
            self._scheduler.add_later(stream)
            stream.start()
            return stream

    def remove(self, name: str) -> dict[str, Any]:
        """End a stream, tell what is left of it, and take it out; returns its last status."""
        with self._changing:
            stream = self.streams.get(name)
            if stream is None:
                raise ConfigError(f"no stream {name[:80]!r}", remedy=f"there are {', '.join(self.streams)}")
            if len(self.streams) == 1:
                raise ConfigError(f"{name!r} is the only stream", remedy="shutdown ends the session")
            stream.ask_to_stop()
            while not stream.ended.wait(0.1) and not self._session.stop.is_set():
                pass
            return self._take_out(stream)

    def _take_out(self, stream: LiveStream) -> dict[str, Any]:
        stream.close()
        status = stream.status()
        self._server.remove_stream(stream.name)
        self.streams = {name: other for name, other in self.streams.items() if other is not stream}
        return status

    def _make(self, section: StreamSection, source: Source) -> LiveStream:
        several = self._session.batch.lanes > 1
        outlet = self._outlet.of(section.name) if several else self._outlet
        return LiveStream(section.name, section.source, source, self._session, outlet, gain_db=section.gain_db)
