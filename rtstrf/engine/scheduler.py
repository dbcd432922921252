"""The inference thread: which streams are stepped together, and when."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rtstrf.engine.batch import Batch
from rtstrf.engine.handover import Handover
from rtstrf.engine.portion import Portion

if TYPE_CHECKING:
    from rtstrf.engine.stream import LiveStream


class Scheduler:
    """Step whatever is ready, and never wait for what is not.

    Parameters
    ----------
    handover : Handover
    batch : Batch

    Notes
    -----
    In a turn each stream that has sound gives one hop, or several where it must catch up; those that give as many go
    into one step. While a step is computed the next hops come in, so that the more there is to do, the more of it is
    done at once.
    """

    def __init__(self, handover: Handover, batch: Batch) -> None:
        self._handover = handover
        self._batch = batch
        self._streams: tuple[LiveStream, ...] = ()

    def add(self, stream: LiveStream) -> None:
        """Step one more stream from now on; on the inference thread, or before it runs."""
        self._streams = (*self._streams, stream)

    def add_later(self, stream: LiveStream) -> None:
        """Step one more stream from the next turn on; from any thread."""
        self._handover.command(lambda: self.add(stream))

    def run(self) -> None:
        """Work until the last stream has ended."""
        while work := self._handover.wait():
            if callable(work):
                work()
            else:
                self._turn()

    def _turn(self) -> None:
        together: dict[int, list[tuple[LiveStream, Portion]]] = {}
        for stream in self._streams:
            closed = stream.queue.closed  # read before its length: nothing is put after it
            if len(stream.queue):
                portion = stream.inference.take()
                if portion is not None:
                    together.setdefault(len(portion.hops), []).append((stream, portion))
            elif closed:
                self._end(stream)
        for group in together.values():
            began_ns = time.perf_counter_ns()
            lanes = [stream.inference.lane for stream, _ in group]
            heard = self._batch.hear(lanes, [portion.sound_pa for _, portion in group])
            computing_ns = time.perf_counter_ns() - began_ns
            for (stream, portion), each in zip(group, heard):  # noqa: B905
                stream.inference.publish(portion, each, computing_ns)

    def _end(self, stream: LiveStream) -> None:
        self._streams = tuple(other for other in self._streams if other is not stream)
        self._handover.remove(stream.queue)
        try:
            stream.end()
        finally:
            self._batch.release(stream.inference.lane)
            stream.ended.set()
