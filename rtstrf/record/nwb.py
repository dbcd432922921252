"""A recording as NWB (Neurodata Without Borders), by pynwb.

Times in the file are seconds of the run: a sample of a stream lies where its first message of rates says, and on the
sample clock from there on, so that sound, rates, topics and spikes agree to the sample. (A sound that was read faster
than it plays would begin before its run: then time counts from its first sample.)
"""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from rtstrf.errors import RecordError
from rtstrf.extras import require
from rtstrf.record.exports import OnProgress, bins_of, sound_parts, sound_samples
from rtstrf.record.recording import Event, RecordedStream, Recording
from rtstrf.replay.staging import writing

UNITS = {"rates": "Hz", "spectrogram": "a.u.", "onoff": "a.u.", "level": "dB SPL"}
SAYS = {
    "rates": "Predicted firing rates of the modelled units",
    "spectrogram": "What the model hears: its spectrogram, in the units of its own compression",
    "onoff": "ON and OFF channels: all ON bands, then all OFF bands",
    "level": "Sound level of each bin",
}
NO_ANIMAL = "Simulation: no animal was recorded; the rates are those of a fitted model"
ROWS = 4096  # written at a time


def export_nwb(recording: Recording, path: Path, *, on_progress: OnProgress | None = None) -> None:
    """Write a recording with all its streams as an NWB file; it appears whole or not at all.

    Parameters
    ----------
    recording : Recording
    path : Path
        Ends in ``.nwb``.
    on_progress : callable, optional
        Called with the part of the data that is written, from 0 to 1.

    Raises
    ------
    RecordError
        If there is nothing in the recording.
    ConfigError
        If the file cannot be written.
    MissingExtraError
        Without pynwb.
    """
    pynwb = require("pynwb", "nwb")
    if not recording.streams:
        raise RecordError(f"{recording.folder} holds no stream", remedy="see what it holds with: rtstrf record info")
    target = Path(path)
    temporary = target.with_name(f".{target.stem}-{secrets.token_hex(4)}.nwb")
    with writing(target):
        try:
            contents = _Contents(recording, pynwb, on_progress)
            with pynwb.NWBHDF5IO(temporary, "w") as file:
                file.write(contents.build())
            temporary.replace(target)
        finally:
            with suppress(OSError):
                temporary.unlink()


