"""The golden frames: messages as they are on the wire, byte for byte, for clients in any language to be tested against.

They are files: ``golden/NAME.bin`` holds the frames of a message one behind the other, and ``golden/index.json`` says
where each ends and what is in it. tools/make_golden_frames.py makes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class GoldenMessage:
    """One message.

    Attributes
    ----------
    name : str
    what : str
        What is special about it.
    good : bool
        Whether a client should accept it, or count it as malformed and pass over it.
    frames : list of bytes
    facts : dict
        All that index.json says of it.
    """

    name: str
    what: str
    good: bool
    frames: list[bytes]
    facts: dict[str, Any]


def index() -> dict[str, Any]:
    """Return what index.json says.

    Examples
    --------
    >>> index()["protocol"]
    'rtstrf/1'
    """
    return json.loads((files("rtstrf.wire") / "golden" / "index.json").read_text(encoding="ascii"))


def golden_messages() -> list[GoldenMessage]:
    """Return all messages: first a run in the order it is sent, then the bad ones.

    Examples
    --------
    >>> golden_messages()[0].frames[0]
    b'hello/main/'
    """
    return [_read(row) for row in index()["messages"]]


def _read(row: dict[str, Any]) -> GoldenMessage:
    data = (files("rtstrf.wire") / "golden" / row["file"]).read_bytes()
    frames = []
    for size in row["frames_bytes"]:
        frames.append(data[:size])
        data = data[size:]
    return GoldenMessage(row["name"], row["what"], row["good"], frames, row)
