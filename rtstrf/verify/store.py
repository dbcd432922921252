"""What was last verified on this machine, kept in the user's cache: the greeting on the wire shows it.

One small JSON file for each set of weights, torch version and processor: a rounding error holds for these three.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from rtstrf.machine import arithmetic_id

FORMAT = "rtstrf-verified/1"


def cache_dir() -> Path:
    """Return the folder for what can be measured again: RTSTRF_CACHE, or the platform's place for caches.

    Examples
    --------
    >>> cache_dir().is_absolute()
    True
    """
    chosen = os.environ.get("RTSTRF_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "rtstrf"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "rtstrf" / "Cache"
    base = os.environ.get("XDG_CACHE_HOME", "")  # must be absolute to count, by its specification
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "rtstrf"


def remember(result: dict[str, Any]) -> Path:
    """Keep the result of a verification, in place of the last one for the same weights, torch and processor.

    Parameters
    ----------
    result : dict
        What `rtstrf.verify.report.verify` returned.

    Returns
    -------
    path : Path
        Where it is.

    Raises
    ------
    OSError
        If the cache cannot be written; nothing is left behind.
    """
    path = _path(result["weights_sha256"])
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, "result": result}, file, allow_nan=False)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    return path


def last_verified(weights_sha256: str) -> dict[str, Any] | None:
    """Return what was last verified of these weights with this torch on this processor; None where nothing was.

    Parameters
    ----------
    weights_sha256 : str
        As `rtstrf.checkpoints.load.LoadedModel` has it.

    Returns
    -------
    result : dict or None
        None too if the file is damaged: it can be measured again.

    Examples
    --------
    >>> last_verified("0" * 64) is None
    True
    """
    try:
        kept = json.loads(_path(weights_sha256).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(kept, dict) or kept.get("format") != FORMAT or not isinstance(kept.get("result"), dict):
        return None
    result: dict[str, Any] = kept["result"]
    return result if result.get("weights_sha256") == weights_sha256 else None


def _path(weights_sha256: str) -> Path:
    name = re.sub(r"[^0-9a-f]", "", weights_sha256.lower())[:16]
    return cache_dir() / "verified" / f"{name}-{arithmetic_id()}.json"
