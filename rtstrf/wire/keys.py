"""Keys of servers and clients on disk, and who is allowed to do what (CURVE, https://rfc.zeromq.org/spec/26/).

    server's folder                              a client's file
    ├── server.key      secret, mode 600         NAME.key    secret, mode 600: its own pair and the server's public key
    └── allowed.json    public keys and access

Keys are text of 40 characters (Z85, https://rfc.zeromq.org/spec/32/), as every ZeroMQ library takes them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstrf.errors import WireError
from rtstrf.extras import require

if TYPE_CHECKING:
    import zmq
    from zmq.utils import z85
else:
    zmq = require("zmq", "wire")
    z85 = require("zmq.utils.z85", "wire")

SERVER_FILE = "server.key"
ALLOWED_FILE = "allowed.json"
SERVER_FORMAT = "rtstrf-server-key/1"
CLIENT_FORMAT = "rtstrf-client-key/1"
ALLOWED_FORMAT = "rtstrf-allowed-keys/1"

ACCESS = ("read-only", "read-write")
"""Read-only keys reach the data; read-write keys reach the control channel too."""

FILE_LIMIT_BYTES = 1024 * 1024

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
        fields = _read(file, CLIENT_FORMAT, secret=True)
        name = checked_name(fields.get("name"))
        return cls(name, _pair_of(fields, file), checked_key(fields.get("server"), f"the server's key in {file}"))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, for its owner's eyes only; WireError where there is one already."""
        fields = {"format": CLIENT_FORMAT, "name": self.name, "public": self.pair.public}
        write_new(Path(path).expanduser(), {**fields, "secret": self.pair.secret, "server": self.server})


@dataclass(frozen=True, slots=True)
class Allowed:
    """One client that may enter."""

    name: str
    public: str
    access: str


class ServerKeys:
    """A server's folder of keys. What is changed in it by `allow` and `revoke` holds from the next connection on.

    Parameters
    ----------
    folder : path

    Attributes
    ----------
    folder : Path
    pair : KeyPair

    Raises
    ------
    WireError
        If there is no key in it, others can read it, or the list of clients is damaged.

    Examples
    --------
    >>> import tempfile
    >>> keys = ServerKeys.make(Path(tempfile.mkdtemp()) / "keys")
    >>> keys.allow("booth", KeyPair.make().public, "read-only")
    >>> [(client.name, client.access) for client in keys.clients()]
    [('booth', 'read-only')]
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).expanduser()
        file = self.folder / SERVER_FILE
        if not file.exists():
            raise WireError(
                f"no key of a server in {self.folder}", remedy=f"make one: rtstrf keys server {self.folder}"
            )
        self.pair = _pair_of(_read(file, SERVER_FORMAT, secret=True), file)
        self._seen: tuple[int, ...] | None = None
        self._by_key: dict[str, Allowed] = {}
        self._guests: dict[str, Allowed] = {}
        self.clients()

    @classmethod
    def make(cls, folder: str | os.PathLike[str]) -> ServerKeys:
        """Make a new key in a folder of its own; WireError where there is one already."""
        path = Path(folder).expanduser()
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        pair = KeyPair.make()
        write_new(path / SERVER_FILE, {"format": SERVER_FORMAT, "public": pair.public, "secret": pair.secret})
        return cls(path)

    def clients(self) -> list[Allowed]:
        """Return the clients that may enter, read anew where the list has changed.

        Raises
        ------
        WireError
            If the list is damaged.
        """
        file = self.folder / ALLOWED_FILE
        try:
            status = file.stat()
        except FileNotFoundError:
            self._seen, self._by_key = None, {}
            return []
        seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        if seen != self._seen:
            self._by_key = {client.public: client for client in _read_allowed(file)}
            self._seen = seen
        return list(self._by_key.values())

    def access_of(self, public: str) -> str | None:
        """Return ``read-only`` or ``read-write``, None for a key that is not allowed or where the list is damaged."""
        try:
            self.clients()
        except WireError:
            return None
        client = self._by_key.get(public) or self._guests.get(public)
        return None if client is None else client.access

    def allow(self, name: str, public: str, access: str) -> None:
        """Let a key in, or change what it may do.

        Parameters
        ----------
        name : str
            Of the client: one key each.
        public : str
        access : str
            ``read-only`` or ``read-write``.

        Raises
        ------
        WireError
            If the name belongs to another key, the key to another name, or either cannot be used.
        """
        client = Allowed(checked_name(name), checked_key(public, "the client's public key"), checked_access(access))
        others = [each for each in self.clients() if (each.name, each.public) != (client.name, client.public)]
        for each in others:
            if each.name == client.name or each.public == client.public:
                raise WireError(
                    f"{each.name!r} is allowed already, with the key {each.public}",
                    remedy=f"revoke it first: rtstrf keys revoke {each.name} --folder {self.folder}",
                )
        if client.public == self.pair.public:
            raise WireError("this is the server's own key", remedy="give the one that rtstrf keys client printed")
        self._write([*others, client])

    def guest(self, name: str) -> ClientKeys:
        """Make a key that may read as long as this process lives, for a display that it opens; not in the list."""
        guest = ClientKeys.make(name, self.pair.public)
        self._guests[guest.pair.public] = Allowed(name, guest.pair.public, "read-only")
        return guest

    def revoke(self, name: str) -> Allowed:
        """Let a client in no more; WireError where there is none of this name."""
        clients = self.clients()
        for client in clients:
            if client.name == name:
                self._write([each for each in clients if each is not client])
                return client
        names = ", ".join(each.name for each in clients) or "nobody"
        raise WireError(f"{name[:80]!r} is not allowed", remedy=f"choose from those who are: {names}")

    def _write(self, clients: list[Allowed]) -> None:
        rows = [{"name": each.name, "access": each.access, "public": each.public} for each in clients]
        with replacing(self.folder / ALLOWED_FILE) as file:
            json.dump({"format": ALLOWED_FORMAT, "clients": rows}, file, indent=2)
            file.write("\n")


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


def checked_access(value: Any) -> str:
    """Return what a client may do; WireError where it is not a thing to allow."""
    if value in ACCESS:
        return value
    raise WireError(f"access {str(value)[:40]!r}", remedy=f"choose from {', '.join(ACCESS)}")


# --- files ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Any]:
    """Write a file for its owner's eyes only, whole or not at all."""
    try:
        handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 600
    except OSError as error:
        raise _not_written(path, error) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(made, path)
    except OSError as error:
        _remove(made)
        raise _not_written(path, error) from None
    except BaseException:
        _remove(made)
        raise


