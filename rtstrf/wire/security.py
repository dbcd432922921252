"""Who may reach the server: loopback only, unless keys say who, or the user says anybody in so many words."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rtstrf.errors import WireError

if TYPE_CHECKING:
    from rtstrf.wire.allow_list import ServerKeys


def host_of(endpoint: str) -> str | None:
    """Return the host of a TCP endpoint, None for a transport that never leaves the machine.

    Raises
    ------
    WireError
        If it is not an endpoint of ``tcp``, ``ipc`` or ``inproc``.

    Examples
    --------
    >>> host_of("tcp://[::1]:5590"), host_of("ipc:///run/rates")
    ('::1', None)
    """
    transport, separator, address = endpoint.partition("://")
    if separator and address and transport in ("ipc", "inproc"):
        return None
    host, colon, port = address.rpartition(":")
    if transport == "tcp" and colon and host and (port == "*" or (port.isdecimal() and int(port) < 65536)):
        return host.strip("[]")
    raise WireError(
        f"{endpoint!r} is not an endpoint", remedy="write it as tcp://HOST:PORT, such as tcp://127.0.0.1:5590"
    )


def is_loopback(endpoint: str) -> bool:
    """Tell whether only programs on this machine can reach an endpoint.

    Examples
    --------
    >>> is_loopback("tcp://127.0.0.1:5590"), is_loopback("tcp://*:5590")
    (True, False)
    """
    host = host_of(endpoint)
    if host is None or host in ("localhost", "lo"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # an interface's or another machine's name, or the wildcard
        return False


def seen_from(endpoint: str, other: str) -> str:
    """Return an endpoint as a client reaches it who reached another endpoint of the same server.

    Parameters
    ----------
    endpoint : str
        As the server bound it; its host may be a wildcard.
    other : str
        An endpoint of that server as the client wrote it.

    Examples
    --------
    >>> seen_from("tcp://0.0.0.0:5591", "tcp://lab:5590")
    'tcp://lab:5591'
    """
    if host_of(endpoint) not in ("0.0.0.0", "::", "*"):
        return endpoint
    return f"{other.rpartition(':')[0]}:{endpoint.rpartition(':')[2]}"


@dataclass(frozen=True, slots=True)
class Security:
    """What a server demands before it binds.

    Attributes
    ----------
    insecure_lan : bool
        The user has said that anybody on the network may read the rates and command the server.
    keys : ServerKeys or None
        Everything is encrypted, and only clients whose keys are allowed get in.

    Raises
    ------
    WireError
        If both are given: they contradict each other.
    """

    insecure_lan: bool = False
    keys: ServerKeys | None = None

    def __post_init__(self) -> None:
        if self.insecure_lan and self.keys is not None:
            raise WireError(
                "--insecure-lan lets anybody in, and wire.keys only those with an allowed key", remedy="leave one out"
            )

    def check_bind(self, endpoint: str) -> None:
        """Refuse to be reached from other machines unless keys or the user say by whom.

        Raises
        ------
        WireError
            If the endpoint is beyond loopback, `insecure_lan` is not set, and there are no keys or no client is
            allowed by them.

        Examples
        --------
        >>> Security().check_bind("tcp://127.0.0.1:5590")
        """
        if is_loopback(endpoint) or self.insecure_lan:
            return
        if self.keys is None:
            raise WireError(
                f"{endpoint} could be reached from other machines, and nothing on this wire is encrypted or checked",
                remedy="bind to 127.0.0.1; or make keys (rtstrf keys, docs/rig.md) and set wire.keys; or on a network "
                "you trust entirely say --insecure-lan",
            )
        if not self.keys.clients():
            raise WireError(
                f"{endpoint} is for other machines, and no client is allowed in {self.keys.folder}",
                remedy=f"allow one: rtstrf keys allow NAME KEY --folder {self.keys.folder}",
            )

    def describe(self) -> dict[str, Any]:
        """Return what the greeting says about it."""
        if self.keys is None:
            return {"mechanism": "NULL", "insecure_lan": self.insecure_lan}
        try:
            access = Counter(client.access for client in self.keys.clients())
        except WireError:  # a damaged list lets nobody in; those who are in are greeted all the same
            access = Counter()
        return {
            "mechanism": "CURVE",
            "insecure_lan": False,
            "clients_allowed": {"read-only": access["read-only"], "read-write": access["read-write"]},
        }
