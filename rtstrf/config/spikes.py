"""The `spikes` section of a configuration."""

from __future__ import annotations

from pydantic import Field

from rtstrf.config.load import Section


class SpikesSection(Section):
    """How spikes are drawn from the rates, where the topic `spikes` is published."""

    seed: int = Field(
        0, ge=0, lt=2**53, description="of the random numbers; the same seed and rates give the same spikes"
    )
    refractory_ms: float = Field(
        2.0, ge=0.5, le=100, description="absolute refractory period: shortest interval between two spikes of a unit"
    )
