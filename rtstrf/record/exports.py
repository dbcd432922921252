"""A recording in other formats: `.npz` and `.wav`. (NWB is in `nwb.py`.) Files appear whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from rtstrf.errors import RecordError
from rtstrf.extras import require
from rtstrf.record.appending import json_line
from rtstrf.record.recording import RecordedStream, Recording
from rtstrf.replay.staging import StagedFiles

OnProgress = Callable[[float], None]

PART_SAMPLES = 2**20


def stream_of(recording: Recording, name: str | None) -> RecordedStream:
    """Return a stream by its name, or the only one.

    Raises
    ------
    RecordError
        If there is none of that name, or several and no name.
    """
    streams = recording.streams
    if name is None and len(streams) == 1:
        return next(iter(streams.values()))
    if name is not None and name in streams:
        return streams[name]
    what = f"holds no stream {name!r}" if name is not None else f"holds {len(streams)} streams"
    raise RecordError(
        f"{recording.folder} {what}",
        remedy=f"name one with --stream: {', '.join(streams)}" if streams else "nothing was recorded in it",
    )


def sound_parts(stream: RecordedStream) -> Iterator[np.ndarray]:
    """Yield the recorded sound from its first sample to its last, (n,) float32, zeros where there is none."""
    starts, counts = stream.blocks["at_sample"], stream.blocks["samples"]
    ends = starts + counts
    rows = np.cumsum(counts) - counts
    runs = np.flatnonzero(np.r_[True, starts[1:] != ends[:-1]]) if len(starts) else np.empty(0, dtype=int)
    at = stream.begins_at_sample
    for first, last in zip(runs, [*(runs[1:] - 1), len(starts) - 1], strict=True):  # blocks with nothing between them
        yield from _pieces(at, int(starts[first]), lambda begin, end: np.zeros(end - begin, dtype=np.float32))
        at, row = int(ends[last]), int(rows[first])
        length = int(rows[last] + counts[last]) - row
        yield from _pieces(row, row + length, lambda begin, end: np.asarray(stream.sound_pa[begin:end]))


def _pieces(first: int, end: int, piece: Callable[[int, int], np.ndarray]) -> Iterator[np.ndarray]:
    for begin in range(first, end, PART_SAMPLES):
        yield piece(begin, min(begin + PART_SAMPLES, end))


def sound_samples(stream: RecordedStream) -> int:
    """Return how many samples `sound_parts` has in all.

    Raises
    ------
    RecordError
        If there is no sound.
    """
    if not len(stream.blocks):
        raise RecordError(f"no sound is recorded of {stream.name}", remedy="export the rates: to .npz")
    return int(stream.blocks["at_sample"][-1] + stream.blocks["samples"][-1]) - stream.begins_at_sample


def export_wav(
    recording: Recording, path: Path, *, stream: str | None = None, on_progress: OnProgress | None = None
) -> None:
    """Write the sound of a stream as a float WAV in pascals, zeros where some was lost.

    `rtstrf replay` hears it as it was heard, except for gaps and commands. RF64 where it exceeds 4 GB.

    Raises
    ------
    RecordError
        If there is no sound.
    ConfigError
        If the file cannot be written.
    MissingExtraError
        Without soundfile.
    """
    soundfile = require("soundfile", "sound")
    own = stream_of(recording, stream)
    total = sound_samples(own)
    with StagedFiles([path]) as staged, staged.open(path) as file:
        form = {"samplerate": own.source_rate_hz, "channels": 1, "format": "RF64", "subtype": "FLOAT"}
        done = 0
        try:
            with soundfile.SoundFile(file, "w", **form) as wav:
                for part in sound_parts(own):
                    wav.write(part)
                    done += len(part)
                    if on_progress is not None:
                        on_progress(done / total)
        except soundfile.LibsndfileError as error:
            raise OSError(str(error)) from error  # told as every refusal of the disk


def export_npz(
    recording: Recording, path: Path, *, stream: str | None = None, on_progress: OnProgress | None = None
) -> None:
    """Write rates, topics and events of a stream as `.npz`; `rtstrf.replay.load_rates` reads it too.

    Notes
    -----
    ``rates_hz`` (bins, units); ``bin_index`` (bins,); ``t_s`` (bins,), the end of each bin from the sample count;
    ``flags`` and ``t_cap_ns`` (bins,), those of the message that held the bin; ``unit_id``; ``bin_s``;
    ``sample_rate_hz``; ``hop_samples``; ``model``; ``weights_sha256``; ``events``, one JSON text each; each recorded
    topic under its name, with ``<topic>_bin_index``.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    own = stream_of(recording, stream)
    greeting = recording.manifest.greeting
    messages, n = own.messages, own.messages["n"]
    arrays = {
        "rates_hz": own.rates_hz,
        "bin_index": own.bin_index,
        "t_s": (own.bin_index + 1) * greeting.hop_samples / greeting.sample_rate_hz,
        "flags": np.repeat(messages["flags"], n),
        "t_cap_ns": np.repeat(messages["t_cap"], n),
        "unit_id": np.array([str(unit.get("id", number)) for number, unit in enumerate(greeting.units)]),
        "bin_s": greeting.hop_samples / greeting.sample_rate_hz,
        "sample_rate_hz": greeting.sample_rate_hz,
        "hop_samples": greeting.hop_samples,
        "model": greeting.model,
        "weights_sha256": greeting.weights_sha256,
        "events": np.array(event_texts(recording, own)),
    }
    for topic in own.topics:
        rows, table = own.topic(topic)
        arrays |= {topic: rows, f"{topic}_bin_index": bins_of(table["i0"], table["n"])}
    with StagedFiles([path]) as staged, staged.open(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    if on_progress is not None:
        on_progress(1.0)


def bins_of(i0: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the bin of each row of messages that begin at `i0` and hold `n` bins.

    Examples
    --------
    >>> bins_of(np.array([0, 5]), np.array([2, 1])).tolist()
    [0, 1, 5]
    """
    return np.repeat(i0 - (np.cumsum(n) - n), n) + np.arange(int(n.sum()))


def event_texts(recording: Recording, stream: RecordedStream) -> list[str]:
    """Return the events that concern a stream, one JSON text each."""
    told = [event for event in recording.events if event.stream in (None, stream.name)]
    lines = [json_line({"name": event.name, "t_ns": event.t_ns, **event.details}) for event in told]
    return [json.dumps(json.loads(line), ensure_ascii=False) for line in lines]
