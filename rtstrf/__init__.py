"""rtstrf: a real-time streaming simulator of auditory neural responses.

Start reading at `rtstrf/pipeline.py`, where sound becomes rates. Public names load when they are first asked for, so
that `import rtstrf` costs nothing: the models need torch, `Client` needs ZeroMQ and no torch.

Examples
--------
>>> import rtstrf
>>> rtstrf.Framer(240).hop_samples
240
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rtstrf.version import __version__

if TYPE_CHECKING:
    from rtstrf.checkpoints.load import load_model
    from rtstrf.errors import RtstrfError, StreamError, UserError
    from rtstrf.framing import Framer
    from rtstrf.pipeline import Pipeline, SoundToRates
    from rtstrf.runner import StepRunner
    from rtstrf.stream import Chain, StreamModule
    from rtstrf.wire.client import Client

_HOMES = {
    "Chain": "rtstrf.stream",
    "Client": "rtstrf.wire.client",
    "Framer": "rtstrf.framing",
    "Pipeline": "rtstrf.pipeline",
    "RtstrfError": "rtstrf.errors",
    "SoundToRates": "rtstrf.pipeline",
    "StepRunner": "rtstrf.runner",
    "StreamError": "rtstrf.errors",
    "StreamModule": "rtstrf.stream",
    "UserError": "rtstrf.errors",
    "load_model": "rtstrf.checkpoints.load",
}

__all__ = [
    "Chain",
    "Client",
    "Framer",
    "Pipeline",
    "RtstrfError",
    "SoundToRates",
    "StepRunner",
    "StreamError",
    "StreamModule",
    "UserError",
    "__version__",
    "load_model",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rtstrf' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
