"""Every stage of the package and its examples, found by looking: a new stage is tested by existing."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator

import numpy as np
import torch

import rtstrf
from rtstrf.stream import StreamModule

STAGE_PACKAGES = ("rtstrf.stream", "rtstrf.pipeline", "rtstrf.spectrogram", "rtstrf.prefilter", "rtstrf.models")


def stage_classes() -> list[type[StreamModule]]:
    """Return every concrete stage that the package defines."""
    for info in pkgutil.walk_packages(rtstrf.__path__, "rtstrf."):
        if info.name.startswith(STAGE_PACKAGES):
            importlib.import_module(info.name)

    def below(cls: type) -> Iterator[type]:
        for child in cls.__subclasses__():
            yield child
            yield from below(child)

    found = {
        cls
        for cls in below(StreamModule)
        if cls.__module__.startswith("rtstrf") and not getattr(cls, "__abstractmethods__", None)
    }
    return sorted(found, key=lambda cls: f"{cls.__module__}.{cls.__qualname__}")


def stages() -> dict[str, Callable[[], StreamModule]]:
    """Return every example of every stage, by a name to print."""
    return {
        f"{cls.__name__}-{name}": make
        for cls in stage_classes()
        if "examples" in vars(cls)
        for name, make in cls.examples().items()
    }


def build(make: Callable[[], StreamModule], dtype: torch.dtype, seed: int = 0) -> StreamModule:
    """Build an example with random weights, adaptation and norms included, in evaluation mode."""
    torch.manual_seed(seed)
    module = make()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1 + 0.15 * torch.randn_like(parameter)).add_(0.05 * torch.randn_like(parameter))
    return module.to(dtype).eval()


def sound(module: StreamModule, streams: int, frames: int, dtype: torch.dtype, seed: int = 1) -> torch.Tensor:
    """Return an input of varied size: bursts, near silence and exact zeros, different in every stream."""
    rng = np.random.default_rng(seed)
    shape = module.input_shape(streams, frames)
    steps = shape[-1]
    envelope = np.repeat(rng.choice([0.0, 1e-3, 0.3, 1.0], size=(streams, steps // 7 + 1)), 7, axis=1)[:, :steps]
    x = rng.normal(size=shape) * envelope.reshape(streams, *(1,) * (len(shape) - 2), steps)
    return torch.as_tensor(x, dtype=dtype)
