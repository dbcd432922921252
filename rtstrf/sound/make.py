"""A source by name, for configurations and the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from rtstrf.errors import ConfigError
from rtstrf.sound.file import FileSource
from rtstrf.sound.microphone import MicrophoneSource
from rtstrf.sound.scene import SceneSource
from rtstrf.sound.source import Source
from rtstrf.sound.stdin import StdinSource
from rtstrf.sound.synthetic import ClickSource, NoiseSource, SilenceSource, SweepSource, ToneSource

SOURCES: dict[str, Callable[..., Source]] = {
    "microphone": MicrophoneSource,
    "file": FileSource,
    "tone": ToneSource,
    "sweep": SweepSource,
    "noise": NoiseSource,
    "clicks": ClickSource,
    "scene": SceneSource,
    "silence": SilenceSource,
    "stdin": StdinSource,
}


def source_options(kind: str) -> list[str]:
    """Return the names of a source's options; ConfigError for an unknown source.

    Examples
    --------
    >>> source_options("silence")
    ['duration_s', 'rate_hz']
    """
    if kind not in SOURCES:
        raise ConfigError(f"no source {kind!r}", remedy=f"one of {', '.join(SOURCES)}")
    return list(inspect.signature(SOURCES[kind]).parameters)


def open_source(kind: str, **options: object) -> Source:
    """Make a source by name; enter it to open the device or file.

    Parameters
    ----------
    kind : {"microphone", "file", "tone", "sweep", "noise", "clicks", "scene", "silence", "stdin"}
    **options
        Of that source; see its class.

    Raises
    ------
    ConfigError
        If the name or an option is unknown, or the file's path is missing; the message names the valid ones.

    Examples
    --------
    >>> with open_source("tone", frequency_hz=2000.0) as source:
    ...     source.info.name
    'tone of 2000 Hz'
    """
    valid = source_options(kind)
    unknown = [name for name in options if name not in valid]
    if unknown:
        raise ConfigError(
            f"the source {kind!r} has no option {unknown[0]!r}", remedy=f"its options are {', '.join(valid)}"
        )
    if kind == "file" and not options.get("path"):
        raise ConfigError("the source 'file' needs a path", remedy="for example: --set source.path=sound.wav")
    return SOURCES[kind](**options)
