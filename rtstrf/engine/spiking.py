"""The spike trains of a running stream, drawn bin after bin while somebody wants them."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtstrf.config.spikes import SpikesSection
from rtstrf.spikes import SpikeGenerator


class Spiking:
    """Draw the spikes of a stream.

    Parameters
    ----------
    section : SpikesSection
    units, hop_samples, sample_rate_hz : int
        Of the rates they are drawn from.
    stream : int
        Which of the streams of the run; each has spikes of its own.

    Notes
    -----
    State: that of the generator. Bins that are not drawn, as those of a gap, or while the topic is off, count as bins
    without spikes. A reset of the model does not touch it: a neuron stays refractory.
    """

    def __init__(
        self, section: SpikesSection, units: int, hop_samples: int, sample_rate_hz: int, stream: int = 0
    ) -> None:
        self._generator = SpikeGenerator(
            units,
            hop_samples=hop_samples,
            sample_rate_hz=sample_rate_hz,
            seed=section.seed + stream,
            refractory_ms=section.refractory_ms,
        )
        self._state = self._generator.initial_state()
        self.header = {"unit": "samples", "slots": self._generator.slots}

    @property
    def facts(self) -> dict[str, Any]:
        """What the greeting says of them."""
        generator = self._generator
        return {
            "seed": generator.seed,
            "refractory_samples": generator.refractory_samples,
            "slots": generator.slots,
            "highest_rate_hz": generator.highest_rate_hz,
        }

    def draw(self, rates_hz: np.ndarray, first_bin: int) -> np.ndarray:
        """Return the spikes of some bins, (bins, slots x units) float32, as `SpikeGenerator.step` does."""
        spikes, self._state = self._generator.step(rates_hz, self._state, first_bin)
        return spikes