def write_new(path: Path, fields: dict[str, Any]) -> None:
    """Write a file of JSON that must not be there yet."""
    if path.exists():
        raise WireError(f"{path} is there already", remedy="keep it, or move it away first: it cannot be made again")
    with replacing(path) as file:
        json.dump(fields, file, indent=2)
        file.write("\n")


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _not_written(path: Path, error: OSError) -> WireError:
    return WireError(f"{path} cannot be written: {error.strerror}", remedy="choose a folder that you may write to")


def _read(path: Path, format_: str, *, secret: bool = False) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise WireError(
            f"{path} cannot be read: {error.strerror}", remedy="give the file that rtstrf keys has written"
        ) from None
    if secret and os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise WireError(f"{path} is a secret that others can read", remedy=f"run: chmod 600 {path}")
    try:
        fields = json.loads(data) if len(data) <= FILE_LIMIT_BYTES else None
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or fields.get("format") != format_:
        raise WireError(f"{path} is not a file of the form {format_}", remedy="make it with: rtstrf keys")
    return fields


def _pair_of(fields: dict[str, Any], path: Path) -> KeyPair:
    pair = KeyPair(checked_key(fields.get("public"), f"the public key in {path}"), str(fields.get("secret")))
    try:
        checked_key(pair.secret, "")
    except WireError:  # without the text, which may be most of a secret
        raise WireError(f"the secret key in {path} is damaged", remedy="make a new one with: rtstrf keys") from None
    if zmq.curve_public(pair.secret.encode()).decode() != pair.public:
        raise WireError(f"the keys in {path} do not belong together", remedy="make new ones with: rtstrf keys")
    return pair


def _read_allowed(path: Path) -> list[Allowed]:
    rows = _read(path, ALLOWED_FORMAT).get("clients")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise WireError(f"{path} has no list of clients", remedy="move it away, and allow the clients again")
    clients = []
    for row in rows:
        public = checked_key(row.get("public"), f"a client's key in {path}")
        clients.append(Allowed(checked_name(row.get("name")), public, checked_access(row.get("access"))))
    return clients
