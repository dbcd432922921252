"""Fire when the rates cross a threshold: in the engine's process, before the network has the rates."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from rtstrf.config.triggers import TriggerSection
from rtstrf.errors import ConfigError
from rtstrf.sinks.actions import make_action
from rtstrf.sinks.crossing import Crossing
from rtstrf.sinks.sink import Sink
from rtstrf.wire.message import Flags

NS_PER_S = 1_000_000_000


class Tell(Protocol):
    """How an event is told: of which stream (None where there is one), its name, its details."""

    def __call__(self, stream: str | None, name: str, details: dict[str, Any]) -> None: ...


class Trigger(Sink):
    """Watch rates, do something when they cross, and tell of it.

    Parameters
    ----------
    section : TriggerSection
    tell : Tell
        Where its events go.
    live : callable, optional
        Returns the section as it is now; a changed one takes effect with the next bin, and what comes then must cross
        anew.

    Notes
    -----
    State, of each stream: where its rates were (`Crossing`), which a discontinuity makes it forget, since a jump over a
    gap, or of a model that begins afresh, is no crossing; and the sample until which nothing is fired.

    Its latency, from the capture of the last sample of the bin to the moment before the action, is in each event.
    """

    immediate = True

    def __init__(self, section: TriggerSection, tell: Tell, live: Callable[[], TriggerSection] | None = None) -> None:
        self.name = f"trigger {section.name}"
        self._first = section
        self._live = live or (lambda: section)
        self._tell = tell
        self._action = make_action(section.action, self._failed)
        self._watches: dict[str | None, _Watch] = {}
        self._failing = False

    def open(self, greeting: dict[str, Any]) -> None:
        self._ids = [unit["id"] for unit in greeting["units"]]
        self._hop_samples = greeting["hop_samples"]
        self._sample_rate_hz = greeting["sample_rate_hz"]
        self._start_ns = int(greeting["anchor"]["monotonic_ns"])
        self._watched = self._stream_to_watch(greeting)
        self._units = np.array([self._index(unit) for unit in self._first.units], dtype=np.intp)
        if not len(self._units):
            self._units = np.arange(len(self._ids))
        self._action.open()

    def rows(self, kind: str, header: dict[str, Any], rows: np.ndarray) -> None:
        stream = header.get("stream")
        if kind != "rates" or self._watched not in (None, stream):
            return
        flags = Flags(header["flags"])
        if flags & Flags.LAST:
            self._watches.pop(stream, None)  # a stream of the same name that is added later begins at sample 0
        if not len(rows):
            return
        section = self._live()
        watch = self._watches.get(stream)
        if watch is None:
            watch = self._watches[stream] = _Watch(1 if section.of == "mean" else len(self._units))
        if watch.section is not section or flags & Flags.DISCONTINUITY:
            watch.section = section
            watch.crossing.forget()
        if not section.armed:
            return
        watched_hz = rows[:, self._units]  # (T, units)
        if section.of == "mean":
            watched_hz = watched_hz.mean(axis=1, keepdims=True)
        for index, rates_hz in enumerate(watched_hz):
            crosses = watch.crossing.step(
                rates_hz, section.threshold_hz, section.hysteresis_hz, up=section.direction == "up"
            )
            if crosses.any() and (section.while_warming_up or not flags & Flags.WARMING_UP):
                self._cross(watch, section, header, index, len(rows), rates_hz, crosses)

    def close(self) -> None:
        self._action.close()

    def _cross(
        self,
        watch: _Watch,
        section: TriggerSection,
        header: dict[str, Any],
        index: int,
        bins: int,
        rates_hz: np.ndarray,
        crosses: np.ndarray,
    ) -> None:
        """Fire, unless it is too soon."""
        number = header["i0"] + index
        end = header["s0"] + (index + 1) * self._hop_samples
        if end <= watch.quiet_until:
            return
        watch.quiet_until = end + round(section.refractory_ms * self._sample_rate_hz / 1000)
        behind_ns = (bins - 1 - index) * self._hop_samples * NS_PER_S // self._sample_rate_hz
        details: dict[str, Any] = {
            "trigger": section.name,
            "units": [self._ids[unit] for unit in self._units[crosses]] if section.of == "each" else None,
            "rate_hz": round(float(rates_hz[crosses][0]), 4),
            "bin": number,
            "s": end - 1,
            "t_cap": header["t_cap"] - behind_ns,
            "t_fire": time.monotonic_ns() - self._start_ns,
        }
        details["latency_ms"] = round((details["t_fire"] - details["t_cap"]) / 1e6, 4)
        stream = header.get("stream")
        try:
            self._action.fire(details if stream is None else {**details, "stream": stream})
            self._failing = False
        except OSError as error:
            self._failed(f"{type(error).__name__}: {error}")
        self._tell(stream, "trigger", details)

    def _failed(self, why: str) -> None:
        """Tell of an action that failed, once until it succeeds again."""
        if not self._failing:
            self._failing = True
            self._tell(None, "fault", {"what": f"{self.name} fired, but its action failed: {why}", "remedy": None})

    def _stream_to_watch(self, greeting: dict[str, Any]) -> str | None:
        """Return the stream that rows must name; None for all of them, and where one alone bears no name."""
        wanted, config = self._first.stream, greeting["config"]
        several = greeting.get("streams")
        there = [config["wire"]["stream"]] if several is None else list(several)
        if wanted is not None and wanted not in there and not config["engine"]["spare_lanes"]:
            raise ConfigError(
                f"the {self.name} watches the stream {wanted!r}, and there is none", remedy=f"name {', '.join(there)}"
            )
        return None if several is None else wanted

    def _index(self, unit: int | str) -> int:
        if isinstance(unit, str) and unit in self._ids:
            return self._ids.index(unit)
        if isinstance(unit, int) and 0 <= unit < len(self._ids):
            return unit
        raise ConfigError(
            f"the {self.name} watches the unit {unit!r}, and the model has none of that name or number",
            remedy=f"choose 0 to {len(self._ids) - 1}, or an id that `rtstrf models MODEL` lists",
        )


class _Watch:
    """What a trigger remembers of a stream."""

    def __init__(self, width: int) -> None:
        self.crossing = Crossing(width)
        self.section: TriggerSection | None = None
        self.quiet_until = 0
