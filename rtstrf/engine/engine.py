"""The live engine: sound in on one thread a stream, rates out on another, the network on a third.

    source ─► capture thread ─► HopQueue ─► inference thread ─► WireServer's thread ─► clients
               Ledger: samples    bounded     Batch: rates       bounded queue

Nobody waits for anybody downstream. What is lost on the way is counted where it is lost and told in the next message.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rtstrf.checkpoints.load import load_model
from rtstrf.clock import RunClock
from rtstrf.config.live import LiveConfig, StreamSection
from rtstrf.config.sources import make_source
from rtstrf.engine.batch import Batch
from rtstrf.engine.commands import Commands
from rtstrf.engine.handover import Handover
from rtstrf.engine.outlet import Outlet
from rtstrf.engine.parameters import Parameters
from rtstrf.engine.realtime import LIMITS_HINT, deadline_thread
from rtstrf.engine.recordings import Recordings
from rtstrf.engine.roster import Roster
from rtstrf.engine.scheduler import Scheduler
from rtstrf.engine.stream import LiveStream, Session
from rtstrf.sinks.make import make_sinks
from rtstrf.sinks.sink import Sink
from rtstrf.sound.source import Source
from rtstrf.wire.server import WireServer

WARM_UP_STEPS = 20


class Engine:
    """A live session from its configuration.

    Parameters
    ----------
    config : LiveConfig
    source : Source or mapping of str to Source, optional
        In place of the one that the configuration names; of several streams, by their names.
    sinks : sequence of Sink, optional
        What else in this process takes the stream, beside what the configuration names.

    Attributes
    ----------
    roster : Roster
        Adds and removes streams while it runs.

    Notes
    -----
    States of a stream: ``armed`` (waiting for start), ``running``, ``stopped`` (by a client), ``source_lost`` (a device
    is away, or a file failed), ``ended``, after which nothing follows. Each change is an event on the wire. The session
    ends with its last stream.

    Raises
    ------
    UserError
        If the model, the source or an endpoint cannot be used; nothing is left open then.

    Examples
    --------
    >>> from rtstrf.config.live import LiveConfig
    >>> from rtstrf.config.load import load_config
    >>> keys = ["source.kind=tone", "source.duration_s=0.1", "wire.data=tcp://127.0.0.1:0", "wire.control=tcp://127.0.0.1:0"]
    >>> engine = Engine(load_config(LiveConfig, None, keys))
    >>> engine.run()
    >>> engine.status()["state"], engine.status()["bins"]
    ('ended', 20)
    """

    def __init__(
        self, config: LiveConfig, source: Source | Mapping[str, Source] | None = None, sinks: Sequence[Sink] = ()
    ) -> None:
        self.config = config
        self.clock = RunClock()
        sections = config.streams or (StreamSection(name=config.wire.stream, source=config.source),)
        given = source if isinstance(source, Mapping) else {sections[0].name: source} if source is not None else {}
        sources = [given[each.name] if each.name in given else make_source(each.source) for each in sections]
        self._stop = threading.Event()
        self.loaded = load_model(config.model)
        self.batch = Batch(
            self.loaded,
            len(sections) + config.engine.spare_lanes,
            show_onoff="onoff" in config.wire.topics,
            device=config.device,
            backend=config.backend,
            threads=config.engine.threads,
        )
        self.handover = Handover()
        self.parameters = Parameters(config)
        first = sections[0].name
        self.server = WireServer(
            config.wire.data,
            config.wire.control,
            first,
            clock=self.clock,
            hello=lambda: self.streams[first].greeting(),
            status=partial(self.status, first),
            handle=Commands(self).handle,
            queue_messages=config.wire.queue_messages,
            hold_messages=config.wire.hold_messages * len(sections),
            insecure_lan=config.wire.insecure_lan,
            keys=config.wire.keys,
        )
        configured = make_sinks(config.triggers, config.sinks, self._tell, self.parameters.triggers.__getitem__)
        self.outlet = Outlet(self.server, self.clock, [*sinks, *configured])
        session = Session(config, self.clock, self.batch, self.handover, self.parameters, self._stop)
        self._scheduler = Scheduler(self.handover, self.batch)
        self.roster = Roster(session, self.outlet, self.server, self._scheduler, self.status)
        for section, each in zip(sections, sources, strict=True):
            self.roster.begin_with(section, each)
        self.recordings = Recordings(config.record, self.outlet, lambda: self.streams, self._told_sinks)
        self.roster.told_of_added = self.recordings.stream_comes
        self._failure: BaseException | None = None
        self._finished = threading.Event()
        self._inference_thread: threading.Thread | None = None

    # --- life ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Start, wait for the end of the sound or for `request_stop`, and stop; raises what made the source fail."""
        self.start()
        try:
            self.wait()
        finally:
            self.stop()

    def wait(self) -> None:
        """Wait until the sound has ended, or somebody asked for the end, and what was captured is answered."""
        while not self._finished.wait(0.2):  # short waits, so that a signal's handler gets its turn everywhere
            pass

    @property
    def ended(self) -> bool:
        """Whether everything that was captured has been answered, and nothing more will be."""
        return self._finished.is_set()

    @property
    def source_name(self) -> str:
        """The sound, as a person would name it."""
        return ", ".join(stream.source_name for stream in self.streams.values())

    def start(self) -> None:
        """Warm up, bind the endpoints, open the sources, and begin unless the configuration says to wait."""
        self.batch.warm_up(WARM_UP_STEPS, self.config.engine.overload.most_hops_a_step)
        self.server.start()
        try:
            for stream in self.streams.values():
                stream.open()
            self.outlet.sinks.open(self._told_sinks())
            if self.config.record.folder is not None and self.config.record.autostart:
                self.recordings.start()
        except BaseException:
            self.stop()
            raise
        if self.config.engine.autostart:
            self.begin()
        for stream in self.streams.values():
            stream.start()
        self._inference_thread = threading.Thread(target=self._infer, name="rtstrf-inference", daemon=True)
        self._inference_thread.start()

    def begin(self, at_ns: int | None = None) -> None:
        """Begin to hear, at once or at a time in nanoseconds since the run started; what passes before is unheard."""
        for stream in self.streams.values():
            stream.begin(None if at_ns is None else self.clock.start_ns + at_ns)

    def request_stop(self) -> None:
        """Ask for the end; returns at once, and may be called from a signal handler or any thread."""
        self._stop.set()
        for stream in tuple(self.streams.values()):
            stream.ask_to_stop()

    def stop(self) -> None:
        """End the session: what is captured is still answered, then everything is closed; raises a source's failure."""
        self.request_stop()
        if self._inference_thread is not None:
            self._inference_thread.join()
        for stream in self.streams.values():
            stream.close()
        self.outlet.sinks.close()
        self.server.stop()
        failures = [self._failure, *(stream.failure for stream in self.streams.values())]
        self._failure = None
        for stream in self.streams.values():
            stream.failure = None
        for failure in failures:
            if failure is not None:
                raise failure

    def _infer(self) -> None:
        config = self.config.engine
        try:
            with deadline_thread(config.affinity, config.priority) as facts:
                for sentence in facts.refused:
                    self.outlet.event("fault", what=f"not granted: {sentence}", remedy=LIMITS_HINT)
                self._scheduler.run()
        except BaseException as error:
            self._failure = error
        finally:
            self._stop.set()
            self.handover.close()
            self._finished.set()

    # --- streams ------------------------------------------------------------------------------------------------

    @property
    def streams(self) -> Mapping[str, LiveStream]:
        """The streams there are, by name."""
        return self.roster.streams

    @property
    def first(self) -> LiveStream:
        """The stream that is meant where none is named."""
        return self.roster.first

    @property
    def outlet_is_shared(self) -> bool:
        """Whether there may be several streams, so that what is told must name its own."""
        return self.batch.lanes > 1

    def _told_sinks(self) -> dict[str, Any]:
        """Return the greeting of a sink: of the first stream, and the sources of all where there may be several."""
        told = {**self.first.greeting(), "run": self.server.run, "anchor": self.clock.anchor()}
        if self.outlet_is_shared:
            told["streams"] = {name: stream.greeting()["source"] for name, stream in self.streams.items()}
        return told

    # --- what is told -------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """What the first stream is doing."""
        return self.first.state

    def _tell(self, stream: str | None, name: str, details: dict[str, Any]) -> None:
        """Tell of what a sink saw, as an event of its stream."""
        outlet = self.outlet if stream is None else self.streams[stream].outlet
        outlet.event(name, **details)

    def status(self, stream: str | None = None) -> dict[str, Any]:
        """Return what changes in a run, of the first stream or the one named."""
        told = (self.first if stream is None else self.streams[stream]).status()
        return {**told, "recording": self.recordings.current}
