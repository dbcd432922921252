"""Keys: pairs, and what a client needs to enter (CURVE, https://rfc.zeromq.org/spec/26/).

    server's folder                              a client's file
    ├── server.key      secret, mode 600         NAME.key    secret, mode 600: its own pair and the server's public key
    └── allowed.json    public keys and access

Keys are text of 40 characters (Z85, https://rfc.zeromq.org/spec/32/), as every ZeroMQ library takes them.
`allow_list.py` has the server's side.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstrf.errors import WireError
from rtstrf.extras import require
from rtstrf.wire.key_files import read, write_new

if TYPE_CHECKING:
    import zmq
    from zmq.utils import z85
else:
    zmq = require("zmq", "wire")
    z85 = require("zmq.utils.z85", "wire")

CLIENT_FORMAT = "rtstrf-client-key/1"

_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A public and a secret key; the secret one is kept out of what is printed.

    Attributes
    ----------
    public, secret : str
        40 characters each.
    """

    public: str
    secret: str = field(repr=False)

    @classmethod
    def make(cls) -> KeyPair:
        """Return a new pair.

        Raises
        ------
        WireError
            If the ZeroMQ that is installed was built without CURVE.

        Examples
        --------
        >>> len(KeyPair.make().public)
        40
        """
        if not zmq.has("curve"):
            raise WireError(
                "this ZeroMQ was built without CURVE", remedy="install pyzmq from its wheel: pip install pyzmq"
            )
        while True:
            public, secret = zmq.curve_keypair()
            if not public.startswith(b"-"):  # which a command would take for an option
                return cls(public.decode(), secret.decode())


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """What a client needs to enter.

    Attributes
    ----------
    name : str
    pair : KeyPair
        Its own.
    server : str
        The server's public key: with another one the server cannot be impersonated.
    """

    name: str
    pair: KeyPair
    server: str

    @classmethod
    def make(cls, name: str, server: str) -> ClientKeys:
        """Return new keys for a client of a server whose public key is given."""
        return cls(checked_name(name), KeyPair.make(), checked_key(server, "the server's public key"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ClientKeys:
        """Read a client's file.

        Raises
        ------
        WireError
            If it cannot be read, others can read it too, or it is no such file.
        """
        file = Path(path).expanduser()
        fields = read(file, CLIENT_FORMAT, secret=True)
        name = checked_name(fields.get("name"))
        return cls(name, pair_of(fields, file), checked_key(fields.get("server"), f"the server's key in {file}"))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, for its owner's eyes only; WireError where there is one already."""
        fields = {"format": CLIENT_FORMAT, "name": self.name, "public": self.pair.public}
        write_new(Path(path).expanduser(), {**fields, "secret": self.pair.secret, "server": self.server})


def checked_key(value: Any, what: str) -> str:
    """Return a key in text; WireError where it is none.

    Examples
    --------
    >>> checked_key(KeyPair.make().public, "the key") is not None
    True
    """
    try:
        if isinstance(value, str) and len(value) == 40 and len(z85.decode(value.encode("ascii"))) == 32:
            return value
    except (KeyError, ValueError, TypeError, UnicodeError):
        pass
    raise WireError(
        f"{what} is {str(value)[:60]!r}", remedy="a key is 40 characters; quote it in a shell, it may have any sign"
    )


def checked_name(value: Any) -> str:
    """Return the name of a client; WireError where it is none."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise WireError(f"{str(value)[:80]!r} cannot name a client", remedy="use 1 to 64 letters, digits, . _ @ or -")


def pair_of(fields: dict[str, Any], path: Path) -> KeyPair:
    """Return the pair that a file holds; WireError where it is damaged."""
    pair = KeyPair(checked_key(fields.get("public"), f"the public key in {path}"), str(fields.get("secret")))
    try:
        checked_key(pair.secret, "")
    except WireError:  # without the text, which may be most of a secret
        raise WireError(f"the secret key in {path} is damaged", remedy="make a new one with: rtstrf keys") from None
    if zmq.curve_public(pair.secret.encode()).decode() != pair.public:
        raise WireError(f"the keys in {path} do not belong together", remedy="make new ones with: rtstrf keys")
    return pair
