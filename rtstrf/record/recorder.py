"""The recorder: a sink that writes down a session so that it can be trusted after a crash, and run again.

Everything it is told is kept for at most a quarter of a second; then each file is appended to, and a line in
`seals.jsonl` says how long every file is now and what the SHA-256 of the new part is. A crash leaves whole files and
at most a torn end after the last seal. What cannot be written ends the recording, never the stream.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import secrets
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rtstrf.errors import RecordError
from rtstrf.record.appending import Appending, GrowingLines, json_line
from rtstrf.record.layout import (
    BLOCK_COLUMNS,
    EVENTS,
    FORMAT,
    MANIFEST,
    MESSAGE_COLUMNS,
    SEALS,
    STREAM,
    STREAM_FACTS,
)
from rtstrf.record.locking import lock
from rtstrf.record.rebuild import resume_point
from rtstrf.record.stream_files import StreamFiles
from rtstrf.sinks.sink import Sink
from rtstrf.sound.source import Block
from rtstrf.version import __version__

LAST = 128  # flag of a stream's last message (docs/protocol.md)
SEAL_S = 0.25  # what a crash can lose, and what a message waits for at most
SEAL_BYTES = 2**18  # of sound and rows, which may come faster than in real time
SYNC_S = 1.0  # how often the system is asked to put it on the disk itself, for the case that the power goes


@dataclass(frozen=True, slots=True)
class ModelState:
    """What a stream remembers between two bins.

    Attributes
    ----------
    bin : int
        The next bin to be heard.
    gain_db : float
        Gain that the sound is heard with, in all.
    stream_gain_db : float
        The part of it that is the stream's own; the rest is the parameter of all streams.
    lane, lanes : int
        Its lane, of how many in the batch: rounding depends on them.
    snapshot : bytes
        As `rtstrf.runner.StepRunner.snapshot` returns it.
    """

    bin: int
    gain_db: float
    stream_gain_db: float
    lane: int
    lanes: int
    snapshot: bytes


AskState = Callable[[str, int, Callable[[ModelState], None]], None]


class Recorder(Sink):
    """Write a session into a folder.

    Parameters
    ----------
    folder : Path
        The recording; it must not exist, and the folder it lies in must.
    topics : sequence of str
        What to record beside sound, rates and events.
    ask_state : callable, optional
        ``ask_state(stream, bin, give)`` asks the engine to call ``give(state)``, from any thread, before it hears the
        first bin of a stream from that one on. It is called where a re-run cannot know the state otherwise: when
        `stream_comes` is, and after a hole.
    source_of : callable, optional
        ``source_of(stream)`` returns what is to be recorded of the source of a stream, as a dict with ``rate_hz``; by
        default what the greeting says.
    label : str, optional
        What a person calls it.

    Attributes
    ----------
    failure : RecordError or None
        What the disk refused, where that ended the recording.

    Notes
    -----
    All methods but `stream_comes` and `summary` belong to one thread.

    Raises
    ------
    RecordError
        On opening, if the folder cannot be made; from any other method, if the disk refuses. What had been sealed
        before stays, readable.
    """

    name = "recorder"
    patient = True

    def __init__(
        self,
        folder: Path,
        *,
        topics: Sequence[str] = (),
        ask_state: AskState | None = None,
        source_of: Callable[[str], dict[str, Any]] | None = None,
        label: str | None = None,
    ) -> None:
        self.folder = folder
        self.label = label
        self.failure: RecordError | None = None
        self._topics = frozenset(("rates", *topics))
        self._ask_state = ask_state
        self._source_of = source_of or (lambda stream: self._greeting["source"])
        self._streams: dict[str, StreamFiles] = {}  # by folder
        # A stream that comes again under its name is another one: the number of its coming tells them apart.
        self._comings: Counter[str] = Counter()  # as the engine says
        self._made: Counter[str] = Counter()  # as sound and rows have shown
        self._sources: dict[tuple[str, int], dict[str, Any]] = {}
        self._ended: set[str] = set()  # streams of which nothing more comes, unless they come again
        self._given: deque[tuple[str, int, ModelState]] = deque()
        self._resume: dict[str, bool] = {}  # by folder: whether to ask for the state with the next block
        self._sealed: dict[Appending, int] = {}
        self._pieces: dict[str, tuple[int, str]] = {}  # files written once, not sealed yet
        self._greeting: dict[str, Any] = {}
        self._events: GrowingLines | None = None
        self._seals: GrowingLines | None = None
        self._last_seal = ""
        self._waiting_bytes = 0
        self._sealed_s = self._synced_s = 0.0
        self._run_start_ns = 0

    # --- what the engine tells --------------------------------------------------------------------------------------

    def open(self, greeting: dict[str, Any]) -> None:
        """Make the folder and write down what does not change."""
        now_ns = time.monotonic_ns()
        self._greeting = greeting
        self._run_start_ns = int(greeting["anchor"]["monotonic_ns"])
        for stream in greeting.get("streams") or (self._default_stream,):
            self._sources[stream, 1] = self._source_of(stream)
        try:
            self.folder.mkdir()
        except OSError as error:
            raise RecordError(
                f"cannot record in {self.folder}: {error.strerror}", remedy="choose a folder that you may write to"
            ) from error
        try:
            self._events = GrowingLines(self.folder / EVENTS)
            self._seals = GrowingLines(self.folder / SEALS)
            lock(self._seals.fileno(), self.folder)
            self._write_once(MANIFEST, json_line(self._manifest(now_ns - self._run_start_ns)))
        except OSError as error:
            self._close_files()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise RecordError(f"cannot record in {self.folder}: {error}", remedy="make room on the disk") from error
        self._sealed_s = self._synced_s = time.monotonic()

    def sound(self, block: Block, at_sample: int) -> None:
        with self._told():
            name = block.stream or self._default_stream
            folder, files = self._files(name)
            begins = at_sample - block.lost_samples
            if files.sound_end is not None and begins < files.sound_end:  # it has come again, and its end was missed
                self._ended.add(name)
                folder, files = self._files(name)
            self._waiting_bytes += block.samples.nbytes
            if not files.sound(block, at_sample):
                self._note("record.hole", name, {"what": "sound", "at_sample": begins})
                self._resume[folder] = True
            if files.sound_end is not None and self._resume.pop(folder, False):
                self._ask(name, self._made[name], begins)

    def rows(self, kind: str, header: dict[str, Any], rows: np.ndarray) -> None:
        if kind not in self._topics:
            return
        with self._told():
            name = header.get("stream") or self._default_stream
            folder, files = self._files(name)
            if kind == "rates" and files.rates_end is not None and header["i0"] < files.rates_end:
                self._ended.add(name)
                folder, files = self._files(name)
            self._waiting_bytes += rows.nbytes
            if not files.rows(kind, header, rows):
                self._note("record.hole", name, {"what": "rates", "bin": header["i0"]})
                self._resume[folder] = True
            if kind == "rates" and header["flags"] & LAST:
                self._ended.add(name)

    def event(self, name: str, t_ns: int, details: dict[str, Any]) -> None:
        with self._told():
            self._note(name, details.get("stream"), details, t_ns)

    def missed(self, calls: int) -> None:
        with self._told():
            self._note("record.missed", None, {"calls": calls})
            self._resume.update(dict.fromkeys(self._streams, True))

    def idle(self) -> None:
        with self._told():
            pass

    def close(self) -> None:
        """Write down what is left and that this is all; may be called twice."""
        with self._told():
            if self._seals is not None:
                self._seal(end="closed")
        self._close_files()

    @property
    def is_open(self) -> bool:
        """Whether it records."""
        return self._seals is not None

    def summary(self) -> dict[str, Any]:
        """Return what is recorded so far, JSON-serialisable; from any thread."""
        streams = tuple(self._streams.values())
        return {
            "recording": self.folder.name,
            "label": self.label,
            "messages": sum(stream.messages for stream in streams),
        }

    def stream_comes(self, stream: str, from_sample: int = 0) -> None:
        """Ask for the state of a stream before the first bin that can be made from its sound from a sample on.

        The engine calls it, from any thread, for each stream there is when the recorder is open, and for each that is
        added later, before it begins.
        """
        self._comings[stream] += 1
        self._sources[stream, self._comings[stream]] = self._source_of(stream)
        self._ask(stream, self._comings[stream], from_sample)

    def _source(self, stream: str, coming: int) -> dict[str, Any]:
        """Return what is recorded of a source, as it was when its stream came: there may be another one by now."""
        known = self._sources.get((stream, coming))
        return self._source_of(stream) if known is None else known

    def _ask(self, stream: str, coming: int, from_sample: int) -> None:
        if self._ask_state is not None:
            rates = (self._source(stream, coming)["rate_hz"], *self._model_rates)
            first_bin = resume_point(from_sample, *rates).first_bin
            self._ask_state(stream, first_bin, partial(self._take_state, stream, coming))

    def _take_state(self, stream: str, coming: int, state: ModelState) -> None:
        self._given.append((stream, coming, state))  # on the inference thread: nothing else is done there

    # --- parts ------------------------------------------------------------------------------------------------------

    @property
    def _default_stream(self) -> str:
        return self._greeting["config"]["wire"]["stream"]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Do what a call is about, then seal if it is time; where the disk refuses, end the recording in order."""
        if self._seals is None:
            yield
            return
        try:
            yield
            self._write_states()
            due = time.monotonic() - self._sealed_s >= SEAL_S or self._waiting_bytes >= SEAL_BYTES
            if due and self._seals is not None:
                self._seal()
        except OSError as error:
            raise self._given_up(error) from error

    def _files(self, stream: str) -> tuple[str, StreamFiles]:
        """Return the folder and the files of a stream, made where it is new."""
        if not self._made[stream] or stream in self._ended:
            if not STREAM.fullmatch(stream):
                raise RecordError(
                    f"a stream named {stream!r} cannot be recorded", remedy="begin its name with a letter or digit"
                )
            self._ended.discard(stream)
            self._made[stream] += 1
            while folder_of(stream, self._made[stream]) in self._streams:  # so is another stream called
                self._made[stream] += 1
            folder = folder_of(stream, self._made[stream])
            self._streams[folder] = StreamFiles(self.folder / folder, self._run_start_ns)
            facts = {"name": stream, "source": self._source(stream, self._made[stream])}
            self._write_once(f"{folder}/{STREAM_FACTS}", json_line(facts))
            self._resume[folder] = self._comings[stream] < self._made[stream]
        folder = folder_of(stream, self._made[stream])
        return folder, self._streams[folder]

    @property
    def _model_rates(self) -> tuple[int, int]:
        return self._greeting["sample_rate_hz"], self._greeting["hop_samples"]

    def _note(self, event: str, stream: str | None, details: dict[str, Any], t_ns: int | None = None) -> None:
        """Add an event, with the number of the message of rates that comes next."""
        if self._events is None:
            return
        told: dict[str, Any] = {
            "name": event,
            "t_ns": time.monotonic_ns() - self._run_start_ns if t_ns is None else t_ns,
            "before_message": {name: files.messages for name, files in self._streams.items()},
        }
        if stream is not None:
            told["stream"] = folder_of(stream, max(1, self._made[stream]))
        self._events.append({**told, "details": details})

    def _write_states(self) -> None:
        for _ in range(len(self._given)):
            stream, coming, state = self._given.popleft()
            if coming > self._made[stream]:
                self._given.append((stream, coming, state))  # of this one nothing has come yet
                continue
            folder = folder_of(stream, coming)
            name = f"{folder}/state-{state.bin}.safetensors"
            self._write_once(name, state.snapshot)
            facts = dataclasses.asdict(state)
            del facts["snapshot"]
            self._note("record.state", stream, {**facts, "file": name})

    def _seal(self, end: str | None = None) -> None:
        assert self._seals is not None
        files = self._growing()
        added: dict[str, tuple[int, str]] = dict(self._pieces)
        for name, file in files.items():
            digest = file.write()
            if digest is not None:
                added[name] = (file.length, digest)
        for file in files.values():
            file.settle()
        self._sealed_s = now_s = time.monotonic()
        self._waiting_bytes = 0
        if added or end is not None:
            if end is not None or now_s - self._synced_s >= SYNC_S:  # data first, so that no seal is ahead of it
                for file in files.values():
                    os.fsync(file.fileno())
            self._write_seal(added, end)
            self._pieces = {}
            self._sealed = {file: file.length for file in files.values()}
        if now_s - self._synced_s >= SYNC_S:
            self._synced_s = now_s
            os.fsync(self._seals.fileno())

    def _write_seal(self, added: dict[str, tuple[int, str]], end: str | None) -> None:
        assert self._seals is not None
        line = {
            "t_ns": time.monotonic_ns() - self._run_start_ns,
            "files": {name: list(told) for name, told in added.items()},
            "before": self._last_seal,
            **({"end": end} if end is not None else {}),
        }
        self._seals.append(line)
        digest = self._seals.write()
        assert digest is not None
        self._last_seal = digest

    def _growing(self) -> dict[str, Appending]:
        """Return all files that grow, by their names in the recording; sound before rates before events."""
        growing: dict[str, Appending] = {}
        for stream, own in self._streams.items():
            growing |= {f"{stream}/{name}": file for name, file in own.files.items()}
        if self._events is not None:
            growing[EVENTS] = self._events
        return growing

    def _given_up(self, error: OSError) -> RecordError:
        """Take back what is not sealed, say in the recording why it ends, and return the error to raise."""
        why = error.strerror or str(error)
        assert self._seals is not None
        for file in self._growing().values():
            with suppress(OSError):
                file.cut_back(self._sealed.get(file, 0))
        with suppress(OSError):
            self._seals.cut_back(self._seals.length)
            self._write_seal(self._pieces, why)
        self._close_files()
        self.failure = RecordError(
            f"the recording {self.folder.name} stopped: {why}; what was recorded before is complete",
            remedy="make room on the disk, then start another recording",
        )
        return self.failure

    def _close_files(self) -> None:
        files = [*self._growing().values(), *([self._seals] if self._seals is not None else [])]
        self._seals = self._events = None
        for file in files:
            with suppress(OSError):
                file.close()

    def _write_once(self, name: str, data: bytes) -> None:
        """Write a file that appears whole, to be sealed with the next seal."""
        target = self.folder / name
        temporary = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise
        self._pieces[name] = (len(data), hashlib.sha256(data).hexdigest())

    def _manifest(self, began_ns: int) -> dict[str, Any]:
        run_began = datetime.fromisoformat(self._greeting["anchor"]["utc"])
        return {
            "format": FORMAT,
            "software": f"rtstrf {__version__}",
            "label": self.label,
            "began_ns": began_ns,
            "began_utc": (run_began + timedelta(microseconds=began_ns // 1000)).isoformat(),
            "topics": sorted(self._topics),
            "columns": {"blocks": BLOCK_COLUMNS, "messages": MESSAGE_COLUMNS},
            "greeting": self._greeting,
        }


def folder_of(stream: str, coming: int) -> str:
    """Return the folder of a stream, and of one that comes again.

    Examples
    --------
    >>> folder_of("left", 1), folder_of("left", 2)
    ('left', 'left.2')
    """
    return stream if coming == 1 else f"{stream}.{coming}"


def new_folder(parent: Path, label: str | None = None) -> Path:
    """Return a name for a recording in a folder: the time in UTC, and what a person calls it.

    Examples
    --------
    >>> new_folder(Path("booth"), "bird 7").name[-7:]
    '-bird_7'
    """
    words = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in label or "")[:40]
    stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H-%M-%SZ")
    stem = f"{stamp}-{words}" if words else stamp
    number, folder = 1, parent / stem
    while folder.exists():
        number += 1
        folder = parent / f"{stem}-{number}"
    return folder
