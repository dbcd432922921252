"""What can go wrong, as a tree.

    RtstrfError
    ├── UserError                 the user's mistake: one message, exit code 2, no traceback
    │   ├── ConfigError           a key, type or value in a config or on the command line
    │   ├── SoundError            a sound file, device or sample that cannot be used
    │   ├── CheckpointError       a model that is missing, incomplete or contradicts itself
    │   ├── DataError             recordings to fit that are missing or incomplete
    │   ├── RecordError           a record of a session that cannot be written or read
    │   ├── WireError             a port in use, a refused bind, a server that does not answer
    │   └── MissingExtraError     an optional library that is not installed
    └── StreamError               a caller broke the streaming contract (a bug in the calling program)

Every message says what is wrong, which value, and what to do about it: ``what`` holds the first two,
``remedy`` the third.
"""

from __future__ import annotations


class RtstrfError(Exception):
    """Base of every error that rtstrf raises on purpose.

    Parameters
    ----------
    what : str
        What is wrong, with the value that is.
    remedy : str, optional
        What the reader can do about it, as an imperative sentence.

    Examples
    --------
    >>> str(RtstrfError("no unit 130: the model has 119", remedy="choose 0 to 118"))
    'no unit 130: the model has 119\\n  -> choose 0 to 118'
    """

    def __init__(self, what: str, *, remedy: str | None = None) -> None:
        super().__init__(what if remedy is None else f"{what}\n  -> {remedy}")
        self.what = what
        self.remedy = remedy


class UserError(RtstrfError):
    """The user's mistake; the command line prints it and exits with 2."""


class ConfigError(UserError):
    """A configuration key, type or value that cannot be used."""


class SoundError(UserError):
    """A sound file, device or sample that cannot be used."""


class CheckpointError(UserError):
    """A model that is missing, incomplete, damaged or contradicts itself."""


class DataError(UserError):
    """Recordings to fit that are missing or incomplete."""


class RecordError(UserError):
    """A record of a session that cannot be written, read or run again."""


class WireError(UserError):
    """A port in use, a bind that is refused, or a server that does not answer."""


class MissingExtraError(UserError):
    """An optional library that is not installed."""


class StreamError(RtstrfError):
    """A caller broke the streaming contract: wrong shape, lane or state."""
