"""What was received, by bin: one ring a topic, with gaps as NaN. Numpy only; window, terminal and poster read it."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rtstrf.display.greeting import Greeting, read_greeting

TOPICS = ("rates", "spectrogram", "onoff", "level", "spikes")
"""Kinds of message that are kept, each with one row a bin; of spikes their counts."""

MAX_CHANNELS = 8192


class MessageLike(Protocol):
    """What the display reads of a message (`rtstrf.wire.message.Message` is one)."""

    @property
    def kind(self) -> str:
        """``rates``, ``hello``..."""

    @property
    def header(self) -> dict[str, Any]:
        """Fields of the header."""

    @property
    def array(self) -> np.ndarray | None:
        """Shape (n, m), float32, one row a bin."""

    @property
    def t_recv_ns(self) -> int:
        """Local monotonic clock at reception."""


class Ring:
    """The last bins of one topic.

    Parameters
    ----------
    capacity_bins, channels : int

    Attributes
    ----------
    start, stop : int
        Bins held: [start, stop). Bins never received in between are NaN.

    Examples
    --------
    >>> ring = Ring(4, 1)
    >>> ring.write(10, np.ones((1, 1)))
    >>> ring.write(12, np.ones((1, 1)))
    >>> ring.read(9, 14)[:, 0].tolist()
    [nan, 1.0, nan, 1.0, nan]
    """

    def __init__(self, capacity_bins: int, channels: int) -> None:
        self.capacity_bins = capacity_bins
        self.channels = channels
        self._rows = np.full((capacity_bins, channels), np.nan, np.float32)
        self._first: int | None = None
        self.stop = 0

    @property
    def start(self) -> int:
        """First bin held."""
        return self.stop if self._first is None else max(self._first, self.stop - self.capacity_bins)

    def write(self, i0: int, rows: np.ndarray) -> None:
        """Put rows in place of the bins from `i0`; bins skipped become NaN, bins too old are ignored.

        Parameters
        ----------
        i0 : int
        rows : ndarray, shape (n, channels)
        """
        if len(rows) == 0:
            return
        if self._first is None or i0 - self.stop >= self.capacity_bins:
            self._rows[:] = np.nan
            self._first = self.stop = i0
        if i0 > self.stop:
            self._rows[np.arange(self.stop, i0) % self.capacity_bins] = np.nan
        stop = max(self.stop, i0 + len(rows))
        first = max(i0, stop - self.capacity_bins, self._first)
        bins = np.arange(first, i0 + len(rows))
        self._rows[bins % self.capacity_bins] = rows[first - i0 :] if bins.size else rows[:0]
        self.stop = stop

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the bins [start, stop), NaN where there are none: shape (stop - start, channels), float32."""
        held = np.arange(max(start, self.start), max(min(stop, self.stop), max(start, self.start)))
        if len(held) == stop - start:
            return self._rows[held % self.capacity_bins]
        out = np.full((max(stop - start, 0), self.channels), np.nan, np.float32)
        if held.size:
            out[held - start] = self._rows[held % self.capacity_bins]
        return out


