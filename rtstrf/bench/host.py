"""One hop, host to host: sound as numpy in, rates as numpy out, whatever computes in between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from rtstrf.bench.loops import Step
from rtstrf.checkpoints.load import LoadedModel
from rtstrf.pipeline import Pipeline, SoundToRates
from rtstrf.runner import StepRunner


class HostStep:
    """A model that hears hops: one stream as the engine runs it, or many in one batch.

    Parameters
    ----------
    loaded : LoadedModel
    lanes : int
        Streams side by side. One is heard by `rtstrf.Pipeline`, spectrogram and ON and OFF channels included, exactly
        as the live engine does; several by one `StepRunner`.
    device, backend, threads, told
        As for `StepRunner`.

    Attributes
    ----------
    step : callable
        Takes (hop_samples,) float32 pascals for one lane, (lanes, 1, hop_samples) for several; returns the rates in Hz,
        (units,) or (lanes, units) float32.
    backend : str
        What runs it in fact.
    algorithmic_delay_ms : float
        What the stages add between a sound and its rates on a machine that takes no time.

    Examples
    --------
    >>> from rtstrf.bench.models import measured_model
    >>> host = HostStep(measured_model("statenet-gru-ns1"), lanes=2)
    >>> host.step(np.zeros((2, 1, 240), dtype=np.float32)).shape
    (2, 119)
    """

    def __init__(
        self,
        loaded: LoadedModel,
        lanes: int = 1,
        *,
        device: str = "cpu",
        backend: str = "eager",
        threads: int = 1,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self.lanes = lanes
        if lanes == 1:
            pipeline = Pipeline(loaded, device=device, backend=backend, told=told)
            self.runner = pipeline.runner
            self.step: Step = lambda hop: pipeline.hear(hop).rates_hz
        else:
            module = SoundToRates(loaded.model, loaded.sidecar.hz_per_response)
            self.runner = StepRunner(module, lanes, device=device, backend=backend, threads=threads, told=told)
            self.step = self._step_many
        self.backend = self.runner.backend
        self.algorithmic_delay_ms = sum(d.wait_ms + d.group_delay_ms for d in Pipeline(loaded).delays())
        self.runner.warm_up(times=20)

    def _step_many(self, hops: np.ndarray) -> np.ndarray:
        heard = self.runner.step(torch.from_numpy(hops))
        return heard["rates_hz"][..., 0].cpu().numpy()

    def inputs(self, sound_pa: np.ndarray) -> list[np.ndarray]:
        """Return hops, (hops, hop_samples), as `step` takes them; each lane hears the sound from another place on."""
        if self.lanes == 1:
            return list(sound_pa)
        offsets = np.arange(self.lanes) * 7 % len(sound_pa)
        return [sound_pa[(index + offsets) % len(sound_pa)][:, None] for index in range(len(sound_pa))]