class _Contents:
    """The NWB file of a recording, put together."""

    def __init__(self, recording: Recording, pynwb: Any, on_progress: OnProgress | None) -> None:
        self._recording = recording
        self._greeting = recording.manifest.greeting
        self._pynwb = pynwb
        self._on_progress = on_progress
        self._done = 0
        rates = (self._greeting.sample_rate_hz, self._greeting.hop_samples)
        self._clocks = {name: _Clock(own, *rates) for name, own in recording.streams.items()}
        self._shift_s = max((-clock.begins_s for clock in self._clocks.values()), default=0.0)
        self._shift_s = max(0.0, self._shift_s)
        for clock in self._clocks.values():
            clock.shift(self._shift_s)
        self._total = sum(
            own.rates_hz.size + len(own.sound_pa) + sum(own.topic(topic)[0].size for topic in own.topics)
            for own in recording.streams.values()
        )

    def build(self) -> Any:
        """Return the file, its large arrays to be read when they are written."""
        recording, greeting = self._recording, self._greeting
        # Not the whole greeting: what pynwb has fields for stands there.
        facts = greeting.model_dump(include={"config", "device", "weights_sha256", "run", "model"})
        nwb = self._pynwb.NWBFile(
            session_description=f"Sound and the firing rates that {greeting.model} predicts of it, by rtstrf",
            identifier=f"{greeting.run}/{recording.folder.name}",
            session_start_time=datetime.fromisoformat(greeting.anchor["utc"]) - timedelta(seconds=self._shift_s),
            session_id=recording.folder.name,
            experiment_description=NO_ANIMAL,
            source_script=recording.manifest.software,
            source_script_file_name="rtstrf record export",
            notes=json.dumps(facts, ensure_ascii=False, default=str),
            keywords=["auditory", "simulation", "firing rate", str(greeting.model)],
        )
        module = nwb.create_processing_module("misc", "What the model made of the sound")
        self._add_units(module)
        for own in recording.streams.values():
            suffix = "" if len(recording.streams) == 1 else f"_{own.name}"
            clock = self._clocks[own.name]
            if len(own.blocks):
                nwb.add_acquisition(self._sound(own, clock, suffix))
            module.add(self._rows("rates", own.rates_hz, own.bin_index, clock, suffix))
            for topic in own.topics:
                rows, table = own.topic(topic)
                bins = bins_of(table["i0"], table["n"])
                if topic == "spikes":
                    self._add_spikes(nwb, rows, bins, clock, own.name)
                else:
                    module.add(self._rows(topic, rows, bins, clock, suffix))
            self._add_missing(nwb, own, clock)
        self._add_events(nwb)
        return nwb

    def _add_units(self, module: Any) -> None:
        units = self._greeting.units
        columns = []
        for key in sorted({key for unit in units for key in unit}):
            numeric = all(isinstance(unit.get(key, 0.0), int | float) for unit in units)
            data: list[Any] = [float(unit.get(key, "nan")) if numeric else str(unit.get(key, "")) for unit in units]
            name = "unit_id" if key == "id" else key
            says = f"{key} of the unit, from the model's sidecar"
            columns.append(self._pynwb.core.VectorData(name=name, description=says, data=data))
        module.add(
            self._pynwb.core.DynamicTable(
                name="modelled_units",
                description="Columns of the rates, with what is known of the recorded neurons",
                columns=columns,
                id=list(range(len(units))),
            )
        )

    def _sound(self, own: RecordedStream, clock: _Clock, suffix: str) -> Any:
        total = sound_samples(own)
        return self._pynwb.TimeSeries(
            name=f"sound{suffix}",
            description="Sound as the source gave it; zeros where samples were lost (see invalid_times)",
            data=self._in_parts(sound_parts(own), (total,)),
            unit="Pa",
            starting_time=clock.of_source_sample(own.begins_at_sample),
            rate=float(own.source_rate_hz),
        )

    def _rows(self, kind: str, rows: np.ndarray, bins: np.ndarray, clock: _Clock, suffix: str) -> Any:
        parts = (np.asarray(rows[first : first + ROWS]) for first in range(0, len(rows), ROWS))
        # A regular series names its rate, one with gaps the time of each bin.
        if len(bins) and bins[-1] - bins[0] + 1 == len(bins):
            when: dict[str, Any] = {"starting_time": clock.of_bin_end(bins[0]), "rate": 1 / clock.bin_s}
        else:
            when = {"timestamps": clock.of_bin_end(bins)}
        return self._pynwb.TimeSeries(
            name=f"{kind}{suffix}",
            description=f"{SAYS[kind]}; times are the ends of bins of {1e3 * clock.bin_s:g} ms",
            data=self._in_parts(parts, rows.shape),
            unit=UNITS[kind],
            **when,
        )

    def _add_spikes(self, nwb: Any, rows: np.ndarray, bins: np.ndarray, clock: _Clock, stream: str) -> None:
        count = len(self._greeting.units)
        if rows.shape[1] % count:
            raise RecordError(
                f"spikes of {stream} in rows of {rows.shape[1]} for {count} units", remedy="run: rtstrf record check"
            )
        if nwb.units is None:
            says = "Spikes drawn from the rates; no electrode saw them"
            nwb.units = self._pynwb.misc.Units(name="units", description=says, resolution=clock.sample_s)
            nwb.add_unit_column("stream", "stream that the spikes belong to")
            nwb.add_unit_column("model_unit", "row of modelled_units")
        for unit in range(count):
            within = np.asarray(rows[:, unit::count])  # (bins, slots): sample of the bin, or -1
            row, slot = np.nonzero(within >= 0)
            samples = bins[row] * clock.hop_samples + within[row, slot]
            nwb.add_unit(spike_times=np.sort(clock.of_model_sample(samples)), stream=stream, model_unit=unit)

    def _add_missing(self, nwb: Any, own: RecordedStream, clock: _Clock) -> None:
        for at_sample, _, lost, _ in own.blocks.rows.tolist():
            if lost:
                first, end = (clock.of_source_sample(at) for at in (at_sample - lost, at_sample))
                nwb.add_invalid_time_interval(start_time=first, stop_time=end, tags=["sound_lost", own.name])
        messages = own.messages
        for i0, gap in zip(messages["i0"].tolist(), messages["gap"].tolist(), strict=True):
            if gap:
                first, end = (clock.of_bin_end(bin_ - 1) for bin_ in (i0 - gap, i0))
                nwb.add_invalid_time_interval(start_time=first, stop_time=end, tags=["rates_gap", own.name])

    def _add_events(self, nwb: Any) -> None:
        """Add a table for each name of an event: a mark, a change of state, a loss; their details are its columns."""
        only = next(iter(self._clocks)) if len(self._clocks) == 1 else ""
        told: dict[str, list[tuple[float, Event]]] = defaultdict(list)
        for event in self._recording.events:
            clock = self._clocks.get(event.stream or only)
            t_s = clock.of_event(event) if clock is not None else event.t_ns / 1e9 + self._shift_s
            told[event.name].append((max(0.0, t_s), event))
        for name, happened in sorted(told.items()):
            table = self._pynwb.event.EventsTable(
                name=f"events_{_plain_name(name)}",
                description=f"Events named {name!r}; times are those of the sample they name, or of when they happened",
            )
            happened.sort(key=lambda row: row[0])
            said = {key for _, event in happened for key, value in event.details.items() if value is not None}
            keys = sorted(said - {"stream"})
            columns: dict[str, list[Any]] = {}
            table.add_column(name="stream", description="stream that it concerns; empty where there is one or all")
            for key in keys:
                column = _plain_name(key)
                while column in columns or column in table.colnames or hasattr(table, column):
                    column += "_"
                columns[column] = _column([event.details.get(key) for _, event in happened])
                table.add_column(name=column, description=f"{key}, as it was told (docs/protocol.md)")
            for number, (t_s, event) in enumerate(happened):
                cells = {column: values[number] for column, values in columns.items()}
                table.add_event(timestamp=t_s, stream=event.stream or "", **cells)
            nwb.add_events_table(table)

    def _in_parts(self, parts: Iterator[np.ndarray], shape: tuple[int, ...]) -> Any:
        """Return data that is read part by part while it is written, compressed."""
        if not shape[0]:
            return np.empty(shape, dtype="<f4")
        chunks = (min(shape[0], 2**16), *shape[1:]) if len(shape) == 1 else (min(shape[0], 512), *shape[1:])
        data = _make_parts(parts, shape, self._advance)
        return self._pynwb.H5DataIO(data, chunks=chunks, compression="gzip", compression_opts=4, shuffle=True)

    def _advance(self, values: int) -> None:
        self._done += values
        if self._on_progress is not None:
            self._on_progress(min(1.0, self._done / max(1, self._total)))


