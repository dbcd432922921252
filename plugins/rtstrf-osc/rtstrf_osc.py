"""Rates as Open Sound Control messages over UDP, in a form that Bonsai can take apart."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
from pydantic import Field
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import UDPClient

from rtstrf.config.load import Section
from rtstrf.errors import ConfigError, WireError
from rtstrf.sinks.sink import Sink

LARGEST_PACKET_BYTES = 65507 - 512  # of UDP, less address, type tags and the other arguments
MOST_UNITS = 7  # Bonsai takes apart messages of up to eight arguments


class OscSink(Sink):
    """Send each bin as OSC messages, and each event.

    Notes
    -----
    Messages, with their type tags; STREAM is the name of the stream:

    - ``/rtstrf/STREAM/rates`` ``hhhib``: index of the bin, audio samples heard so far, time of capture of the last of
      them (ns since the run started), flags of docs/protocol.md, and the rates in Hz of all units as little-endian
      float32.
    - ``/rtstrf/STREAM/mean`` ``hf``: index of the bin, mean rate in Hz of all units.
    - ``/rtstrf/STREAM/units`` ``hf...``: index of the bin, the rates in Hz of the chosen units, where there are any.
    - ``/rtstrf/STREAM/event/NAME`` ``hs``: time of the event (ns since the run started), its details in JSON.

    UDP promises nothing: a packet may be lost. The index of the bin tells.
    """

    name = "osc"

    class Options(Section):
        """Where to, and what."""

        host: str = Field("127.0.0.1", description="where the receiver is")
        port: int = Field(9000, ge=1, le=65535, description="where the receiver listens")
        rates: bool = Field(True, description="send /rtstrf/STREAM/rates")
        mean: bool = Field(True, description="send /rtstrf/STREAM/mean")
        units: tuple[int | str, ...] = Field(
            (), strict=False, max_length=MOST_UNITS, description="send these in /rtstrf/STREAM/units, by index or id"
        )
        events: bool = Field(True, description="send /rtstrf/STREAM/event/NAME")

    def __init__(self, options: Any) -> None:
        self._options = options

    def open(self, greeting: dict[str, Any]) -> None:
        ids = [unit["id"] for unit in greeting["units"]]
        if self._options.rates and 4 * len(ids) > LARGEST_PACKET_BYTES:
            raise ConfigError(
                f"the rates of {len(ids)} units do not fit into a UDP packet",
                remedy="set rates: false, and choose up to seven units, or read the stream over ZeroMQ",
            )
        self._alone = greeting["config"]["wire"]["stream"]
        self._units = [_index(unit, ids) for unit in self._options.units]
        try:
            self._client = UDPClient(self._options.host, self._options.port)
        except OSError as error:
            raise WireError(
                f"no host {self._options.host!r}: {error}", remedy="give the name or address of one"
            ) from error

    def rows(self, kind: str, header: dict[str, Any], rows: np.ndarray) -> None:
        if kind != "rates":
            return
        samples = (header["s1"] - header["s0"]) // max(1, len(rows))
        place = f"/rtstrf/{header.get('stream', self._alone)}"
        for index, row in enumerate(rows):
            number = header["i0"] + index
            if self._options.rates:
                heard = header["s0"] + (index + 1) * samples
                rates = row.astype("<f4").tobytes()
                self._send(f"{place}/rates", "hhhib", number, heard, header["t_cap"], header["flags"], rates)
            if self._options.mean:
                self._send(f"{place}/mean", "hf", number, float(row.mean()))
            if self._units:
                chosen = [float(row[unit]) for unit in self._units]
                self._send(f"{place}/units", "h" + "f" * len(chosen), number, *chosen)

    def event(self, name: str, t_ns: int, details: dict[str, Any]) -> None:
        if self._options.events:
            place = f"/rtstrf/{details.get('stream', self._alone)}/event/{name}"
            self._send(place, "hs", t_ns, json.dumps(details, ensure_ascii=True))

    def _send(self, address: str, types: str, *arguments: Any) -> None:
        builder = OscMessageBuilder(address)
        for kind, argument in zip(types, arguments, strict=True):
            builder.add_arg(argument, kind)
        with suppress(ConnectionRefusedError):  # nobody listens there yet
            self._client.send(builder.build())


def _index(unit: int | str, ids: list[str]) -> int:
    if isinstance(unit, str) and unit in ids:
        return ids.index(unit)
    if isinstance(unit, int) and 0 <= unit < len(ids):
        return unit
    raise ConfigError(
        f"the sink osc is to send the unit {unit!r}, and the model has none of that name or number",
        remedy=f"choose 0 to {len(ids) - 1}, or an id that `rtstrf models MODEL` lists",
    )
