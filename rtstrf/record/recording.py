"""A recording, read: what is sealed of it, as arrays on the disk."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtstrf.errors import RecordError
from rtstrf.record.appending import HEADER_BYTES, array_header
from rtstrf.record.layout import (
    BLOCK_COLUMNS,
    EVENTS,
    FORMAT,
    MANIFEST,
    MESSAGE_COLUMNS,
    SEALS,
    STREAM_FACTS,
    TOPICS,
    messages_of,
)
from rtstrf.record.locking import is_written
from rtstrf.record.seals import NO_RECORD, lengths_at, read_seals

CHECK = "run: rtstrf record check"

_HEADER = re.compile(rb"'descr': '(<f4|<i8)', 'fortran_order': False, 'shape': \(([0-9]{1,18}),(?: ([0-9]{1,7}))?\)")

Facts = TypeVar("Facts", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes
    ----------
    name : str
    t_ns : int
        Since the run started.
    stream : str or None
        Folder of the stream that it concerns; None where there is one stream, or it concerns all.
    before_message : dict of str to int
        For each stream that had begun, the number of the message of rates that came next.
    details : dict
    """

    name: str
    t_ns: int
    stream: str | None
    before_message: dict[str, int]
    details: dict[str, Any]


class Table:
    """A table of whole numbers with named columns.

    Parameters
    ----------
    rows : ndarray, shape (n, columns), int64
    columns : tuple of str

    Examples
    --------
    >>> Table(np.array([[1, 2], [3, 4]]), ("i0", "n"))["n"].tolist()
    [2, 4]
    """

    def __init__(self, rows: np.ndarray, columns: tuple[str, ...]) -> None:
        self.rows = rows
        self.columns = columns

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> np.ndarray:
        return self.rows[:, self.columns.index(column)]


class Manifest(BaseModel):
    """`recording.json`, as far as a reader leans on it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    format: str
    software: str
    label: str | None
    began_ns: int
    began_utc: str
    topics: list[str]
    greeting: Greeting


class Greeting(BaseModel):
    """What the manifest must say of the session."""

    model_config = ConfigDict(extra="allow", frozen=True)

    run: str
    model: str
    weights_sha256: str
    sample_rate_hz: int = Field(ge=1)
    hop_samples: int = Field(ge=1)
    units: list[dict[str, Any]]
    config: Config
    device: dict[str, Any]
    anchor: dict[str, str]


class WireFacts(BaseModel):
    """What a recording must say of its session's wire."""

    model_config = ConfigDict(extra="allow", frozen=True)

    topics: list[str] = []


class EngineFacts(BaseModel):
    """What a recording must say of its session's engine."""

    model_config = ConfigDict(extra="allow", frozen=True)

    reset_after_gap: bool = True
    conceal_ms: float = Field(0.0, ge=0, le=1e9)
    threads: int = Field(1, ge=1, le=4096)


class Config(BaseModel):
    """The configuration of a session, as far as a reader leans on it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    model: str
    wire: WireFacts = WireFacts()
    engine: EngineFacts = EngineFacts()


class SourceFacts(BaseModel):
    """What a recording must say of a source."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    name: str
    rate_hz: int = Field(ge=1000, le=768_000)


