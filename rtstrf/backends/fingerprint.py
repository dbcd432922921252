"""What a compiled step belongs to: the stage to the last weight, and the code that defines it."""

from __future__ import annotations

import hashlib
import inspect
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import rtstrf
from rtstrf.models.derived import Derived

_SIMPLE = (bool, int, float, complex, str, bytes, type(None), torch.dtype)


def fingerprint(module: nn.Module) -> str:
    """Return a digest that changes with the arrangement, the options, the weights or the code of a stage.

    Parameters
    ----------
    module : nn.Module

    Returns
    -------
    digest : str
        64 hexadecimal digits.

    Examples
    --------
    >>> from rtstrf.prefilter.adaptrans import AdapTrans
    >>> kept, other = AdapTrans([0.5], kernel_frames=4), AdapTrans([0.5], kernel_frames=5)
    >>> fingerprint(kept) == fingerprint(AdapTrans([0.5], kernel_frames=4)), fingerprint(kept) == fingerprint(other)
    (True, False)
    """
    digest = hashlib.sha256(_code_of_the_package().encode())
    for name, part in module.named_modules():
        digest.update(f"\n{name}:{type(part).__module__}.{type(part).__qualname__}:{_code_of(type(part))}".encode())
        for key, value in sorted(vars(part).items()):
            if key not in ("_modules", "training") and not isinstance(value, Derived):
                digest.update(key.encode())
                _update(digest, value)
    return digest.hexdigest()


def _update(digest: Any, value: Any) -> None:
    """Add a value: numbers and arrays as they are, containers by what they hold, the rest by its kind."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().contiguous()
        digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, _SIMPLE):
        digest.update(f"{type(value).__name__}={value!r}".encode())
    elif isinstance(value, dict):
        for key, item in value.items():
            digest.update(f"[{key!r}]".encode())
            _update(digest, item)
    elif isinstance(value, list | tuple):
        digest.update(f"{type(value).__name__}{len(value)}".encode())
        for item in value:
            _update(digest, item)
    else:
        digest.update(f"{type(value).__module__}.{type(value).__qualname__}".encode())


@cache
def _code_of_the_package() -> str:
    """Return a digest of everything of this package that a step may run through."""
    root = Path(rtstrf.__file__).parent
    files = [root / "stream.py", root / "pipeline.py", *(root / "backends").glob("*.py")]
    for folder in ("models", "prefilter", "spectrogram"):
        files += (root / folder).rglob("*.py")
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _code_of(kind: type) -> str:
    """Return a digest of the files that define a class from elsewhere (a plugin's model), '' for ours and torch's."""
    digest = hashlib.sha256()
    for base in kind.__mro__:
        if base.__module__.split(".")[0] in ("rtstrf", "torch", "builtins", "abc", "typing"):
            continue
        try:
            digest.update(Path(inspect.getfile(base)).read_bytes())
        except (OSError, TypeError):  # defined in a notebook or at a prompt
            digest.update(repr(base).encode())
    return digest.hexdigest()
