"""What a recording is on disk: names of files, columns of tables, and the promise of its format number.

<recording>/
  recording.json            what does not change: greeting, configuration, hashes
  seals.jsonl               four times a second: how long every file is, and the SHA-256 of what was added
  events.jsonl              everything that happened, with the message it happened before
  <stream>/
    sound.npy               (samples,) float32 pascals, as the source gave it
    blocks.npy              (blocks, 4) int64: where each block lies, and what was lost before it
    rates.npy               (bins, units) float32 hertz
    rates_messages.npy      (messages, 10) int64: which bins each message holds, and its header
    <topic>.npy, <topic>_messages.npy
    state-<bin>.safetensors the model's state before a bin
"""

from __future__ import annotations

import re
from pathlib import Path

FORMAT = "rtstrf-recording/1"

MANIFEST = "recording.json"
STREAM_FACTS = "stream.json"
SEALS = "seals.jsonl"
EVENTS = "events.jsonl"

BLOCK_COLUMNS = ("at_sample", "samples", "lost_samples", "t_ns")
"""First sample of the block on the source's clock, samples, samples lost just before it, capture of the last one."""

MESSAGE_COLUMNS = ("i0", "n", "s0", "s1", "t_cap", "t_raw", "t_proc", "gap", "flags", "q")
"""Fields of the header on the wire (docs/protocol.md); times in nanoseconds since the run started."""

TOPICS = ("spectrogram", "onoff", "level", "spikes")
"""What can be recorded beside sound, rates and events."""

STREAM = re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,64}")
_NAME = r"[a-z_]+\.npy|events\.jsonl|(?:recording|stream)\.json|state-[0-9]+\.safetensors"
FILE = re.compile(rf"(?:{STREAM.pattern}/)?(?:{_NAME})")


def messages_of(topic: str) -> str:
    """Return the name of the table of a topic's messages.

    Examples
    --------
    >>> messages_of("rates")
    'rates_messages.npy'
    """
    return f"{topic}_messages.npy"


def is_recording(path: str | Path) -> bool:
    """Tell whether a path is the folder of a recording, or of several."""
    return bool(recordings_in(path))


def recordings_in(path: str | Path) -> list[Path]:
    """Return the recordings that a path names: itself, or those in it, in the order of their names."""
    folder = Path(path)
    if (folder / MANIFEST).is_file():
        return [folder]
    if not folder.is_dir():
        return []
    return sorted(inner.parent for inner in folder.glob(f"*/{MANIFEST}"))