class _Clock:
    """Seconds of the run at which the samples and bins of a stream lie."""

    def __init__(self, own: RecordedStream, rate_hz: int, hop_samples: int) -> None:
        self._rate_hz, self.hop_samples, self._source_rate_hz = rate_hz, hop_samples, own.source_rate_hz
        self.bin_s = hop_samples / rate_hz
        self.sample_s = 1 / rate_hz
        self._shift_s = 0.0
        messages, blocks = own.messages, own.blocks
        if len(messages) and messages["n"][0]:
            self._zero_s = messages["t_cap"][0] / 1e9 - messages["s1"][0] / rate_hz
        elif len(blocks):
            end = blocks["at_sample"][0] + blocks["samples"][0]
            self._zero_s = blocks["t_ns"][0] / 1e9 - end / self._source_rate_hz
        else:
            self._zero_s = 0.0
        self.begins_s = self.of_source_sample(own.begins_at_sample)

    def shift(self, by_s: float) -> None:
        """Let everything be later."""
        self._zero_s += by_s
        self._shift_s += by_s

    def of_source_sample(self, sample: int) -> float:
        return float(self._zero_s + sample / self._source_rate_hz)

    def of_model_sample(self, sample: Any) -> Any:
        return self._zero_s + sample / self._rate_hz

    def of_bin_end(self, bin_: Any) -> Any:
        return self.of_model_sample((bin_ + 1) * self.hop_samples)

    def of_event(self, event: Event) -> float:
        details = event.details
        for key, when in (("s", self.of_model_sample), ("bin", lambda bin_: self.of_bin_end(bin_ - 1))):
            if isinstance(details.get(key), int):
                return float(when(details[key]))
        if isinstance(details.get("at_sample"), int):
            return self.of_source_sample(details["at_sample"])
        return event.t_ns / 1e9 + self._shift_s


def _make_parts(parts: Iterator[np.ndarray], shape: tuple[int, ...], advance: Callable[[int], None]) -> Any:
    """Return parts of an array as pynwb takes them, and tell how many values have gone."""
    data_utils = require("hdmf.data_utils", "nwb")

    class Parts(data_utils.AbstractDataChunkIterator):  # type: ignore[name-defined]
        dtype = np.dtype("<f4")
        maxshape = shape

        def __init__(self) -> None:
            self._at = 0

        def __iter__(self) -> Any:
            return self

        def __next__(self) -> Any:
            part = next(parts)
            begin, self._at = self._at, self._at + len(part)
            advance(part.size)
            return data_utils.DataChunk(
                data=part, selection=(slice(begin, self._at), *(slice(0, size) for size in shape[1:]))
            )

        def recommended_chunk_shape(self) -> None:
            return None

        def recommended_data_shape(self) -> tuple[int, ...]:
            return shape

    return Parts()


def _column(values: list[Any]) -> list[Any]:
    """Return the cells of a column: numbers where all are, text otherwise."""
    if all(isinstance(value, bool) for value in values):
        return values
    if all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values):
        return [float("nan") if value is None else float(value) for value in values]
    texts = ("" if value is None else value if isinstance(value, str) else _told(value) for value in values)
    return list(texts)


def _told(value: Any) -> str:
    """Return a list or the like as text."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _plain_name(name: str) -> str:
    """Return a name with nothing in it but letters, digits and underscores."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)[:100]
