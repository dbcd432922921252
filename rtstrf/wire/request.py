"""A control request and its reply: parsed, checked, written. Pure: no socket, no clock.

A request is ``{"v": 1, "id": ..., "cmd": ..., "args": {...}}``. Its reply is ``{"v": 1, "id": ..., "ok": true,
"result": {...}, "t1": ..., "t2": ...}`` or the same with ``"ok": false`` and ``"error": {"code", "message", "hint"}``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rtstrf.errors import WireError
from rtstrf.wire import strict_json
from rtstrf.wire.message import VERSION

REQUEST_LIMIT_BYTES = 64 * 1024
LABEL_LIMIT_CHARACTERS = 256

_ONE_STREAM: dict[str, tuple[type, ...]] = {"stream": (str,)}

COMMANDS: dict[str, dict[str, tuple[type, ...]]] = {
    "hello": _ONE_STREAM,
    "ping": {},
    "status": _ONE_STREAM,
    "events": {"since": (int,), **_ONE_STREAM},
    "arm": _ONE_STREAM,
    "start": {"at": (int,), **_ONE_STREAM},  # ns since the run started
    "stop": _ONE_STREAM,
    "reset": _ONE_STREAM,
    "mark": {"label": (str,), "t_client": (str, int, float), **_ONE_STREAM},
    "get": {"name": (str,), **_ONE_STREAM},
    "set": {"name": (str,), "value": (str, int, float, bool, list, dict, type(None)), **_ONE_STREAM},
    "stream.add": {"name": (str,), "source": (dict,), "gain_db": (int, float)},
    "stream.remove": {"name": (str,)},
    "record.start": {"name": (str,)},
    "record.stop": {},
    "shutdown": {},
}
"""Every command with its arguments and the types they may have."""

REQUIRED = {"mark": ("label",), "set": ("name", "value"), "stream.add": ("name", "source"), "stream.remove": ("name",)}

_JSON_NAMES = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    list: "list",
    dict: "object",
    type(None): "null",
}


class RequestError(WireError):
    """A control request that was refused, on the server as on the client.

    Parameters
    ----------
    code : str
        One word a program can branch on (docs/protocol.md lists them).
    what, remedy : str
        As for every error of rtstrf; ``message`` and ``hint`` on the wire.
    """

    def __init__(self, code: str, what: str, *, remedy: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is well formed: a known command with arguments of the right types.

    Attributes
    ----------
    id : str or int
    cmd : str
    args : dict
    """

    id: str | int
    cmd: str
    args: dict[str, Any]

    def same_as(self, other: Request) -> bool:
        """Tell whether another asks for the same (a repetition) or only has the same id (a mistake)."""
        return (self.cmd, strict_json.dumps(self.args)) == (other.cmd, strict_json.dumps(other.args))


def read_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object of a request, not checked further.

    Raises
    ------
    RequestError
        ``too_large`` or ``bad_json``.

    Examples
    --------
    >>> read_object(b'{"id": 1}')
    {'id': 1}
    """
    if len(data) > REQUEST_LIMIT_BYTES:
        raise RequestError(
            "too_large",
            f"a request of {len(data)} bytes; the limit is {REQUEST_LIMIT_BYTES}",
            remedy="send less at a time",
        )
    try:
        return strict_json.loads_object(data)
    except ValueError as error:
        raise RequestError("bad_json", str(error), remedy="send one JSON object in UTF-8") from None


def id_of(raw: dict[str, Any]) -> str | int | None:
    """Return the id of a request, None where it has none that can be used.

    Examples
    --------
    >>> id_of({"id": "a"}), id_of({"id": True})
    ('a', None)
    """
    value = raw.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return value if isinstance(value, str) and 0 < len(value) <= 128 else None


def check(raw: dict[str, Any]) -> Request:
    """Check everything in a request that can be checked without executing it.

    Raises
    ------
    RequestError
        ``bad_request``, ``unknown_command`` or ``bad_arguments``.

    Examples
    --------
    >>> check({"v": 1, "id": "a", "cmd": "mark", "args": {"label": "left"}}).args
    {'label': 'left'}
    """
    if type(raw.get("v")) is not int or raw["v"] != VERSION:
        raise RequestError(
            "bad_request", f"v is {raw.get('v')!r}", remedy=f"this server speaks version {VERSION}: send v {VERSION}"
        )
    identity = id_of(raw)
    if identity is None:
        raise RequestError(
            "bad_request",
            f"the id is {str(raw.get('id'))[:40]!r}",
            remedy="give each request an id of its own: a text of 1 to 128 characters, such as a UUID, or an integer",
        )
    cmd = raw.get("cmd")
    if not isinstance(cmd, str) or cmd not in COMMANDS:
        raise RequestError(
            "unknown_command", f"no such command: {str(cmd)[:40]!r}", remedy=f"choose from {', '.join(COMMANDS)}"
        )
    unknown = raw.keys() - {"v", "id", "cmd", "args"}
    if unknown:
        raise RequestError(
            "bad_request", f"unknown field {min(unknown)[:40]!r}", remedy="a request has v, id, cmd and args only"
        )
    args = raw.get("args", {})
    if not isinstance(args, dict):
        raise RequestError(
            "bad_arguments", f"args is a {type(args).__name__}", remedy="send an object, or leave it out"
        )
    _check_args(cmd, args)
    return Request(identity, cmd, args)


def _check_args(cmd: str, args: dict[str, Any]) -> None:
    known = COMMANDS[cmd]
    for name, value in args.items():
        if name not in known:
            raise RequestError(
                "bad_arguments",
                f"{cmd} has no argument {name[:40]!r}",
                remedy=f"it takes {', '.join(known)}" if known else "it takes none",
            )
        if type(value) not in known[name]:  # not isinstance: true is no integer here
            raise RequestError(
                "bad_arguments",
                f"{name} of {cmd} is {str(value)[:40]!r}",
                remedy=f"send {' or '.join(_JSON_NAMES[each] for each in known[name])}",
            )
    for name in REQUIRED.get(cmd, ()):
        if name not in args:
            raise RequestError("bad_arguments", f"{cmd} without {name}", remedy=f"add {name} to its args")
    if cmd == "mark" and len(args["label"]) > LABEL_LIMIT_CHARACTERS:
        raise RequestError(
            "bad_arguments",
            f"a label of {len(args['label'])} characters",
            remedy=f"use {LABEL_LIMIT_CHARACTERS} at most",
        )


def result_of(result: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a reply that says what came of a request."""
    return {"ok": True, "result": result}


def refusal_of(error: RequestError) -> dict[str, Any]:
    """Return the part of a reply that says why a request was refused.

    Examples
    --------
    >>> refusal_of(RequestError("refused", "not live"))["error"]["code"]
    'refused'
    """
    return {"ok": False, "error": {"code": error.code, "message": error.what, "hint": error.remedy or ""}}


def write_reply(identity: str | int | None, outcome: dict[str, Any], t1_ns: int, t2_ns: int) -> bytes:
    """Return a reply as it is sent.

    Parameters
    ----------
    identity : str, int or None
        The id of the request, None where that could not be read.
    outcome : dict
        From `result_of` or `refusal_of`.
    t1_ns, t2_ns : int
        When the request came and when the reply leaves, since the run started.

    Examples
    --------
    >>> write_reply("a", result_of({}), 1, 2)
    b'{"v":1,"id":"a","ok":true,"result":{},"t1":1,"t2":2}'
    """
    return strict_json.dumps({"v": VERSION, "id": identity, **outcome, "t1": t1_ns, "t2": t2_ns})
