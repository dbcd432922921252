"""Prefilters by name, as a sidecar or a config names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.prefilter.ic_adaptation import ICAdaptation
from rtstrf.spectrogram.make import build
from rtstrf.stream import StreamModule

PREFILTERS: dict[str, Callable[..., StreamModule]] = {
    "adaptrans": AdapTrans.for_bands,
    "icadaptation": ICAdaptation.for_bands,
    "willmore": ICAdaptation.for_bands,  # deepSTRF's second name for it
}


def make_prefiltering(kind: str, **options: Any) -> StreamModule:
    """Build a prefilter.

    Parameters
    ----------
    kind : {"adaptrans", "icadaptation", "willmore"}
    **options
        Those of its `for_bands`, `bands` and `dt_ms` first.

    Raises
    ------
    ConfigError
        If the kind or an option is unknown; the message lists those there are.

    Examples
    --------
    >>> make_prefiltering("adaptrans", bands=34, dt_ms=5.0).out_channels
    2
    """
    return build(PREFILTERS, "prefilter", kind, options)
