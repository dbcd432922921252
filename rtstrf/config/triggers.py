"""The `triggers` section of a configuration: what happens when rates cross a threshold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from rtstrf.config.load import Section

TriggerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class UdpAction(Section):
    """Send a packet."""

    kind: Literal["udp"] = Field("udp", description="this action")
    host: str = Field("127.0.0.1", description="where to")
    port: int = Field(ge=1, le=65535, description="where to")
    message: str | None = Field(
        None, max_length=1024, description="what the packet holds; without it, the details of the event in JSON"
    )


class SerialAction(Section):
    """Write a byte to a serial port (extra `serial`)."""

    kind: Literal["serial"] = Field("serial", description="this action")
    port: str = Field(description="such as /dev/ttyACM0 or COM3")
    baud: int = Field(115200, ge=50, description="bits per second")
    byte: int = Field(1, ge=0, le=255, description="what is written")


class PluginAction(Section):
    """Call a function that an installed package offers (group rtstrf.actions), on a thread of its own."""

    kind: Literal["plugin"] = Field("plugin", description="this action")
    plugin: str = Field(description="its name, as `rtstrf plugins` lists it")
    options: dict[str, Any] = Field({}, description="keyword arguments of the function, beside the event's details")


class TriggerSection(Section):
    """Fire when rates cross a threshold."""

    name: TriggerName = Field(description="letters, digits, dashes, underscores; names it in events and in `set`")
    stream: str | None = Field(None, description="which stream it watches; all of them where it is not given")
    units: tuple[int | str, ...] = Field(
        (),
        strict=False,
        description="which units it watches, by index from 0 or by id; all where none is given",
    )
    of: Literal["mean", "each"] = Field("mean", description="watch the mean of these units, or each of them")
    direction: Literal["up", "down"] = Field("up", description="fire when the rate rises to the threshold, or falls")
    threshold_hz: float = Field(ge=0, description="rate at which it fires; can be set while it runs")
    hysteresis_hz: float = Field(
        0.0, ge=0, description="how far beyond the threshold the rate must go back before it can cross again"
    )
    refractory_ms: float = Field(100.0, ge=0, description="sound after a firing in which it does not fire again")
    armed: bool = Field(True, description="whether it fires; can be set while it runs")
    while_warming_up: bool = Field(False, description="fire also on bins with the flag WARMING_UP")
    action: Annotated[UdpAction | SerialAction | PluginAction, Field(discriminator="kind")] | None = Field(
        None, description="what is done beside the event: udp, serial or plugin"
    )
