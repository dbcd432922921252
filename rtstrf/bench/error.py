"""How far rates are from float64 and from float32 as it is defined, on the sound that is timed.

Two references, since they say two things. Against float64: all that float32 costs, wherever it is lost. Most of that is
in the logarithm of a quiet band beside a loud one, where every float32 program has it, deepSTRF too (bit by bit, where
the same transform is called). Against the eager float32 step: what a backend itself changes, which G1 bounds by 1e-5.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from rtstrf.bench.host import HostStep
from rtstrf.checkpoints.load import LoadedModel
from rtstrf.pipeline import SoundToRates
from rtstrf.runner import StepRunner


def step_errors(host: HostStep, loaded: LoadedModel, sound_pa: np.ndarray) -> dict[str, float]:
    """Return the largest error of any rate, relative to the peak of what is right.

    Parameters
    ----------
    host : HostStep
        It is reset at the start and at the end.
    loaded : LoadedModel
    sound_pa : ndarray, shape (hops, hop_samples), float32

    Returns
    -------
    errors : dict
        ``max_error`` against float64, ``max_error_eager`` against the eager float32 step.
    """
    module = SoundToRates(loaded.model, loaded.sidecar.hz_per_response)
    runners = [StepRunner(module, host.lanes, dtype=dtype) for dtype in (torch.float64, torch.float32)]
    worst, peak = [0.0, 0.0], 0.0
    host.runner.reset()
    for hop in host.inputs(sound_pa):
        heard = host.step(hop).reshape(host.lanes, -1)
        for which, runner in enumerate(runners):
            right = runner.step(torch.from_numpy(hop).reshape(host.lanes, 1, -1))["rates_hz"][..., 0].numpy()
            worst[which] = max(worst[which], float(np.abs(heard - right).max()))
            peak = max(peak, float(np.abs(right).max()))
    host.runner.reset()
    return {"max_error": worst[0] / peak, "max_error_eager": worst[1] / peak}


class WholeReference:
    """What is right for a whole sound, in both precisions.

    Parameters
    ----------
    loaded : LoadedModel
    sound : Tensor, shape (1, 1, samples), float32

    Attributes
    ----------
    double_hz, single_hz : ndarray, shape (units, bins)
        Of float64, and of one eager float32 pass over the whole.
    peak_hz : float
    """

    def __init__(self, loaded: LoadedModel, sound: Tensor) -> None:
        module = SoundToRates(loaded.model, loaded.sidecar.hz_per_response)
        self.double_hz, self.single_hz = (
            StepRunner(module, dtype=dtype).step(sound)["rates_hz"][0].numpy()
            for dtype in (torch.float64, torch.float32)
        )
        self.peak_hz = float(np.abs(self.double_hz).max())

    def at(self, bins: np.ndarray) -> WholeReference:
        """Return what is right for some bins; the peak stays that of the whole."""
        some = copy.copy(self)
        some.double_hz, some.single_hz = self.double_hz[:, bins], self.single_hz[:, bins]
        return some

    def errors(self, rates_hz: np.ndarray) -> dict[str, float]:
        """Return ``max_error`` and ``max_error_eager`` of rates, (units, bins), as `step_errors` does."""
        return {
            "max_error": float(np.abs(rates_hz - self.double_hz).max()) / self.peak_hz,
            "max_error_eager": float(np.abs(rates_hz - self.single_hz).max()) / self.peak_hz,
        }
