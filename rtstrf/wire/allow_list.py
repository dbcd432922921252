"""A server's keys, and the list of clients that may enter."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtstrf.errors import WireError
from rtstrf.wire.key_files import read, replacing, write_new
from rtstrf.wire.keys import ClientKeys, KeyPair, checked_key, checked_name, pair_of

SERVER_FILE = "server.key"
ALLOWED_FILE = "allowed.json"
SERVER_FORMAT = "rtstrf-server-key/1"
ALLOWED_FORMAT = "rtstrf-allowed-keys/1"

ACCESS = ("read-only", "read-write")
"""Read-only keys reach the data; read-write keys reach the control channel too."""


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
        self.pair = pair_of(read(file, SERVER_FORMAT, secret=True), file)
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


def checked_access(value: Any) -> str:
    """Return what a client may do; WireError where it is not a thing to allow."""
    if value in ACCESS:
        return value
    raise WireError(f"access {str(value)[:40]!r}", remedy=f"choose from {', '.join(ACCESS)}")


def _read_allowed(path: Path) -> list[Allowed]:
    rows = read(path, ALLOWED_FORMAT).get("clients")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise WireError(f"{path} has no list of clients", remedy="move it away, and allow the clients again")
    clients = []
    for row in rows:
        public = checked_key(row.get("public"), f"a client's key in {path}")
        clients.append(Allowed(checked_name(row.get("name")), public, checked_access(row.get("access"))))
    return clients