class StreamFacts(BaseModel):
    """`stream.json`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    source: SourceFacts


Manifest.model_rebuild()
StreamFacts.model_rebuild()


class RecordedStream:
    """What is recorded of one stream; arrays lie on the disk and are read where they are touched.

    Attributes
    ----------
    name : str
        Its folder.
    sound_pa : ndarray, shape (samples,), float32
    blocks : Table
        `rtstrf.record.layout.BLOCK_COLUMNS`.
    messages : Table
        Of the rates, `rtstrf.record.layout.MESSAGE_COLUMNS`.
    rates_hz : ndarray, shape (bins, units), float32
    source : SourceFacts
    """

    def __init__(self, folder: Path, name: str, lengths: dict[str, int], units: int) -> None:
        self.name = name
        self.source = read_facts(folder / name / STREAM_FACTS, StreamFacts).source
        self._folder = folder
        self._lengths = lengths
        self.sound_pa = self._array("sound.npy", "<f4", ())
        self.blocks = self._table("blocks.npy", BLOCK_COLUMNS)
        self.rates_hz = self._array("rates.npy", "<f4", (units,))
        self.messages = self._table(messages_of("rates"), MESSAGE_COLUMNS)
        self._agree()

    @property
    def source_rate_hz(self) -> int:
        """Samples per second of the source's clock."""
        return self.source.rate_hz

    @cached_property
    def topics(self) -> tuple[str, ...]:
        """What is recorded beside sound and rates."""
        return tuple(topic for topic in TOPICS if f"{self.name}/{topic}.npy" in self._lengths)

    def topic(self, topic: str) -> tuple[np.ndarray, Table]:
        """Return the rows of a topic, (bins, width) float32, and the table of its messages."""
        rows = self._array(f"{topic}.npy", "<f4", None)
        table = self._table(messages_of(topic), MESSAGE_COLUMNS)
        n = table["n"]
        if not ((n >= 0) & (n <= len(rows))).all() or int(n.sum()) != len(rows):
            raise self._damaged(f"{topic}.npy")
        return rows, table

    def state(self, bin_: int) -> bytes:
        """Return the model's state before a bin, as it was snapped."""
        path = self._folder / self.name / f"state-{bin_}.safetensors"
        try:
            return path.read_bytes()
        except OSError as error:
            raise RecordError(f"{path} cannot be read: {error.strerror}", remedy=CHECK) from error

    @cached_property
    def bin_index(self) -> np.ndarray:
        """Which bin each row of `rates_hz` is, shape (bins,), int64."""
        i0, n = self.messages["i0"], self.messages["n"]
        starts = np.cumsum(n) - n
        return np.repeat(i0 - starts, n) + np.arange(len(self.rates_hz))

    @property
    def samples_lost(self) -> int:
        """Samples of the source that were lost while it was recorded."""
        return int(self.blocks["lost_samples"].sum())

    @property
    def begins_at_sample(self) -> int:
        """Where on the source's clock the recorded sound begins."""
        return int(self.blocks["at_sample"][0] - self.blocks["lost_samples"][0]) if len(self.blocks) else 0

    def _agree(self) -> None:
        """See that the tables and the arrays tell of the same sound and bins, in order."""
        blocks, messages = self.blocks, self.messages
        begins = blocks["at_sample"] - blocks["lost_samples"]
        in_order = (
            ((blocks.rows[:, :3] >= 0) & (blocks.rows[:, :3] < 2**53)).all()
            and (blocks["samples"] <= len(self.sound_pa)).all()
            and (begins >= 0).all()
            and (begins[1:] >= blocks["at_sample"][:-1] + blocks["samples"][:-1]).all()
            and int(blocks["samples"].sum()) == len(self.sound_pa)
        )
        if not in_order:
            raise self._damaged("blocks.npy")
        in_order = (
            ((messages.rows >= -(2**53)) & (messages.rows < 2**53)).all()
            and (messages.rows[:, :2] >= 0).all()
            and (messages["n"] <= len(self.rates_hz)).all()
            and (messages["gap"] >= 0).all()
            and (messages["i0"][1:] >= messages["i0"][:-1] + messages["n"][:-1]).all()
            and int(messages["n"].sum()) == len(self.rates_hz)
        )
        if not in_order:
            raise self._damaged(messages_of("rates"))

    def _damaged(self, name: str) -> RecordError:
        return RecordError(f"{self._folder / self.name / name} contradicts the files beside it", remedy=CHECK)

    def _table(self, name: str, columns: tuple[str, ...]) -> Table:
        return Table(self._array(name, "<i8", (len(columns),)), columns)

    def _array(self, name: str, dtype: str, row_shape: tuple[int, ...] | None) -> np.ndarray:
        """Return the sealed rows of an array; none where it is not there."""
        rows = self._lengths.get(f"{self.name}/{name}", 0)
        if not rows:
            return np.empty((0, *(row_shape or (0,))), dtype=dtype)
        path = self._folder / self.name / name
        if row_shape is None:
            row_shape = (width_of(path),)
        try:
            return np.memmap(path, dtype=dtype, mode="r", offset=HEADER_BYTES, shape=(rows, *row_shape))
        except (OSError, ValueError, OverflowError) as error:
            raise RecordError(f"{path} cannot be read: {error}", remedy=CHECK) from error


def width_of(path: Path) -> int:
    """Return how many numbers a row of an array file has."""
    try:
        with path.open("rb") as file:
            (_, row_shape), _ = array_facts(file.read(HEADER_BYTES))
        (width,) = row_shape
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read: {error}", remedy=CHECK) from error
    return width


