"""What a trigger does in the world: a packet, a byte, a function of a plugin. None of it delays the engine."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from typing import Any

from rtstrf.config.triggers import PluginAction, SerialAction, UdpAction
from rtstrf.errors import ConfigError, WireError
from rtstrf.extras import require
from rtstrf.sinks.queued import Queued
from rtstrf.sinks.sink import Sink

CALLS_WAITING = 64


class Action:
    """Something to do when a trigger fires.

    Notes
    -----
    `fire` is called on the engine's thread: it takes microseconds and waits for nobody.
    """

    def open(self) -> None:
        """Get ready; what cannot be used is a UserError here."""

    def fire(self, details: dict[str, Any]) -> None:
        """Do it; `details` are those of the event (docs/triggers.md)."""

    def close(self) -> None:
        """Release what was opened."""


class UdpPacket(Action):
    """Send a packet; the system takes it or drops it, at once."""

    def __init__(self, section: UdpAction) -> None:
        self._section = section
        self._message = None if section.message is None else section.message.encode()
        self._socket: socket.socket | None = None
        self._to: Any = None

    def open(self) -> None:
        host, port = self._section.host, self._section.port
        try:
            # Resolved once, since asking for an address may take seconds.
            family, kind, proto, _, self._to = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise WireError(f"no host {host!r}: {error}", remedy="give the name or address of one") from error
        self._socket = socket.socket(family, kind, proto)
        self._socket.setblocking(False)

    def fire(self, details: dict[str, Any]) -> None:
        assert self._socket is not None
        self._socket.sendto(json.dumps(details).encode() if self._message is None else self._message, self._to)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


class SerialByte(Action):
    """Write a byte to a serial port; a port that takes none is an error, not a wait."""

    def __init__(self, section: SerialAction) -> None:
        self._section = section
        self._byte = bytes([section.byte])
        self._port: Any = None

    def open(self) -> None:
        serial = require("serial", "serial")
        try:
            self._port = serial.Serial(self._section.port, self._section.baud, write_timeout=0)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"the serial port {self._section.port!r} cannot be opened: {error}",
                remedy="name a port that is there and that you may use (on Linux: be in the group dialout)",
            ) from error

    def fire(self, details: dict[str, Any]) -> None:
        if os.name == "posix":
            os.write(self._port.fileno(), self._byte)  # pyserial's own write would try again for ever
        else:
            self._port.write(self._byte)

    def close(self) -> None:
        if self._port is not None:
            self._port.close()


class PluginCall(Action):
    """Call a function on a thread of its own, which may take as long as it likes."""

    def __init__(self, section: PluginAction, function: Callable[..., None], failed: Callable[[str], None]) -> None:
        self._queue = Queued(_Caller(section, function), CALLS_WAITING, lambda sink, error: failed(_said(error)))

    def open(self) -> None:
        self._queue.open({})

    def fire(self, details: dict[str, Any]) -> None:
        self._queue.event("trigger", 0, details)

    def close(self) -> None:
        self._queue.close()


class _Caller(Sink):
    def __init__(self, section: PluginAction, function: Callable[..., None]) -> None:
        self.name = f"action {section.plugin}"
        self._options = section.options
        self._function = function

    def event(self, name: str, t_ns: int, details: dict[str, Any]) -> None:
        self._function(details, **self._options)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def make_action(section: UdpAction | SerialAction | PluginAction | None, failed: Callable[[str], None]) -> Action:
    """Build an action, not opened yet; `failed` is told of what it fails at later, on whatever thread."""
    if isinstance(section, UdpAction):
        return UdpPacket(section)
    if isinstance(section, SerialAction):
        return SerialByte(section)
    if isinstance(section, PluginAction):
        from rtstrf.plugins import load_plugin

        return PluginCall(section, load_plugin("rtstrf.actions", section.plugin), failed)
    return Action()
