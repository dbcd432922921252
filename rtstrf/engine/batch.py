"""Several streams side by side in one step of the model: each in a lane of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.errors import ConfigError
from rtstrf.pipeline import SoundToRates, on_host
from rtstrf.runner import StepRunner

Heard = dict[str, np.ndarray]


class Batch:
    """The lanes of one model.

    Parameters
    ----------
    loaded : LoadedModel
    lanes : int
        Streams that can be heard at the same time.
    show_onoff : bool
        As for `rtstrf.pipeline.SoundToRates`.
    device, backend, threads
        As for `rtstrf.runner.StepRunner`.

    Notes
    -----
    State: that of each lane. A lane hears the same whatever the others hear (G2); a stream alone in a batch of one lane
    hears to the bit what `rtstrf.pipeline.Pipeline` hears (G0).

    Examples
    --------
    >>> from rtstrf.checkpoints.load import load_model
    >>> batch = Batch(load_model("statenet-gru-ns1"), lanes=2)
    >>> first, second = batch.admit(), batch.admit()
    >>> (heard,) = batch.hear([second], [np.zeros((3, 240), dtype=np.float32)])
    >>> heard["rates_hz"].shape, heard["spectrogram"].shape
    ((3, 119), (3, 34))
    """

    def __init__(
        self,
        loaded: LoadedModel,
        lanes: int = 1,
        *,
        show_onoff: bool = False,
        device: str = "cpu",
        backend: str = "eager",
        threads: int = 1,
    ) -> None:
        self.loaded = loaded
        self.rate_hz = loaded.sidecar.sample_rate_hz
        self.hop_samples = loaded.sidecar.hop_samples
        self.module = SoundToRates(loaded.model, loaded.sidecar.hz_per_response, show_onoff=show_onoff)
        self.runner = StepRunner(self.module, lanes, device=device, backend=backend, threads=threads)
        self.lanes = lanes
        self._free = list(range(lanes))

    @property
    def free_lanes(self) -> int:
        """Streams that could be admitted now."""
        return len(self._free)

    def admit(self) -> int:
        """Return a lane for a stream that begins.

        Raises
        ------
        ConfigError
            If all are taken.
        """
        if not self._free:
            raise ConfigError(
                f"all {self.lanes} lanes are taken", remedy="remove a stream first, or start with engine.spare_lanes"
            )
        return self._free.pop(0)

    def release(self, lane: int) -> None:
        """Give a lane back at the end of its stream, ready for the next."""
        self.runner.reset(lane)
        self._free.append(lane)

    def reset(self, lane: int) -> None:
        """Let a lane forget its sound so far."""
        self.runner.reset(lane)

    def warm_up(self, times: int, most_hops: int = 1) -> None:
        """Compute on silence and forget it, so that the first hop is as fast as the others; larger steps once each."""
        self.runner.warm_up(times=times)
        hops = 2
        while hops <= most_hops:
            self.runner.warm_up(frames=hops, times=1)
            hops *= 2

    def hear(self, lanes: Sequence[int], sounds: Sequence[np.ndarray]) -> list[Heard]:
        """Advance some lanes by as many hops each.

        Parameters
        ----------
        lanes : sequence of int
            Different ones.
        sounds : sequence of ndarray, shape (k, hop_samples), float32 pascals
            One for each of them, all of the same k >= 1.

        Returns
        -------
        heard : list of dict
            For each of them ``rates_hz`` (k, N), ``spectrogram`` (k, F) and ``onoff`` (k, C F), float32.
        """
        if self.lanes == 1:
            out = self.runner.step(torch.from_numpy(sounds[0]).reshape(1, 1, -1))  # (k, hop) -> (1, 1, k hop)
        else:
            wide = np.zeros((self.lanes, 1, sounds[0].size), dtype=np.float32)
            for lane, sound in zip(lanes, sounds, strict=True):
                wide[lane, 0] = sound.reshape(-1)
            active = None
            if len(lanes) < self.lanes:
                active = torch.zeros(self.lanes, dtype=torch.bool)
                active[list(lanes)] = True
            out = self.runner.step(torch.from_numpy(wide), active)
        host = {name: on_host(value) for name, value in out.items()}
        # (width, k) -> (k, width)
        return [{name: np.ascontiguousarray(value[lane].T) for name, value in host.items()} for lane in lanes]
