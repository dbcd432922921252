"""What the models' constructors check before they build: that front-end, prefilter and kernel fit the model."""

from __future__ import annotations

from torch import nn

from rtstrf.errors import ConfigError
from rtstrf.stream import StreamModule


def check_sizes(model: str, **sizes: int) -> None:
    """Raise ConfigError, naming them, unless every size is at least 1."""
    wrong = [f"{name} {size}" for name, size in sizes.items() if size < 1]
    if wrong:
        raise ConfigError(f"{' and '.join(wrong)} of {model}", remedy="every size must be at least 1")


def channels_into_core(n_frequency_bands: int, wav2spec: StreamModule | None, prefiltering: StreamModule | None) -> int:
    """Return the channels C that reach the core: the prefilter's, or 1 without one.

    Raises
    ------
    ConfigError
        If the front-end or the prefilter has another number of bands than the model.
    """
    bands = getattr(wav2spec, "out_channels", n_frequency_bands)
    if bands != n_frequency_bands:
        raise ConfigError(
            f"the front-end delivers {bands} bands, the model takes {n_frequency_bands}",
            remedy="give both the same number of bands",
        )
    if prefiltering is None:
        return 1
    adapted = prefiltering.input_shape(1, 1)[2]
    if adapted != n_frequency_bands:
        raise ConfigError(
            f"the prefilter adapts {adapted} bands, the model takes {n_frequency_bands}",
            remedy="give both the same number of bands",
        )
    return int(getattr(prefiltering, "out_channels", 1))


def or_default(activation: nn.Module | None, default: nn.Module) -> nn.Module:
    """Return the activation given, or the model's own."""
    return default if activation is None else activation
