"""rtstrf: a real-time streaming simulator of auditory neural responses.

Start reading at `rtstrf/pipeline.py`, where sound becomes rates. What is imported here needs torch, numpy and
safetensors only; `rtstrf.Client` loads ZeroMQ the first time it is asked for.

Examples
--------
>>> import rtstrf
>>> sorted(name for name in rtstrf.__all__ if name[0].isupper())[:3]
['Chain', 'Client', 'Framer']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtstrf.checkpoints.load import load_model
from rtstrf.errors import RtstrfError, StreamError, UserError
from rtstrf.framing import Framer
from rtstrf.pipeline import Pipeline, SoundToRates
from rtstrf.runner import StepRunner
from rtstrf.stream import Chain, StreamModule
from rtstrf.version import __version__

if TYPE_CHECKING:
    from rtstrf.wire.client import Client

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
    """Load `Client`, and ZeroMQ with it, when it is first asked for."""
    if name == "Client":
        from rtstrf.wire.client import Client

        return Client
    raise AttributeError(f"module 'rtstrf' has no attribute {name!r}")
