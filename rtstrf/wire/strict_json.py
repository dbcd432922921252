"""JSON as every language reads it: no NaN, no integer beyond 2**53, no endless nesting, valid Unicode.

The same limits hold for what is sent and for what is believed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

INTEGER_LIMIT = 2**53
"""Integers must lie strictly within plus and minus this: a double holds them exactly."""

DEPTH_LIMIT = 16
"""How deep lists and objects may be nested."""


def plain(value: Any, *, depth_limit: int = DEPTH_LIMIT) -> Any:
    """Return a copy made of dict, list, str, int, float, bool and None only, or say what cannot be sent.

    Parameters
    ----------
    value : object
        Anything JSON can hold; numpy scalars become numbers and tuples become lists.
    depth_limit : int, optional
        Deepest nesting of lists and objects allowed in it; 0 allows scalars only.

    Raises
    ------
    ValueError
        If a number is not finite or not exact in a double, a text is not valid Unicode, a key is not a text, or the
        nesting is too deep.
    TypeError
        If something is of a type JSON does not have.

    Examples
    --------
    >>> plain({"bins": (np.int64(3), np.float32(0.5))})
    {'bins': [3, 0.5]}
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, np.generic):
        value = value.item()
        if isinstance(value, np.generic):  # long double and datetime64 have no Python twin
            raise TypeError(f"a {type(value).__name__} has no place in JSON")
        return plain(value, depth_limit=depth_limit)
    if isinstance(value, int):
        if not -INTEGER_LIMIT < value < INTEGER_LIMIT:
            raise ValueError(
                f"the integer {hex(value)[:20]}... is beyond 2**53, where a double is not exact; send it as text"
            )
        return int(value)  # an IntEnum or IntFlag becomes a plain number
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"the number {value} is not finite")
        return float(value)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"the text {value[:40]!r} is not valid Unicode (a surrogate stands alone)") from None
        return str(value)
    if isinstance(value, dict | list | tuple):
        if depth_limit < 1:
            raise ValueError("lists or objects are nested too deep")
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise TypeError(f"the key {key!r} is not a text")
            return {plain(key): plain(item, depth_limit=depth_limit - 1) for key, item in value.items()}
        return [plain(item, depth_limit=depth_limit - 1) for item in value]
    raise TypeError(f"a {type(value).__name__} has no place in JSON")


def plain_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a flat object, as `plain` with no nesting does: quicker where most values are plain already.

    Examples
    --------
    >>> plain_fields({"i0": 3, "load": np.float32(0.5)})
    {'i0': 3, 'load': 0.5}
    """
    copy = {}
    for name, value in fields.items():
        of = type(value)
        if of is int:
            exact = -INTEGER_LIMIT < value < INTEGER_LIMIT
        elif of is float:
            exact = math.isfinite(value)
        else:
            exact = of is str and value.isascii()
        copy[name] = value if exact else plain(value, depth_limit=0)
    return copy


_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def dumps(value: Any) -> bytes:
    """Encode a value that is `plain` already as compact JSON in ASCII.

    Examples
    --------
    >>> dumps({"unit": "Hz"})
    b'{"unit":"Hz"}'
    """
    return _ENCODER.encode(value).encode("ascii")


def loads_object(data: bytes) -> dict[str, Any]:
    """Decode one JSON object within the limits of this module.

    Parameters
    ----------
    data : bytes
        UTF-8.

    Returns
    -------
    value : dict

    Raises
    ------
    ValueError
        If it is not UTF-8, not JSON, not an object, or beyond the limits; the message says which.

    Examples
    --------
    >>> loads_object(b'{"v": 1}')
    {'v': 1}
    """
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {error.start} is 0x{data[error.start]:02x}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise ValueError("lists or objects are nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object was expected, not a {type(value).__name__}")
    return value if _is_flat_and_plain(value) else plain(value)


def _is_flat_and_plain(value: dict[str, Any]) -> bool:
    """Tell, quickly, whether what JSON made needs no closer look; most headers of arrays do not."""
    for name, item in value.items():
        of = type(item)
        if of is int:
            good = -INTEGER_LIMIT < item < INTEGER_LIMIT
        elif of is float:
            good = math.isfinite(item)
        elif of is str:
            good = item.isascii()
        else:
            good = item is None or of is bool
        if not good or not name.isascii():
            return False
    return True


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