class Recording:
    """A recording on the disk: of the past, of a session that crashed, or of one that still runs.

    Parameters
    ----------
    folder : str or Path

    Attributes
    ----------
    manifest : Manifest
    streams : dict of str to RecordedStream
    end : str or None
        Why it ended: ``closed``, ``repaired``, or what the disk said; None where it was cut off, or still runs.

    Notes
    -----
    What lies after the last seal whose files are as long as it says is not read: it is the torn end of a crash.

    Raises
    ------
    RecordError
        If it is none, or its parts contradict one another.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        seals = read_seals(self.folder / SEALS)
        whole = lengths_at(seals)
        while whole and not self._is_there(whole[-1]):
            whole.pop()
        self.seals = seals[: len(whole)]
        self.end = seals[-1].end if seals and len(seals) == len(whole) else None
        self._lengths = whole[-1] if whole else {}
        units = len(self.manifest.greeting.units)
        names = sorted({name.split("/")[0] for name in self._lengths if "/" in name})
        self.streams = {name: RecordedStream(self.folder, name, self._lengths, units) for name in names}

    @property
    def sha256(self) -> str:
        """SHA-256 of the last seal, which stands for all that is sealed."""
        return self.seals[-1].digest if self.seals else ""

    @property
    def is_running(self) -> bool:
        """Whether it is being written now."""
        return self.end is None and is_written(self.folder / SEALS)

    @cached_property
    def events(self) -> list[Event]:
        """All that happened, in the order in which it was told."""
        size = self._lengths.get(EVENTS, 0)
        if not size:
            return []
        try:
            with (self.folder / EVENTS).open("rb") as file:
                lines = file.read(size).splitlines()
            return [_event(json.loads(line)) for line in lines]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RecordError(f"{self.folder / EVENTS} cannot be read: {error}", remedy=CHECK) from error

    def _is_there(self, lengths: dict[str, int]) -> bool:
        return all(size_on_disk(self.folder / name, length) for name, length in lengths.items())


def size_on_disk(path: Path, length: int) -> bool:
    """Tell whether a file holds as many rows or bytes."""
    try:
        size = path.stat().st_size
        if path.suffix != ".npy":
            return size >= length
        with path.open("rb") as file:
            return size >= HEADER_BYTES + length * array_facts(file.read(HEADER_BYTES))[1]
    except (OSError, ValueError):
        return False


def array_facts(header: bytes) -> tuple[tuple[str, tuple[int, ...]], int]:
    """Return dtype and shape of a row, and its bytes, by the header of an array file; ValueError if it is none.

    NumPy's reader takes more than its writer makes, and fails in many ways; only what a recorder makes is taken here.
    """
    match = _HEADER.search(header)
    if match is None:
        raise ValueError("not an array of a recording")
    dtype, rows, width = match.group(1).decode(), int(match.group(2)), match.group(3)
    row_shape = () if width is None else (int(width),)
    if header != array_header(rows, np.dtype(dtype), row_shape) or 0 in row_shape:
        raise ValueError("not an array of a recording")
    return (dtype, row_shape), np.dtype(dtype).itemsize * math.prod(row_shape)


def read_manifest(folder: Path) -> Manifest:
    """Read and check `recording.json`."""
    path = folder / MANIFEST
    if not path.exists():
        raise RecordError(f"{folder} is no recording: it has no {MANIFEST}", remedy=NO_RECORD)
    manifest = read_facts(path, Manifest)
    if manifest.format != FORMAT:
        raise RecordError(f"{path} is of the format {manifest.format!r}", remedy=f"this program reads {FORMAT}")
    return manifest


def read_facts(path: Path, model: type[Facts]) -> Facts:
    """Read a JSON file and check what a reader leans on."""
    try:
        return model.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}", remedy=CHECK) from error
    except ValidationError as error:
        places = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors()) or "all"
        raise RecordError(f"{path} does not say all it must: {places}", remedy=CHECK) from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} cannot be read: {error}", remedy=CHECK) from error


def _event(told: dict[str, Any]) -> Event:
    before = {str(stream): int(message) for stream, message in told["before_message"].items()}
    stream, details = told.get("stream"), told["details"]
    if not isinstance(details, dict) or not isinstance(stream, str | None):
        raise TypeError(f"an event of {stream!r} with details {details!r}")
    return Event(str(told["name"]), int(told["t_ns"]), stream, before, details)
