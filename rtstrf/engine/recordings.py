"""The recordings of a session: begun with it, by a client, ended by one, or by a full disk."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstrf.config.record import RecordSection
from rtstrf.engine.outlet import Outlet
from rtstrf.errors import ConfigError, RecordError
from rtstrf.record.recorder import ModelState, Recorder, new_folder

if TYPE_CHECKING:
    from rtstrf.engine.stream import LiveStream


class Recordings:
    """Start and stop the recorder of a session.

    Parameters
    ----------
    section : RecordSection
    outlet : Outlet
    streams : callable
        Returns the streams of the session by name.
    greeting : callable
        Returns what a recording says of the session.

    Attributes
    ----------
    made : list of Recorder
        Of all recordings so far, whatever became of them.

    Notes
    -----
    All methods may be called from any thread; `start` and `stop` wait for the disk, so not from the engine's own.
    """

    def __init__(
        self,
        section: RecordSection,
        outlet: Outlet,
        streams: Callable[[], Mapping[str, LiveStream]],
        greeting: Callable[[], dict[str, Any]],
    ) -> None:
        self.made: list[Recorder] = []
        self._section = section
        self._outlet = outlet
        self._streams = streams
        self._greeting = greeting
        self._recorder: Recorder | None = None
        self._lock = threading.Lock()

    @property
    def current(self) -> str | None:
        """The recording that is being made, by the name of its folder."""
        recorder = self._recorder
        return recorder.folder.name if recorder is not None and recorder.is_open else None

    def start(self, label: str | None = None) -> dict[str, Any]:
        """Begin a recording, unless one is being made, and return which.

        Raises
        ------
        ConfigError
            If the session was not given a folder for recordings.
        RecordError
            If the disk refuses.
        """
        with self._lock:
            if self._recorder is not None and self._recorder.is_open:
                return self._recorder.summary()
            if self._section.folder is None:
                raise ConfigError(
                    "this session has no folder for recordings",
                    remedy="start it with record.folder in its configuration, or with --record FOLDER",
                )
            parent = Path(self._section.folder)
            try:
                parent.mkdir(exist_ok=True)
            except OSError as error:
                raise RecordError(
                    f"cannot record in {parent}: {error.strerror}", remedy="choose a folder that you may write to"
                ) from error
            recorder = Recorder(
                new_folder(parent, label),
                topics=self._section.topics,
                ask_state=self._ask_state,
                source_of=self._source_of,
                label=label,
            )
            self._outlet.sinks.add(recorder, self._greeting())
            for name, stream in self._streams().items():  # no sound from here on is missed
                recorder.stream_comes(name, stream.ledger.position)
            self._recorder = recorder
            self.made.append(recorder)
            told = recorder.summary()
            self._outlet.event("recording", state="started", recording=recorder.folder.name, label=label)
            return told

    def stop(self) -> dict[str, Any]:
        """Complete the recording that is being made, and return what it holds; none is no mistake."""
        with self._lock:
            recorder, self._recorder = self._recorder, None
            if recorder is None or not recorder.is_open:
                return {"recording": None}
            self._outlet.event("recording", state="stopped", recording=recorder.folder.name, label=recorder.label)
            self._outlet.sinks.remove(recorder)
            return recorder.summary()

    def stream_comes(self, name: str) -> None:
        """Take note of a stream that is added, before it begins."""
        recorder = self._recorder
        if recorder is not None and recorder.is_open:
            recorder.stream_comes(name)

    def _source_of(self, name: str) -> dict[str, Any]:
        """Return what is recorded of the source of a stream."""
        return dataclasses.asdict(self._streams()[name].source.info)

    def _ask_state(self, stream: str, first_bin: int, give: Callable[[ModelState], None]) -> None:
        found = self._streams().get(stream)
        if found is not None:
            found.inference.ask_state(first_bin, give)
