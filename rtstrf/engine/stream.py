"""One stream of a live session: a source, the ledger of its sound, its queue, and what is published of it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from rtstrf.clock import AudioClock, RunClock
from rtstrf.config.live import LiveConfig
from rtstrf.config.sources import PacedSourceSection, SourceSection
from rtstrf.engine.batch import Batch
from rtstrf.engine.capture import Capture
from rtstrf.engine.greeting import greeting
from rtstrf.engine.handover import Handover
from rtstrf.engine.inference import Inference
from rtstrf.engine.ledger import Ledger
from rtstrf.engine.outlet import Outlet
from rtstrf.engine.parameters import Parameters
from rtstrf.engine.spiking import Spiking
from rtstrf.errors import SoundError, UserError
from rtstrf.pipeline import make_framer
from rtstrf.sound.pace import Paced
from rtstrf.sound.source import Source, SourceInfo


@dataclass(frozen=True, slots=True)
class Session:
    """What the streams of a session share."""

    config: LiveConfig
    clock: RunClock
    batch: Batch
    handover: Handover
    parameters: Parameters
    stop: threading.Event


class LiveStream:
    """A stream, from its source to its rows.

    Parameters
    ----------
    name : str
        The second part of its topics.
    section : SourceSection
        What the configuration says of its source.
    source : Source
    session : Session
    outlet : Outlet
        Its own.
    gain_db : float
        Added to the level of its sound.

    Attributes
    ----------
    state : str
        ``armed``, ``running``, ``stopped``, ``source_lost`` or ``ended``.
    wanted : str
        The same, as it would be with its source there.
    failure : BaseException or None
        What ended it before its time.
    ended : threading.Event
        Set once its last message is out and its lane is free.
    """

    def __init__(
        self,
        name: str,
        section: SourceSection,
        source: Source,
        session: Session,
        outlet: Outlet,
        *,
        gain_db: float = 0.0,
    ) -> None:
        engine, batch = session.config.engine, session.batch
        self.name = name
        self.outlet = outlet
        self.failure: BaseException | None = None
        self.ended = threading.Event()
        self._session = session
        paced = not source.live and isinstance(section, PacedSourceSection)
        self.source = Paced(source, section.speed, stop=session.stop) if paced else source  # type: ignore[attr-defined]
        info = self.source.info
        self.framer = make_framer(info.rate_hz, batch.rate_hz, batch.hop_samples)
        self.ledger = Ledger(
            self.framer,
            batch.hop_samples,
            info.rate_hz,
            speed=self._speed(),
            conceal_samples=round(engine.conceal_ms * info.rate_hz / 1000),
        )
        self.queue = session.handover.add(engine.queue_hops, engine.overload.keep_hops)
        lane = batch.admit()
        units = batch.loaded.model.out_neurons
        self.spiking = Spiking(session.config.spikes, units, batch.hop_samples, batch.rate_hz, stream=lane)
        self.inference = Inference(
            batch,
            lane,
            self.queue,
            outlet,
            session.parameters,
            self.spiking,
            engine,
            session.clock,
            replayed=isinstance(section, PacedSourceSection),
            patient=self.source.can_wait,
            gain_db=gain_db,
        )
        self._capture = Capture(self, session, replayed=isinstance(self.source, Paced))
        self._thread: threading.Thread | None = None
        self._state_lock = threading.Lock()
        self.wanted = "armed"
        self._lost = False
        self._greeted_with: tuple[SourceInfo, dict[str, Any]] | None = None

    # --- life -------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the source."""
        self.source.open()

    def start(self) -> None:
        """Let it capture, on a thread of its own."""
        self._thread = threading.Thread(target=self._capture.run, name=f"rtstrf-capture-{self.name}", daemon=True)
        self._thread.start()

    def begin(self, at_ns: int | None = None) -> None:
        """Begin to hear, at once or at a time on the monotonic clock; what passes before is unheard."""
        self.inference.listen(from_ns=at_ns)
        self._capture.begin(at_ns)
        self.set_state("running")

    def pause(self, state: str) -> None:
        """Let sound pass unheard, on the inference thread."""
        self.inference.deafen()
        self.set_state(state)

    def end(self) -> None:
        """Publish the end, after the last hop; on the inference thread."""
        self.inference.finish(self.ledger.bins)
        self.set_state("ended")

    def ask_to_stop(self) -> None:
        """Ask its capture to end; returns at once."""
        self._capture.ask_to_stop()

    def close(self) -> None:
        """Wait for the end of its capture, and close all it has open."""
        self.ask_to_stop()
        if self._thread is not None:
            self._thread.join()
        self.source.close()

    def fail(self, error: BaseException) -> None:
        """Take note of what ends it before its time."""
        self.failure = self.failure or error
        if isinstance(error, UserError):
            self.outlet.event("fault", what=error.what, remedy=error.remedy)
        if isinstance(error, SoundError):
            self.set_lost(True)

    # --- what is told -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """What it is doing, in a word."""
        return "source_lost" if self._lost and self.wanted != "ended" else self.wanted

    def set_state(self, state: str) -> None:
        """Change what it is to do, and tell it where it is another state."""
        with self._state_lock:
            previous, self.wanted = self.state, state
            self._tell(previous)

    def set_lost(self, lost: bool) -> None:
        """Take note of whether its source is there."""
        with self._state_lock:
            previous, self._lost = self.state, lost
            self._tell(previous)

    def _tell(self, previous: str) -> None:
        if self.state != previous:
            self.outlet.event("state", state=self.state, previous=previous)

    @property
    def source_name(self) -> str:
        """The sound, as a person would name it."""
        return f"{self.source.info.kind} {self.source.info.name!r}"

    def status(self) -> dict[str, Any]:
        """Return what changes; read from other threads."""
        ledger, source = self.ledger, self.source
        return {
            "state": self.state,
            **self.inference.status(),
            "xruns": source.xruns,
            "non_finite_samples": source.non_finite_samples,
            "samples_in": ledger.samples_in,
            "samples_lost": ledger.samples_lost,
            "sinks_lost": self.outlet.sinks.lost(),
            **_clock_facts(ledger.clock),
        }

    def greeting(self) -> dict[str, Any]:
        """Return what stays the same, made anew only where opening the source has told more of it."""
        info = self.source.info
        if self._greeted_with is None or self._greeted_with[0] is not info:
            session = self._session
            self._greeted_with = info, greeting(session.config, session.batch, self.framer, info, self.spiking)
        return self._greeted_with[1]

    def mark_now(self) -> dict[str, int]:
        """Return the sample of the model's clock that is being captured now, its bin, and the time."""
        batch, now_ns = self._session.batch, time.monotonic_ns()
        sample = int(self.ledger.sample_at(now_ns) * batch.rate_hz / self.source.info.rate_hz)
        return {"s": sample, "bin": sample // batch.hop_samples, "t": now_ns - self._session.clock.start_ns}

    def _speed(self) -> float | None:
        if isinstance(self.source, Paced):
            return self.source.speed
        return 1.0 if self.source.live else None


def _clock_facts(clock: AudioClock | None) -> dict[str, float | None]:
    if clock is None:
        return dict.fromkeys(("drift_ppm", "clock_offset_ms", "clock_uncertainty_ms"))
    return {
        "drift_ppm": round(clock.drift_ppm, 3),
        "clock_offset_ms": round(clock.offset_ns / 1e6, 4),
        "clock_uncertainty_ms": round(clock.uncertainty_ns / 1e6, 4),
    }
