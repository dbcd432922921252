"""The capture thread of a stream: from the source's blocks to hops, and what happens when the source goes away."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from rtstrf.clock import ClockWatch
from rtstrf.engine.ledger import Hop
from rtstrf.engine.realtime import deadline_thread
from rtstrf.errors import SoundError
from rtstrf.sound.pace import Paced
from rtstrf.sound.source import Block
from rtstrf.wire.message import Flags

if TYPE_CHECKING:
    from rtstrf.engine.stream import LiveStream, Session

READ_TIMEOUT_S = 0.1  # how soon a stop is noticed while a device is silent
RETRY_EVERY_S = 0.25  # how often a lost device is looked for


class Capture:
    """Read a source until it ends or the stream is stopped.

    Parameters
    ----------
    stream : LiveStream
    session : Session
    replayed : bool
        Whether the source begins only when the stream does.
    """

    def __init__(self, stream: LiveStream, session: Session, *, replayed: bool) -> None:
        self._stream = stream
        self._session = session
        self._replayed = replayed
        self._began = threading.Event()
        self._begin_at_ns: int | None = None
        self._leaving = False
        policy = session.config.engine.on_source_lost
        self._waits = stream.source.comes_back if policy is None else policy == "wait"
        self._lost = False
        self._watch = ClockWatch()

    def begin(self, at_ns: int | None) -> None:
        """Let a source without a clock of its own begin, at once or at a time on the monotonic clock."""
        self._begin_at_ns = at_ns
        self._began.set()

    def ask_to_stop(self) -> None:
        """Ask for the end; returns at once."""
        self._leaving = True
        self._began.set()

    def run(self) -> None:
        """Capture until the end; whatever goes wrong ends this stream, and no other."""
        stream, engine = self._stream, self._session.config.engine
        try:
            with deadline_thread(engine.affinity, engine.priority):
                self._capture()
        except BaseException as error:
            stream.fail(error)
        finally:
            stream.queue.close()

    def _capture(self) -> None:
        stream = self._stream
        self._wait_for_begin()
        while not self._stopping:
            block = self._read()
            if block is None:
                self._hand_over(stream.ledger.finish(time.monotonic_ns()))
                break
            self._take(block)
            self._look_at_clocks()
        else:
            if self._lost:
                now_ns = time.monotonic_ns()
                self._take(Block(np.empty(0, dtype=np.float32), now_ns, stream.ledger.unheard(now_ns)))

    @property
    def _stopping(self) -> bool:
        return self._leaving or self._session.stop.is_set()

    def _wait_for_begin(self) -> None:
        source = self._stream.source
        if source.live and not isinstance(source, Paced):
            return  # a device runs on; its sound is passed over until the start
        self._began.wait()
        if isinstance(source, Paced):
            source.start(self._begin_at_ns)

    def _read(self) -> Block | None:
        source = self._stream.source
        try:
            block = source.read(self._session.config.engine.block_samples, READ_TIMEOUT_S)
        except SoundError as error:
            if not self._waits:
                raise
            self._wait_for_return(error)
            return Block(np.empty(0, dtype=np.float32), time.monotonic_ns())
        if self._lost and block is not None and len(block.samples):
            return self._returned(block)
        return block

    def _take(self, block: Block) -> None:
        stream, position = self._stream, self._stream.ledger.position
        if block.lost_samples:
            stream.outlet.event("loss", samples=block.lost_samples, at_sample=position)
        stream.outlet.sound(block, position + block.lost_samples)
        self._hand_over(stream.ledger.book(block))

    def _hand_over(self, hops: list[Hop]) -> None:
        for hop in hops:
            self._stream.queue.put(hop, wait=self._stream.source.can_wait and not self._stopping)

    def _look_at_clocks(self) -> None:
        """Tell of a clock that stepped: the device's, as its samples show, or this machine's."""
        ledger = self._stream.ledger
        slept_ns, set_ns = self._watch.look()
        stepped_ns, ledger.clock_step_ns = ledger.clock_step_ns, 0
        for cause, step_ns in (("device", stepped_ns), ("sleep", slept_ns), ("wall clock", set_ns)):
            if step_ns:
                self._stream.outlet.event(
                    "clock_step", cause=cause, step_ms=round(step_ns / 1e6, 3), at_sample=ledger.position
                )
        if stepped_ns or slept_ns:
            inference = self._stream.inference
            self._session.handover.command(lambda: inference.flag_next(Flags.CLOCK_STEP))

    # --- devices come and go ----------------------------------------------------------------------------------------

    def _wait_for_return(self, error: SoundError) -> None:
        """Tell that the source is lost, once, and return when it can be opened again, or the stream is stopped."""
        stream = self._stream
        if not self._lost:
            self._lost = True
            stream.outlet.event("fault", what=error.what, remedy="connect it again: it is heard as soon as it is back")
            stream.set_lost(True)
        stream.source.close()
        while not self._session.stop.wait(RETRY_EVERY_S) and not self._leaving:
            try:
                stream.source.open()
            except SoundError:
                continue
            return

    def _returned(self, block: Block) -> Block:
        """Tell that sound comes again, and count what was not heard by the monotonic clock."""
        self._lost = False
        self._stream.set_lost(False)
        return self._stream.ledger.resume(block)