def counts(message: MessageLike) -> np.ndarray | None:
    """Return how often each unit fired in each bin, (n, units) float32; None where the message does not tell."""
    slots, spikes = message.header.get("slots"), message.array
    if spikes is None or not isinstance(slots, int) or slots < 1 or spikes.shape[1] % slots:
        return None
    return (spikes.reshape(len(spikes), slots, -1) >= 0).sum(axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment that somebody marked, or at which a trigger fired.

    Attributes
    ----------
    bin : int
    label : str
    """

    bin: int
    label: str


class History:
    """The last `seconds` of every topic of one run.

    Parameters
    ----------
    seconds : float, optional
        How far one can scroll back.

    Attributes
    ----------
    hello : dict
        The greeting as received, empty before it.
    greeting : Greeting
        The same, read.
    run : str or None
        A message of another run empties the rings.
    rings : dict of str to Ring
        By topic, those received so far.
    marks : deque of Mark
        The last 256 marks.
    run_number : int
        How many runs were seen; who draws watches it to begin anew.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> history = History()
    >>> header = {"kind": "level", "run": "a", "i0": 0}
    >>> history.add(SimpleNamespace(kind="level", header=header, array=np.full((2, 1), 60, "f4"), t_recv_ns=0))
    >>> history.rings["level"].stop
    2
    """

    def __init__(self, seconds: float = 120.0) -> None:
        self.seconds = seconds
        self.run: str | None = None
        self.run_number = 0
        self._begin(None)

    def _begin(self, run: str | None) -> None:
        self.run = run
        self.hello: dict[str, Any] = {}
        self.greeting = Greeting()
        self.rings: dict[str, Ring] = {}
        self.marks: deque[Mark] = deque(maxlen=256)

    def add(self, message: MessageLike) -> None:
        """Take in one message of any kind; those that are not understood are left out."""
        run = message.header.get("run")
        if run != self.run:
            self._begin(run)
            self.run_number += 1
        if message.kind == "hello":
            self._greet(message.header)
        elif message.kind == "event":
            self._mark(message.header)
        elif message.kind in TOPICS and message.array is not None and message.array.ndim == 2:
            i0 = message.header.get("i0")
            rows = counts(message) if message.kind == "spikes" else message.array
            if rows is not None and isinstance(i0, int) and i0 >= 0 and 0 < rows.shape[1] <= MAX_CHANNELS:
                self.write(message.kind, i0, rows)

    def extend(self, messages: Iterable[MessageLike]) -> None:
        """Take in several messages."""
        for message in messages:
            self.add(message)

    def write(self, topic: str, i0: int, rows: np.ndarray) -> None:
        """Put rows, shape (n, m), in place of the bins of a topic from `i0`."""
        ring = self.rings.get(topic)
        if ring is None or ring.channels != rows.shape[1]:
            ring = self.rings[topic] = Ring(max(1, math.ceil(self.seconds / self.bin_s)), rows.shape[1])
        ring.write(i0, rows)

    def _greet(self, hello: dict[str, Any]) -> None:
        greeting = read_greeting(hello)
        if greeting.bin_s != self.bin_s:
            self.rings.clear()  # a ring's capacity is in bins of the width that was assumed
        self.hello, self.greeting = hello, greeting

    def _mark(self, event: dict[str, Any]) -> None:
        details = event.get("details")
        label = {"mark": "label", "trigger": "trigger"}.get(str(event.get("name")))
        if label is not None and isinstance(details, dict) and isinstance(details.get("bin"), int):
            self.marks.append(Mark(details["bin"], str(details.get(label, ""))[:60]))

    @property
    def bin_s(self) -> float:
        """Width of a bin in seconds."""
        return self.greeting.bin_s

    @property
    def stop(self) -> int:
        """One past the newest bin that every live topic has, so that all panels end at the same time.

        A topic that is more than half a second behind has ended or was switched off, and holds nobody up.
        """
        stops = [ring.stop for ring in self.rings.values()]
        if not stops:
            return 0
        newest = max(stops)
        return min(stop for stop in stops if newest - stop <= 0.5 / self.bin_s)

    @property
    def start(self) -> int:
        """Oldest bin that any topic has."""
        return min((ring.start for ring in self.rings.values()), default=0)

    @property
    def n_units(self) -> int:
        """Units of the population, 0 before the first rates."""
        return self.rings["rates"].channels if "rates" in self.rings else 0

    @property
    def n_bands(self) -> int:
        """Bands of the spectrogram or, where only they are sent, of the ON channels."""
        if "spectrogram" in self.rings:
            return self.rings["spectrogram"].channels
        return self.rings["onoff"].channels // 2 if "onoff" in self.rings else 0

    def read(self, topic: str, start: int, stop: int) -> np.ndarray | None:
        """Return the bins [start, stop) of a topic, shape (stop - start, m); None where it was never received."""
        ring = self.rings.get(topic)
        return None if ring is None else ring.read(start, stop)

    def save(self, path: str | Path) -> None:
        """Write everything held to a ``.npz`` file, for another process to draw."""
        arrays: dict[str, Any] = {"hello": json.dumps(self.hello), "seconds": self.seconds}
        arrays["mark_bins"] = np.array([mark.bin for mark in self.marks], np.int64)
        arrays["mark_labels"] = json.dumps([mark.label for mark in self.marks])
        for topic, ring in self.rings.items():
            arrays[f"{topic}_start"] = ring.start
            arrays[topic] = ring.read(ring.start, ring.stop)
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Return what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            history = cls(float(file["seconds"]))
            hello = json.loads(str(file["hello"]))
            history._begin(hello.get("run"))
            history._greet(hello)
            for topic in TOPICS:
                if topic in file:
                    history.write(topic, int(file[f"{topic}_start"]), file[topic])
            marks = zip(file["mark_bins"].tolist(), json.loads(str(file["mark_labels"])), strict=True)
            history.marks.extend(Mark(bin_index, label) for bin_index, label in marks)
        return history
