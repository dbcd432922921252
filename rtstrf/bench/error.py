"""How far a backend's rates are from float64, on the sound that it is timed with."""

from __future__ import annotations

import numpy as np
import torch

from rtstrf.bench.host import HostStep
from rtstrf.checkpoints.load import LoadedModel
from rtstrf.pipeline import SoundToRates
from rtstrf.runner import StepRunner


def max_error(host: HostStep, loaded: LoadedModel, sound_pa: np.ndarray) -> float:
    """Return the largest error of any rate against eager float64, relative to the peak of the float64 rates.

    Parameters
    ----------
    host : HostStep
        Fresh, or reset; it is reset again at the end.
    loaded : LoadedModel
    sound_pa : ndarray, shape (hops, hop_samples), float32
    """
    inputs = host.inputs(sound_pa)
    module = SoundToRates(loaded.model, loaded.sidecar.hz_per_response)
    reference = StepRunner(module, host.lanes, dtype=torch.float64)
    worst = peak = 0.0
    host.runner.reset()
    for hop in inputs:
        right = reference.step(torch.from_numpy(hop).reshape(host.lanes, 1, -1))["rates_hz"][..., 0].numpy()
        heard = host.step(hop).reshape(right.shape)
        worst = max(worst, float(np.abs(heard - right).max()))
        peak = max(peak, float(np.abs(right).max()))
    host.runner.reset()
    return worst / peak if peak else worst
