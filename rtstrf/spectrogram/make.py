"""Front-ends by name, as a sidecar or a config names them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from rtstrf.errors import ConfigError
from rtstrf.plugins import has_plugin, load_plugin
from rtstrf.spectrogram.gammatone import Gammatone
from rtstrf.spectrogram.gammatonegram import Gammatonegram
from rtstrf.spectrogram.leaf import Leaf
from rtstrf.spectrogram.mel import MelSpectrogram
from rtstrf.spectrogram.sincnet import SincNet
from rtstrf.stream import StreamModule

FRONT_ENDS: dict[str, Callable[..., StreamModule]] = {
    "mel": MelSpectrogram,
    "gammatone": Gammatone,
    "gammatonegram": Gammatonegram,
    "sincnet": SincNet,
    "leaf": Leaf,
}


def make_wav2spec(kind: str, **options: Any) -> StreamModule:
    """Build a front-end.

    Parameters
    ----------
    kind : {"mel", "gammatone", "gammatonegram", "sincnet", "leaf"}, or the name of a plugin's
    **options
        Those of its class, `rate_hz` and `bin_ms` first.

    Raises
    ------
    ConfigError
        If the kind or an option is unknown; the message lists those there are.

    Examples
    --------
    >>> make_wav2spec("mel", rate_hz=16000, bin_ms=5.0, n_mels=8).out_channels
    8
    """
    if kind not in FRONT_ENDS and has_plugin("rtstrf.front_ends", kind):
        return build({kind: load_plugin("rtstrf.front_ends", kind)}, "front-end", kind, options)
    return build(FRONT_ENDS, "front-end", kind, options)


def build(table: dict[str, Callable[..., StreamModule]], what: str, kind: str, options: dict[str, Any]) -> StreamModule:
    """Build one of the stages of a table by its name, or say which names and options there are."""
    if kind not in table:
        raise ConfigError(f"unknown {what} {kind!r}", remedy=f"one of {', '.join(sorted(table))}")
    parameters = inspect.signature(table[kind]).parameters
    unknown = [name for name in options if name not in parameters]
    missing = [
        n for n, p in parameters.items() if p.default is p.empty and n not in options and p.kind != p.VAR_KEYWORD
    ]
    if unknown or missing:
        told = [f"does not know {', '.join(unknown)}"] if unknown else []
        told += [f"needs {', '.join(missing)}"] if missing else []
        raise ConfigError(f"the {what} {kind!r} {' and '.join(told)}", remedy=f"its options: {', '.join(parameters)}")
    return table[kind](**options)
