"""Recording a session so that it can be trusted after a crash, and run again to the bit.

Start reading at `layout.py`, which says what a recording is on disk; `recorder.py` writes it, `recording.py` reads it,
`check.py` holds it against its seals, and `rerun.py` hears it again. docs/recording.md has the reasons. Public names
load when they are first asked for: reading a recording needs no torch, running it again does.

Examples
--------
>>> import rtstrf.record
>>> rtstrf.record.Recording.__name__
'Recording'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtstrf.record.check import Checked
    from rtstrf.record.recorder import ModelState, Recorder
    from rtstrf.record.recording import RecordedStream, Recording
    from rtstrf.record.rerun import Rerun, model_of

_HOMES = {
    "Checked": "rtstrf.record.check",
    "ModelState": "rtstrf.record.recorder",
    "RecordedStream": "rtstrf.record.recording",
    "Recorder": "rtstrf.record.recorder",
    "Recording": "rtstrf.record.recording",
    "Rerun": "rtstrf.record.rerun",
    "model_of": "rtstrf.record.rerun",
}

__all__ = ["Checked", "ModelState", "RecordedStream", "Recorder", "Recording", "Rerun", "model_of"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rtstrf.record' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
