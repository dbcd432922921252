"""The live engine: sound in on one thread, rates out on another, the network on a third.

    source ─► capture thread ─► Handover ─► inference thread ─► WireServer's thread ─► clients
               Ledger: samples    bounded     Pipeline: rates      bounded queue

Nobody waits for anybody downstream. What is lost on the way is counted where it is lost and told in the next message.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from rtstrf.checkpoints.load import load_model
from rtstrf.clock import RunClock
from rtstrf.config.live import LiveConfig
from rtstrf.config.sources import PacedSourceSection, make_source
from rtstrf.engine.commands import Commands
from rtstrf.engine.greeting import greeting
from rtstrf.engine.handover import Handover
from rtstrf.engine.inference import Inference
from rtstrf.engine.keeper import SoundKeeper
from rtstrf.engine.ledger import Hop, Ledger
from rtstrf.engine.outlet import Outlet
from rtstrf.engine.parameters import Parameters
from rtstrf.errors import SoundError, UserError
from rtstrf.pipeline import Pipeline
from rtstrf.sinks.sink import Sink
from rtstrf.sound.pace import Paced
from rtstrf.sound.source import Block, Source, SourceInfo
from rtstrf.wire.server import WireServer

READ_TIMEOUT_S = 0.1  # how soon a stop is noticed while a device is silent


class Engine:
    """A live session from its configuration.

    Parameters
    ----------
    config : LiveConfig
    source : Source, optional
        In place of the one that the configuration names.
    sinks : sequence of Sink, optional
        What else in this process takes the stream, beside what the configuration names.

    Notes
    -----
    States: ``armed`` (waiting for start), ``running``, ``stopped`` (by a client), ``source_lost`` (a device or file
    failed), ``ended``. Each change is an event on the wire.

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

    def __init__(self, config: LiveConfig, source: Source | None = None, sinks: Sequence[Sink] = ()) -> None:
        self.config = config
        self.clock = RunClock()
        self._stop = threading.Event()
        self._source = self._paced(make_source(config.source) if source is None else source)
        self._info = self._source.info
        self.pipeline = Pipeline(
            load_model(config.model),
            source_rate_hz=self._info.rate_hz,
            show_onoff="onoff" in config.wire.topics,
            device=config.device,
        )
        self.ledger = Ledger(
            self.pipeline.framer,
            self.pipeline.hop_samples,
            self._info.rate_hz,
            speed=self._speed(),
            conceal_samples=round(config.engine.conceal_ms * self._info.rate_hz / 1000),
        )
        self.handover = Handover(config.engine.queue_hops)
        self.parameters = Parameters(config)
        self.server = WireServer(
            config.wire.data,
            config.wire.control,
            config.wire.stream,
            clock=self.clock,
            hello=self._greeting,
            status=self.status,
            handle=Commands(self).handle,
            queue_messages=config.wire.queue_messages,
            insecure_lan=config.wire.insecure_lan,
        )
        self.outlet = Outlet(self.server, self.clock, sinks)
        self.inference = Inference(
            self.pipeline, self.outlet, self.parameters, config.engine, self.clock, self.handover, self._is_replayed()
        )
        self.state = "armed"
        self._begin = threading.Event()
        self._begin_at_ns: int | None = None
        self._failure: BaseException | None = None
        self._finished = threading.Event()
        self._threads: list[threading.Thread] = []
        self._keeper: SoundKeeper | None = None
        self.keeping_failed: str | None = None
        self._greeted_with: tuple[SourceInfo, dict[str, Any]] | None = None

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
        return f"{self._info.kind} {self._info.name!r}"

    @property
    def source_rate_hz(self) -> int:
        """Samples per second of the source's clock."""
        return self._info.rate_hz

    def start(self) -> None:
        """Warm up, bind the endpoints, open the source, and begin unless the configuration says to wait."""
        self.pipeline.runner.warm_up(times=20)
        self.server.start()
        try:
            self._source.open()
            if self.config.engine.keep_sound is not None:
                self._keeper = SoundKeeper(self.config.engine.keep_sound, self._info.rate_hz)
            self.outlet.sinks.open({**self._greeting(), "run": self.server.run, "anchor": self.clock.anchor()})
        except BaseException:
            self.stop()
            raise
        if self.config.engine.autostart:
            self.begin()
        for name, target in (("rtstrf-capture", self._capture), ("rtstrf-inference", self._infer)):
            thread = threading.Thread(target=target, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def begin(self, at_ns: int | None = None) -> None:
        """Begin to hear, at once or at a time in nanoseconds since the run started; what passes before is unheard."""
        absolute = None if at_ns is None else self.clock.start_ns + at_ns
        self._begin_at_ns = absolute
        self.inference.listen(from_ns=absolute)
        self._begin.set()
        self.set_state("running")

    def request_stop(self) -> None:
        """Ask for the end; returns at once, and may be called from a signal handler or any thread."""
        self._stop.set()
        self._begin.set()

    def stop(self) -> None:
        """End the session: what is captured is still answered, then everything is closed; raises a source's failure."""
        self.request_stop()
        for thread in self._threads:
            thread.join()
        self._source.close()
        if self._keeper is not None:
            self._keeper.close()
        self.outlet.sinks.close()
        self.server.stop()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    # --- the two threads ----------------------------------------------------------------------------------------

    def _capture(self) -> None:
        try:
            self._wait_for_begin()
            while not self._stop.is_set():
                block = self._source.read(self.config.engine.block_samples, READ_TIMEOUT_S)
                if block is None:
                    self._hand_over(self.ledger.finish(time.monotonic_ns()))
                    break
                if block.lost_samples:
                    self.outlet.event("loss", samples=block.lost_samples, at_sample=self.ledger.position)
                self.outlet.sound(block, self.ledger.position + block.lost_samples)
                self._hand_over(self.ledger.book(block))
                self._keep(block)
        except BaseException as error:
            self._fail(error)
        finally:
            self.handover.close()

    def _keep(self, block: Block) -> None:
        if self._keeper is None:
            return
        try:
            self._keeper.write(block)
        except (OSError, RuntimeError) as error:  # a full disk ends the keeping, not the stream
            self._keeper.abandon()
            self._keeper = None
            self.keeping_failed = f"the sound was not kept: {error}"
            self.outlet.event("fault", what=self.keeping_failed, remedy="make room on the disk")

    def _hand_over(self, hops: list[Hop]) -> None:
        for hop in hops:
            self.handover.put(hop, wait=self._source.can_wait and not self._stop.is_set())

    def _infer(self) -> None:
        try:
            self.inference.run()
            self.inference.finish(self.ledger.bins)
            if self.state != "source_lost":
                self.set_state("ended")
        except BaseException as error:
            self._fail(error)
        finally:
            self._stop.set()
            self.handover.close()
            self._finished.set()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        if isinstance(error, UserError):
            self.outlet.event("fault", what=error.what, remedy=error.remedy)
        if isinstance(error, SoundError):
            self.set_state("source_lost")

    def _wait_for_begin(self) -> None:
        if self._source.live and not isinstance(self._source, Paced):
            return  # a device runs on; its sound is passed over until the start
        self._begin.wait()
        if isinstance(self._source, Paced):
            self._source.start(self._begin_at_ns)

    def set_state(self, state: str) -> None:
        """Change the state, and tell it where it is another."""
        if state != self.state:
            previous, self.state = self.state, state
            self.outlet.event("state", state=state, previous=previous)

    # --- what is told -------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Return what changes in a run, for heartbeats, the status command and the end of a session."""
        ledger = self.ledger
        return {
            "state": self.state,
            **self.inference.status(),
            "queue": len(self.handover),
            "dropped_hops": self.handover.dropped_hops,
            "xruns": self._source.xruns,
            "non_finite_samples": self._source.non_finite_samples,
            "samples_in": ledger.samples_in,
            "samples_lost": ledger.samples_lost,
            "sinks_lost": self.outlet.sinks.lost(),
            "drift_ppm": round(ledger.clock.drift_ppm, 3) if ledger.clock is not None else None,
        }

    def _greeting(self) -> dict[str, Any]:
        """Return the greeting, made anew only where opening the source has told more of it."""
        info = self._source.info
        if self._greeted_with is None or self._greeted_with[0] is not info:
            self._greeted_with = info, greeting(self.config, self.pipeline, info)
        return self._greeted_with[1]

    def _paced(self, source: Source) -> Source:
        section = self.config.source
        if source.live or not isinstance(section, PacedSourceSection):
            return source
        return Paced(source, section.speed, stop=self._stop)

    def _speed(self) -> float | None:
        if isinstance(self._source, Paced):
            return self._source.speed
        return 1.0 if self._source.live else None

    def _is_replayed(self) -> bool:
        return isinstance(self.config.source, PacedSourceSection)
