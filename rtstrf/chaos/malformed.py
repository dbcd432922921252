"""Valid bytes made invalid by a seed: cut, swapped, repeated, nested, of the wrong type, too large."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

HARMLESS = ("hello", "ping", "status", "events", "get", "mark")
"""Commands that do not end or pause a run if a mutation happens to leave them valid."""

SCALARS: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**53, -(2**63), 10**40, 0.0, -0.0, 1e308, 1e-320, "", " ", "\x00", "\ud800",
    "é" * 40, "A" * 5000, "../../etc/passwd", "${HOME}", "null", "NaN", [], {}, [[]], {"": {}},
)  # fmt: skip
TEXTS = (
    b"NaN",
    b"Infinity",
    b"1e999",
    b"\xff\xfe",
    b"\x00",
    b"{",
    b"}",
    b"[" * 2000,
    b'"',
    b"\\u",
    b"\\ud800",
    b",",
    b":",
)


def mutated(chance: random.Random, valid: bytes, strange: Sequence[bytes] = TEXTS) -> bytes:
    """Return bytes with one to four faults in them; seldom still what they were."""
    data = bytearray(valid)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + chance.choice((1, 1, 2, 8, 64, 1024)))
        kind = chance.randrange(7)
        if kind == 0:
            del data[at:to]
        elif kind == 1:
            data[at:at] = data[at:to]
        elif kind == 2:
            data[at:to] = chance.choice(strange)
        elif kind == 3 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            data[at:to] = chance.randbytes(to - at)
        else:
            other = chance.randrange(len(data) + 1)
            data[at:to], data[other:other] = b"", data[at:to]
    return bytes(data)


def mutated_object(chance: random.Random, value: Any) -> Any:
    """Return a JSON value with something wrong somewhere in it: a type, a key, a number, too much, too deep."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        changed = dict(value)
        key = chance.choice(list(changed))
        kind = chance.randrange(5)
        if kind == 0:
            del changed[key]
        elif kind == 1:
            changed[chance.choice(("x", "", "__class__", key + "_", key.upper()))] = changed[key]
        else:
            changed[key] = mutated_object(chance, changed[key])
        return changed
    if isinstance(value, list) and value and chance.random() < 0.6:
        changed_list = list(value)
        index = chance.randrange(len(value))
        changed_list[index] = mutated_object(chance, value[index])
        return changed_list
    if isinstance(value, int | float) and not isinstance(value, bool) and chance.random() < 0.5:
        return chance.choice((-value, value * 1000, value + 0.5, str(value), [value]))
    return nested(chance.choice(SCALARS), chance.choice((0, 0, 0, 0, 1, 30)))


def nested(value: Any, depth: int) -> Any:
    """Return a value inside so many lists."""
    for _ in range(depth):
        value = [value]
    return value


def requests(chance: random.Random, count: int) -> list[bytes]:
    """Return malformed control requests, none of which can end a run."""
    made = []
    for number in range(count):
        cmd = chance.choice(HARMLESS)
        args = {"mark": {"label": "chaos"}, "get": {"name": "engine.gain_db"}, "events": {"since": 0}}.get(cmd, {})
        valid = {"v": 1, "id": f"chaos-{number}", "cmd": cmd, "args": args}
        if chance.random() < 0.5:
            made.append(as_json(mutated_object(chance, valid)))
        else:
            made.append(mutated(chance, as_json(valid)))
    return made


def as_json(value: Any) -> bytes:
    """Return JSON, whatever of it JSON does not allow included."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
