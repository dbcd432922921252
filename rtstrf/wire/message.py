"""What is on the wire: the three frames of a data message, made and taken apart. Pure: no socket, no clock.

A message is ``[topic, header]`` or ``[topic, header, payload]``: a topic such as ``rates/main/``, a header in JSON, and
for arrays a payload of little-endian float32 in C order. docs/protocol.md has the table of header fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np

from rtstrf.errors import WireError
from rtstrf.wire import strict_json

PROTOCOL = "rtstrf/1"
VERSION = 1
DTYPE = "<f4"

ARRAY_KINDS = ("rates", "spectrogram", "onoff", "level", "spikes")
"""Kinds whose messages carry an array, one row a bin."""

PLAIN_KINDS = ("hello", "heartbeat", "event")
"""Kinds that are a header alone."""

KINDS = ARRAY_KINDS + PLAIN_KINDS

_STREAM_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_AFTER_KIND = re.compile(rb"[A-Za-z0-9_.-]{0,64}|[A-Za-z0-9_.-]{1,64}/")

SET_BY_SERVER = frozenset({"v", "kind", "run", "stream", "seq", "t_pub"})
"""Header fields that nobody else can set."""


class Flags(IntFlag):
    """What happened at or just before a bin: the ``flags`` field of an array's header.

    Examples
    --------
    >>> Flags(17) == Flags.DISCONTINUITY | Flags.REPLAY
    True
    """

    DISCONTINUITY = 1  # the state was reset or input was lost
    CONCEALED = 2  # lost input was filled with zeros
    WARMING_UP = 4
    OVERLOADED = 8
    REPLAY = 16
    CLOCK_STEP = 32
    PARAMETER_CHANGED = 64
    LAST = 128  # nothing more follows in this run


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no one answer to whether they are equal
class Message:
    """One data message, checked.

    Attributes
    ----------
    topic : str
        Such as ``rates/main/``.
    kind : str
        The first part of the topic.
    stream : str
        The second part of the topic.
    header : dict
        All header fields (docs/protocol.md).
    array : ndarray or None, shape (n, m), float32, read-only
        One row a bin; the unit is ``header["unit"]``. None where the kind has no array.
    t_recv_ns : int
        Local monotonic clock when it was received.
    """

    topic: str
    kind: str
    stream: str
    header: dict[str, Any]
    array: np.ndarray | None = None
    t_recv_ns: int = 0

    @property
    def run(self) -> str:
        """The run it belongs to, unique per start of the server."""
        return self.header["run"]

    @property
    def seq(self) -> int:
        """Its number within its topic and run."""
        return self.header["seq"]

    @property
    def flags(self) -> Flags:
        """What happened at or just before its first bin; none for kinds without an array."""
        return Flags(self.header.get("flags", 0))


def topic_of(kind: str, stream: str) -> str:
    """Return the topic of a kind in a stream; the slash at its end keeps ``main`` from matching ``main2``.

    Raises
    ------
    WireError
        If the kind is unknown or the stream has a name that cannot be a topic.

    Examples
    --------
    >>> topic_of("rates", "main")
    'rates/main/'
    """
    if kind not in KINDS:
        raise WireError(f"no such kind of message: {kind!r}", remedy=f"choose from {', '.join(KINDS)}")
    if not _STREAM_NAME.fullmatch(stream):
        raise WireError(
            f"{stream[:80]!r} cannot name a stream", remedy="use 1 to 64 letters, digits, points, dashes or underscores"
        )
    return f"{kind}/{stream}/"


def split_topic(topic: bytes) -> tuple[str, str]:
    """Return the kind and the stream of a topic frame.

    Raises
    ------
    WireError
        If it is not a topic of this protocol.

    Examples
    --------
    >>> split_topic(b"rates/main/")
    ('rates', 'main')
    """
    parts = topic.split(b"/")
    if len(parts) == 3 and parts[2] == b"" and topic.isascii():
        kind, stream = parts[0].decode(), parts[1].decode()
        if kind in KINDS and _STREAM_NAME.fullmatch(stream):
            return kind, stream
    raise WireError(f"{topic[:80]!r} is not a topic of {PROTOCOL}")


def may_begin_topic(prefix: bytes) -> bool:
    """Tell whether a topic could begin so: whether a subscription to it makes sense.

    Examples
    --------
    >>> [may_begin_topic(prefix) for prefix in (b"", b"rates/ma", b"rate", b"rates/a/b", b"Rates")]
    [True, True, True, False, False]
    """
    kind, slash, rest = prefix.partition(b"/")
    if not slash:
        return any(each.startswith(kind.decode("latin-1")) for each in KINDS)
    return kind.decode("latin-1") in KINDS and _AFTER_KIND.fullmatch(rest) is not None


def header_start(kind: str, run: str, stream: str) -> bytes:
    """Return the beginning of the headers of a topic, up to where the number goes.

    Examples
    --------
    >>> header_start("rates", "0f", "main")
    b'{"v":1,"kind":"rates","run":"0f","stream":"main","seq":'
    """
    common = strict_json.dumps({"v": VERSION, "kind": kind, "run": run, "stream": stream})
    return common[:-1] + b',"seq":'


def header_of(start: bytes, seq: int, fields: bytes, t_pub_ns: int) -> bytes:
    """Return a header from its parts.

    Parameters
    ----------
    start : bytes
        From `header_start`.
    seq : int
    fields : bytes
        A JSON object without any of the fields of `SET_BY_SERVER`.
    t_pub_ns : int
        Just before the send.

    Examples
    --------
    >>> header_of(header_start("event", "0f", "main"), 3, b'{"name":"mark"}', 5)
    b'{"v":1,"kind":"event","run":"0f","stream":"main","seq":3,"name":"mark","t_pub":5}'
    """
    inner = fields[1:-1]
    return b'%b%d,%b%b"t_pub":%d}' % (start, seq, inner, b"," if inner else b"", t_pub_ns)


def as_payload(array: np.ndarray) -> bytes:
    """Return a copy of an array as it is sent.

    Parameters
    ----------
    array : ndarray, shape (n, m)
        Real numbers; converted to float32.

    Examples
    --------
    >>> as_payload(np.ones((1, 1)))
    b'\\x00\\x00\\x80?'
    """
    if array.ndim != 2:
        raise WireError(f"an array of shape {array.shape} cannot be sent", remedy="give it as (bins, units)")
    if array.dtype.kind not in "fiub":
        raise WireError(f"an array of {array.dtype} cannot be sent", remedy="give real numbers")
    return array.astype(DTYPE, order="C", copy=False).tobytes()


def encode(header: Mapping[str, Any], payload: bytes | None = None) -> list[bytes]:
    """Return the frames of a message.

    Parameters
    ----------
    header : mapping
        All of its fields, `strict_json.plain` already; ``kind`` and ``stream`` make the topic.
    payload : bytes, optional
        From `as_payload`, for the kinds that have one.

    Returns
    -------
    frames : list of bytes
        Two, or three with a payload.

    Examples
    --------
    >>> encode({"v": 1, "kind": "event", "stream": "main"})
    [b'event/main/', b'{"v":1,"kind":"event","stream":"main"}']
    """
    frames = [f"{header['kind']}/{header['stream']}/".encode("ascii"), strict_json.dumps(header)]
    return frames if payload is None else [*frames, payload]


def decode(frames: Sequence[bytes], t_recv_ns: int = 0) -> Message:
    """Check and take apart the frames of a message that came from the network.

    Parameters
    ----------
    frames : sequence of bytes
        As received.
    t_recv_ns : int, optional
        Local monotonic clock when it was received; passed on.

    Returns
    -------
    message : Message
        Its array is a read-only view of the payload frame, nothing is copied.

    Raises
    ------
    WireError
        If anything in it is not as the protocol says; the message names the first thing.

    Examples
    --------
    >>> header = {"v": 1, "kind": "event", "run": "r", "stream": "main", "seq": 0, "t_pub": 5, "name": "mark"}
    >>> decode(encode(header)).header["name"]
    'mark'
    """
    if len(frames) not in (2, 3):
        raise WireError(f"a message of {len(frames)} frames, not 2 or 3")
    kind, stream = split_topic(frames[0])
    try:
        header = strict_json.loads_object(frames[1])
    except ValueError as error:
        raise WireError(f"the header of a {kind} message cannot be read: {error}") from None
    _check_common(header, kind, stream)
    array = None
    if kind in ARRAY_KINDS:
        if len(frames) != 3:
            raise WireError(f"a {kind} message without a payload")
        array = _as_array(header, frames[2], kind)
    elif len(frames) == 3:
        raise WireError(f"a {kind} message with a payload, which this kind does not have")
    return Message(frames[0].decode("ascii"), kind, stream, header, array, t_recv_ns)


def _check_common(header: dict[str, Any], kind: str, stream: str) -> None:
    if type(header.get("v")) is not int or header["v"] != VERSION:  # true and 1.0 equal 1, but are no version
        raise WireError(
            f"a {kind} message of version {header.get('v')!r}; this client reads {VERSION}",
            remedy="use the same major version of rtstrf on both sides",
        )
    if (header.get("kind"), header.get("stream")) != (kind, stream):
        raise WireError(f"a header of {header.get('kind')!r}, {header.get('stream')!r} under {kind}/{stream}/")
    if not isinstance(header.get("run"), str) or not header["run"]:
        raise WireError(f"a {kind} message without a run")
    for name in ("seq", "t_pub"):
        _natural(header, name, kind)


def _as_array(header: dict[str, Any], payload: bytes, kind: str) -> np.ndarray:
    n, m = _natural(header, "n", kind), _natural(header, "m", kind)
    _natural(header, "i0", kind)
    for name in ("gap", "flags"):
        if name in header:
            _natural(header, name, kind)
    if header.get("dtype") != DTYPE:
        raise WireError(f"a {kind} message of dtype {header.get('dtype')!r}, not {DTYPE!r}")
    if len(payload) != 4 * n * m:
        raise WireError(f"a {kind} payload of {len(payload)} bytes where {n} bins of {m} make {4 * n * m}")
    return np.frombuffer(payload, dtype=DTYPE).reshape(n, m)


def _natural(header: dict[str, Any], name: str, kind: str) -> int:
    value = header.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise WireError(f"a {kind} message whose {name} is {value!r}, not a whole number from 0")
    return value
