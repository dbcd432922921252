"""The input devices of this machine, as PortAudio sees them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from rtstrf.errors import SoundError
from rtstrf.extras import require

_NO_PORTAUDIO = (
    'install PortAudio (Debian, Ubuntu: sudo apt install libportaudio2) and: pip install "rtstrf[sound]"; '
    "or choose another source: scene, file, stdin"
)


@dataclass(frozen=True, slots=True)
class Device:
    """An input device.

    Attributes
    ----------
    index : int
        By which it can be chosen, until the next change of devices.
    name : str
        By which it can be chosen, or a part of it that no other name has.
    host_api : str
        ALSA, Core Audio, WASAPI...
    channels : int
        Inputs, at most.
    default_rate_hz : int
    is_default : bool
    """

    index: int
    name: str
    host_api: str
    channels: int
    default_rate_hz: int
    is_default: bool


def portaudio() -> ModuleType:
    """Import sounddevice, or say what to install."""
    return require("sounddevice", "sound", system_hint=_NO_PORTAUDIO)


def list_devices() -> list[Device]:
    """Return the devices that can be listened to, in PortAudio's order.

    Raises
    ------
    SoundError
        If there is none.
    MissingExtraError
        If PortAudio or sounddevice is not installed; the message says how to.
    """
    devices = input_devices(portaudio())
    if not devices:
        raise SoundError(
            "no input device: PortAudio finds no microphone or line input",
            remedy="connect one, check that this user may use it (Linux: group audio), or use --source scene or file",
        )
    return devices


def input_devices(sounddevice: ModuleType) -> list[Device]:
    """Return the input devices, none included; `sounddevice` is the loaded library."""
    apis = [api["name"] for api in sounddevice.query_hostapis()]
    default = sounddevice.default.device[0]
    if default < 0:  # PortAudio has none where the first host API has none
        default = next((api["default_input_device"] for api in sounddevice.query_hostapis()), -1)
    return [
        Device(
            index=int(row["index"]),
            name=str(row["name"]),
            host_api=apis[row["hostapi"]],
            channels=int(row["max_input_channels"]),
            default_rate_hz=round(row["default_samplerate"]),
            is_default=row["index"] == default,
        )
        for row in sounddevice.query_devices()
        if row["max_input_channels"] > 0
    ]


def find_device(wanted: int | str | None, devices: list[Device]) -> Device:
    """Return the device with that index, that name or the only one with that in its name; None is the default.

    Raises
    ------
    SoundError
        If there is none or more than one; the message lists those there are.

    Examples
    --------
    >>> rows = [Device(0, "Line", "ALSA", 2, 48000, False), Device(3, "USB mic", "ALSA", 1, 44100, True)]
    >>> find_device("usb", rows).index, find_device(0, rows).name, find_device(None, rows).name
    (3, 'Line', 'USB mic')
    """
    remedy = "choose one of:\n" + "\n".join(
        f"       {device.index:>3}  {device.name} ({device.host_api}, {device.channels} channels, "
        f"{device.default_rate_hz} Hz{', default' if device.is_default else ''})"
        for device in devices
    )
    if not devices:
        remedy = "this machine has no input device at all; use --source scene or file"
    if wanted is None:
        found = [device for device in devices if device.is_default] or devices[:1]
        if not found:
            raise SoundError("no input device to listen to", remedy=remedy)
        return found[0]
    if isinstance(wanted, int) or str(wanted).isdigit():
        found = [device for device in devices if device.index == int(wanted)]
        if not found:
            raise SoundError(f"no input device {wanted}", remedy=remedy)
        return found[0]
    text = str(wanted).casefold()
    found = [device for device in devices if device.name.casefold() == text]
    found = found or [device for device in devices if text in device.name.casefold()]
    if not found:
        raise SoundError(f"no input device has {wanted!r} in its name", remedy=remedy)
    if len(found) > 1:
        raise SoundError(
            f"{len(found)} input devices have {wanted!r} in their name: {', '.join(d.name for d in found)}",
            remedy=remedy,
        )
    return found[0]


# PortAudio lists the devices once, when it is initialised, and ending it ends all its streams: so who holds streams is
# as global as PortAudio itself.
_holders: set[object] = set()
_looking = threading.Lock()


def hold_devices(holder: object) -> None:
    """Take note that a stream is open: the list of devices cannot be made anew until it is closed."""
    with _looking:
        _holders.add(holder)


def release_devices(holder: object) -> None:
    """Take note that a stream is closed."""
    with _looking:
        _holders.discard(holder)


def find_again(sounddevice: Any, device: Device) -> Device:
    """Return a device that was away, by its name: another in its place is not the same.

    The list of devices is made anew unless another stream is open in this process, which that would end.

    Raises
    ------
    SoundError
        If it is not there.
    """
    with _looking:
        if not _holders:
            sounddevice._terminate()
            sounddevice._initialize()
        found = [
            each for each in input_devices(sounddevice) if (each.name, each.host_api) == (device.name, device.host_api)
        ]
    if not found:
        raise SoundError(f"the input device {device.name!r} is not there", remedy="connect it again")
    return next((each for each in found if each.index == device.index), found[0])
