"""Which backends are measured where none is named."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from rtstrf.backends.choose import MOST_TRACED_LANES, is_compiled
from rtstrf.backends.compiled import cannot_compile
from rtstrf.bench.telling import Telling
from rtstrf.checkpoints.load import LoadedModel
from rtstrf.pipeline import SoundToRates
from rtstrf.runner import StepRunner


def backends_for(
    asked: Sequence[str] | None, loaded: LoadedModel, lanes: int, device: str, *, may_compile: bool, telling: Telling
) -> list[str]:
    """Return the backends to measure a model with: those asked for, or eager and what is faster, the fastest last.

    Parameters
    ----------
    asked : sequence of str or None
    loaded : LoadedModel
    lanes : int
    device : str
    may_compile : bool
        Whether a step that has not been compiled yet may take its half a minute.
    telling : Telling
        Is told what is left out, and why.
    """
    if asked:
        return list(asked)
    if torch.device(device).type == "cuda":
        return ["eager", "cuda-graph"]
    module = StepRunner(SoundToRates(loaded.model, loaded.sidecar.hz_per_response)).module
    ready = ["eager", "traced"] if lanes <= MOST_TRACED_LANES else ["eager"]
    if not is_compiled(module, lanes, torch.float32):
        why = cannot_compile(module)
        if why is None and not may_compile:
            why = "it takes half a minute, once; leave out --quick, or name it with --backend compiled"
        if why is not None:
            telling.say(f"{loaded.sidecar.name} is not compiled: {why}")
            return ready
    return [*ready, "compiled"]


def fastest_for(
    asked: str | None, loaded: LoadedModel, lanes: int, device: str, *, may_compile: bool, telling: Telling
) -> str:
    """Return the one backend to measure a model with: the one asked for, or the fastest of `backends_for`."""
    return backends_for([asked] if asked else None, loaded, lanes, device, may_compile=may_compile, telling=telling)[-1]
