"""Rates as streams of the lab streaming layer (LSL), stamped with the time at which their sound was captured."""

from __future__ import annotations

import json
import platform
import time
from typing import Any, Literal

import numpy as np
import pylsl
from pydantic import Field

from rtstrf.config.load import Section
from rtstrf.sinks.sink import Sink

PROBES = 16
LINGER_S = 0.5  # for the last samples of a run to arrive


class LslSink(Sink):
    """Publish topics of a session as LSL outlets, one for each topic and stream, and its events as markers.

    Notes
    -----
    A time stamp is the capture of the last sample of the bin, on the clock of LSL of this machine; inlets add their own
    correction for other machines. The source id stays the same from run to run as long as the machine's stream, topic
    and model do, so that an inlet finds the stream again after a restart.
    """

    name = "lsl"

    class Options(Section):
        """Which topics, and under what name."""

        topics: tuple[Literal["rates", "spectrogram", "onoff", "level", "spikes"], ...] = Field(
            ("rates",), strict=False, description="what to publish; beside rates only what wire.topics has"
        )
        events: bool = Field(True, description="publish marks, triggers and changes of state as a stream of markers")
        prefix: str = Field("rtstrf", description="begins the name of every stream")

    def __init__(self, options: Any) -> None:
        self._options = options
        self._outlets: dict[tuple[str, str], pylsl.StreamOutlet] = {}

    def open(self, greeting: dict[str, Any]) -> None:
        self._greeting = greeting
        self._alone = greeting["config"]["wire"]["stream"]
        self._start_ns = int(greeting["anchor"]["monotonic_ns"])
        self._lsl_minus_monotonic_s = clock_offset_s()
        # At once, so that a recorder that is set up before the sound begins finds them. Streams that are added later
        # have theirs from their first row on, since a topic's width is known only then.
        for stream in greeting.get("streams") or [self._alone]:
            if "rates" in self._options.topics:
                self._outlet("rates", stream, len(greeting["units"]))
            if self._options.events:
                self._markers(stream)

    def rows(self, kind: str, header: dict[str, Any], rows: np.ndarray) -> None:
        if kind not in self._options.topics or not len(rows):
            return
        outlet = self._outlet(kind, header.get("stream", self._alone), rows.shape[1])
        last_s = self._lsl_time_s(header["t_cap"])
        bin_s = self._greeting["bin_s"]
        for index, row in enumerate(rows):
            outlet.push_sample(row.tolist(), last_s - (len(rows) - 1 - index) * bin_s)

    def event(self, name: str, t_ns: int, details: dict[str, Any]) -> None:
        if not self._options.events:
            return
        # A mark and a trigger have a time of their own, which is what they are about.
        when_ns = details.get("t_cap" if name == "trigger" else "t", t_ns)
        text = json.dumps({"name": name, **details})
        self._markers(details.get("stream", self._alone)).push_sample([text], self._lsl_time_s(when_ns))

    def close(self) -> None:
        # LSL drops what an outlet has not yet sent when it ends, and has no way to ask whether there is any.
        if any(outlet.have_consumers() for outlet in self._outlets.values()):
            time.sleep(LINGER_S)
        self._outlets.clear()  # an outlet ends when nobody holds it

    def _lsl_time_s(self, t_ns: int) -> float:
        return (self._start_ns + t_ns) / 1e9 + self._lsl_minus_monotonic_s

    def _outlet(self, kind: str, stream: str, width: int) -> pylsl.StreamOutlet:
        if (kind, stream) not in self._outlets:
            info = pylsl.StreamInfo(
                name=f"{self._options.prefix} {stream} {kind}",
                type={"rates": "FiringRate", "spikes": "Spikes"}.get(kind, "Audio"),
                channel_count=width,
                nominal_srate=1 / self._greeting["bin_s"],
                channel_format=pylsl.cf_float32,
                source_id=source_id(self._greeting, stream, kind),
            )
            describe(info, self._greeting, kind, width)
            self._outlets[kind, stream] = pylsl.StreamOutlet(info)
        return self._outlets[kind, stream]

    def _markers(self, stream: str) -> pylsl.StreamOutlet:
        if ("event", stream) not in self._outlets:
            info = pylsl.StreamInfo(
                name=f"{self._options.prefix} {stream} events",
                type="Markers",
                channel_count=1,
                nominal_srate=pylsl.IRREGULAR_RATE,
                channel_format=pylsl.cf_string,
                source_id=source_id(self._greeting, stream, "event"),
            )
            self._outlets["event", stream] = pylsl.StreamOutlet(info)
        return self._outlets["event", stream]


def clock_offset_s() -> float:
    """Return LSL's clock less the monotonic clock of this process: the probe that was quickest is the nearest."""
    best_s, offset_s = float("inf"), 0.0
    for _ in range(PROBES):
        before_ns = time.monotonic_ns()
        lsl_s = pylsl.local_clock()
        after_ns = time.monotonic_ns()
        if after_ns - before_ns < best_s:
            best_s, offset_s = after_ns - before_ns, lsl_s - (before_ns + after_ns) / 2e9
    return offset_s


def source_id(greeting: dict[str, Any], stream: str, kind: str) -> str:
    """Return a name that is the same in every run of the same stream of the same model on the same machine.

    The weights are part of it: an inlet must not take another model, with other channels, for the one it lost.
    """
    return f"rtstrf:{platform.node()}:{stream}:{kind}:{greeting['weights_sha256'][:12]}"


def describe(info: pylsl.StreamInfo, greeting: dict[str, Any], kind: str, width: int) -> None:
    """Write what the channels are into the description of a stream, as XDF has it."""
    channels = info.desc().append_child("channels")
    for label, unit, known in channel_facts(greeting, kind, width):
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", unit)
        channel.append_child_value("type", kind)
        for name, value in known.items():
            channel.append_child_value(name, f"{value:g}")
    facts = info.desc().append_child("rtstrf")
    for name in ("software", "model", "weights_sha256", "config_sha256", "run"):
        facts.append_child_value(name, str(greeting[name]))
    info.desc().append_child("acquisition").append_child_value("manufacturer", "rtstrf")


def channel_facts(greeting: dict[str, Any], kind: str, width: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Return label, unit and further facts of each channel."""
    units = greeting["units"]
    if kind in ("rates", "spikes"):
        slots = width // len(units)
        return [
            (
                unit["id"] if slots == 1 else f"{unit['id']} {slot + 1}",
                "Hz" if kind == "rates" else "samples",
                {name: value for name, value in unit.items() if name != "id"},
            )
            for slot in range(slots)
            for unit in units
        ]
    if kind == "level":
        return [("level", "dB SPL", {})]
    signs = [""] if kind == "spectrogram" else ["ON ", "OFF "]
    bands_hz = greeting["bands_hz"] or range(width // len(signs))
    return [(f"{sign}{band:g}", "a.u.", {}) for sign in signs for band in bands_hz]
