"""Write the golden frames of the protocol, rtstrf/wire/golden: run it again after a change of the protocol.

    python tools/make_golden_frames.py [FOLDER]

The messages are made by the functions that the server uses; those marked bad are spoiled by hand. What a client should
make of each is in index.json. tests/wire/test_golden.py holds the files on disk against what this makes.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np

from rtstrf.wire import message, strict_json

FOLDER = Path(__file__).resolve().parents[1] / "rtstrf" / "wire" / "golden"
RUN = "golden"

COMMON: dict[str, Any] = {
    "unit": "Hz",
    "t_cap": 0,
    "t_raw": 0,
    "t_proc": 150_000,
    "gap": 0,
    "flags": 0,
    "load": 0.03,
    "q": 0,
}

HELLO: dict[str, Any] = {
    "model": "golden", "protocol": message.PROTOCOL,
    "endpoints": {"data": "tcp://127.0.0.1:5590", "control": "tcp://127.0.0.1:5591"},
    "security": {"mechanism": "NULL", "insecure_lan": False},
    "anchor": {"monotonic_ns": "1722997643136", "utc": "2026-01-01T09:00:00Z"}, "machine": "0000000000000000",
    "sample_rate_hz": 48000, "hop_samples": 240, "bin_s": 0.005, "rate_unit": "Hz",
    "units": [{"id": "A1-1"}, {"id": "A1-2", "cc_norm": 0.71}, {"id": "übergang", "depth_um": 450}],
    "bands_hz": [500, 1000.5],
}  # fmt: skip


def frames(
    kind: str, seq: int, t_pub: int, rows: np.ndarray | None = None, stream: str = "main", **fields: Any
) -> list[bytes]:
    """Return the frames of a message as a server makes them."""
    if rows is not None:
        fields = {**fields, "n": rows.shape[0], "m": rows.shape[1], "dtype": message.DTYPE}
    start = message.header_start(kind, RUN, stream)
    header = message.header_of(start, seq, strict_json.dumps(strict_json.plain(fields)), t_pub)
    made = [message.topic_of(kind, stream).encode(), header]
    return made if rows is None else [*made, message.as_payload(rows)]


def rates(seq: int, i0: int, rows: list[list[float]], **fields: Any) -> list[bytes]:
    """Return the frames of a rates message; s0, s1 and the times follow from the bin."""
    n = len(rows)
    t_cap = (i0 + n) * 5_000_000
    array = np.array(rows, np.float32).reshape(n, 3)
    times: dict[str, Any] = {"s0": 240 * i0, "s1": 240 * (i0 + n), "t_cap": t_cap, "t_raw": t_cap + 100}
    return frames("rates", seq, t_cap + 400_000, array, i0=i0, **{**COMMON, **times, **fields})


def good() -> list[tuple[str, str, list[bytes]]]:
    """Return a run from its greeting to its end, in the order it is sent."""
    extremes = [[float(np.float32(3.4028235e38)), 1.401298464324817e-45, -0.0]]
    return [
        ("hello", "the greeting; a unit's name is not ASCII", frames("hello", 0, 1_000_000, **HELLO)),
        (
            "heartbeat",
            "nothing heard yet",
            frames(
                "heartbeat",
                0,
                1_100_000,
                state="armed",
                bins=0,
                seqs={"hello/main/": 0},
                clients=1,
                dropped=0,
                memory_bytes=None,
            ),
        ),
        (
            "event-state",
            "the run begins",
            frames(
                "event",
                0,
                1_200_000,
                number=0,
                name="state",
                t=1_150_000,
                details={"state": "running", "previous": "armed"},
            ),
        ),
        ("rates-first", "one bin of three units, warming up", rates(0, 0, [[0, 1.5, 120]], flags=4)),
        ("rates-two-bins", "two bins in one message", rates(1, 1, [[2, 0.25, 0.001], [3, 4, 5]])),
        ("rates-extremes", "the largest and the smallest float32, and a negative zero", rates(2, 3, extremes)),
        (
            "rates-all-flags",
            "every flag but LAST; the clock stepped, so t_raw is after t_cap",
            rates(3, 4, [[1, 2, 3]], flags=127),
        ),
        (
            "rates-after-a-gap",
            "5 bins were lost before computing: i0 jumps, gap says so, seq does not jump",
            rates(4, 10, [[1, 2, 3]], gap=5, flags=1),
        ),
        ("rates-after-a-loss", "3 messages were lost on the way: seq jumps, and i0 with it", rates(8, 14, [[1, 2, 3]])),
        (
            "rates-unknown-field",
            "a header field of a later version, to be passed over",
            rates(9, 15, [[1, 2, 3]], temperature_c=36.6),
        ),
        (
            "rates-large-integers",
            "the largest integer that a header may hold",
            rates(10, 16, [[1, 2, 3]], t_proc=2**53 - 1),
        ),
        (
            "rates-other-stream",
            "another stream, whose numbers are its own",
            frames("rates", 0, 90_000_000, np.array([[7]], np.float32), stream="left.ear-2", i0=0, **COMMON),
        ),
        ("spectrogram", "two bands", frames("spectrogram", 0, 91_000_000, np.array([[0.5, -0.5]], np.float32), i0=0)),
        (
            "onoff",
            "first the ON bands, then the OFF bands",
            frames("onoff", 0, 92_000_000, np.array([[1, 2, 3, 4]], np.float32), i0=0),
        ),
        ("level", "dB SPL", frames("level", 0, 93_000_000, np.array([[62.5]], np.float32), i0=0, unit="dB SPL")),
        ("spikes", "counts", frames("spikes", 0, 94_000_000, np.array([[0, 1, 2]], np.float32), i0=0, unit="count")),
        (
            "event-mark",
            "a mark with text that is not ASCII",
            frames(
                "event",
                1,
                95_000_000,
                number=1,
                name="mark",
                t=94_500_000,
                details={"label": "Ton an \u266a", "s": 4560, "bin": 19, "t": 94_500_000, "t_client": "98211223344"},
            ),
        ),
        (
            "rates-last",
            "the end: no bins, flag LAST",
            frames("rates", 11, 96_000_000, np.empty((0, 3), np.float32), i0=17, **{**COMMON, "flags": 128}),
        ),
    ]


def bad() -> list[tuple[str, str, list[bytes]]]:
    """Return messages a client should count as malformed and pass over."""
    topic, header, payload = rates(0, 0, [[0, 1.5, 120]])
    text = header.decode()

    def with_header(old: str, new: str) -> list[bytes]:
        assert old in text, old
        return [topic, text.replace(old, new, 1).encode(), payload]

    return [
        ("bad-one-frame", "a topic alone", [topic]),
        ("bad-four-frames", "a frame too many", [topic, header, payload, b""]),
        ("bad-no-payload", "rates without their payload", [topic, header]),
        (
            "bad-payload-on-event",
            "a kind without an array, with one",
            [*frames("event", 0, 1, number=0, name="mark", t=1, details={}), payload],
        ),
        ("bad-payload-short", "a byte is missing", [topic, header, payload[:-1]]),
        ("bad-payload-long", "a float too many", [topic, header, payload + struct.pack("<f", 1)]),
        ("bad-topic-slash", "a topic without its last slash", [topic[:-1], header, payload]),
        ("bad-topic-kind", "a kind that is none", [b"rate/main/", header, payload]),
        ("bad-header-kind", "topic and header differ", with_header('"kind":"rates"', '"kind":"level"')),
        ("bad-header-stream", "topic and header differ", with_header('"stream":"main"', '"stream":"other"')),
        ("bad-version", "a protocol of another version", with_header('"v":1', '"v":2')),
        ("bad-json", "a header that ends early", [topic, header[:-1], payload]),
        ("bad-json-list", "a list instead of an object", [topic, b"[1]", payload]),
        ("bad-json-nan", "a number JSON does not have", with_header('"load":0.03', '"load":NaN')),
        ("bad-utf8", "a header that is not UTF-8", [topic, header.replace(b'"Hz"', b'"\xff"'), payload]),
        ("bad-integer", "an integer of 2**53", with_header('"i0":0', f'"i0":{2**53}')),
        ("bad-negative", "bins before the first", with_header('"i0":0', '"i0":-1')),
        ("bad-dtype", "doubles", with_header('"<f4"', '"<f8"')),
        ("bad-no-run", "a message of no run", with_header(f'"run":"{RUN}"', '"run":""')),
        ("bad-shape", "more bins than the payload holds", with_header('"n":1', '"n":4000000000')),
        ("bad-nesting", "lists without end", [topic, b'{"v":' + b"[" * 5000 + b"]" * 5000 + b"}", payload]),
    ]


def index_of(name: str, what: str, parts: list[bytes]) -> dict[str, Any]:
    """Return what index.json says of a message."""
    data = b"".join(parts)
    row: dict[str, Any] = {
        "name": name,
        "what": what,
        "file": f"{name}.bin",
        "frames_bytes": [len(part) for part in parts],
    }
    row |= {"sha256": hashlib.sha256(data).hexdigest(), "good": not name.startswith("bad-")}
    if row["good"]:
        decoded = message.decode(parts)
        row |= {"topic": decoded.topic, "seq": decoded.seq}
        if decoded.array is not None:
            row |= {"i0": decoded.header["i0"], "shape": list(decoded.array.shape), "flags": int(decoded.flags)}
    return row


def main(folder: Path) -> None:
    """Write all files."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, what, parts in good() + bad():
        (folder / f"{name}.bin").write_bytes(b"".join(parts))
        rows.append(index_of(name, what, parts))
    counted = {"messages": len(good()), "lost": {"rates/main/": 3}, "bins_lost": 8, "malformed": len(bad())}
    text = json.dumps({"protocol": message.PROTOCOL, "run": RUN, "in_all": counted, "messages": rows}, indent=1)
    (folder / "index.json").write_text(text + "\n", encoding="ascii")
    print(f"{len(rows)} messages in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
