"""ICAdaptation: each band is heard against the running mean of its own past, as in the inferior colliculus."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rtstrf.errors import ConfigError
from rtstrf.models.derived import Derived
from rtstrf.prefilter.decay import TruncatedDecay, exponential_mean, initial_decay_state
from rtstrf.prefilter.time_constants import decays_for_bands
from rtstrf.stream import State, StreamModule

ROUNDING = 1e-12  # relative; far below float32's


class ICAdaptation(StreamModule):
    """Subtract from each band the running mean of its past, and keep what rises above it.

    y_t = relu(x_t - m_t(a)), with m(a) the mean of the past K - 1 frames, weighted by a^age (the current frame
    excluded).

    Parameters
    ----------
    decay : sequence of float, length F
        Decay a per frame, in (0, 1). Not fitted: the time constants are those measured in the midbrain.
    kernel_frames : int
        Taps K, the current frame included; at least 2. Not part of the weights, so rtstrf keeps it beside them.

    Notes
    -----
    Input (B, 1, F, T), output (B, 1, F, T). State per stream: a delay line of K - 1 frames, a float64 sum for each
    band, its first frame, which stands for the past before it, and a count of frames. Delay: none. Weight ``a`` (F,),
    a buffer.

    Source: Willmore, Schoppe, King, Schnupp, Harper 2016, doi 10.1523/JNEUROSCI.2441-15.2016. Where we differ from
    deepSTRF 0.1.0: K follows the time constants and the bin (see `AdapTrans`); its text says full-wave, its code and
    ours rectify half-wave.

    Raises
    ------
    ConfigError
        If a decay does not decay or there are fewer than 2 taps.

    Examples
    --------
    >>> stage = ICAdaptation.for_bands(34, dt_ms=5.0)
    >>> stage(torch.zeros(1, 1, 34, 7)).shape
    torch.Size([1, 1, 34, 7])
    """

    out_channels = 1
    a: Tensor

    def __init__(self, decay: np.ndarray | list[float], *, kernel_frames: int = 2) -> None:
        super().__init__()
        a = torch.as_tensor(np.asarray(decay), dtype=torch.float32)
        if a.ndim != 1 or not bool(((a > 0) & (a < 1)).all()):
            raise ConfigError(
                f"decays {decay!r} of ICAdaptation", remedy="give one number between 0 and 1 for each band"
            )
        if kernel_frames < 2:
            raise ConfigError(
                f"{kernel_frames} taps of ICAdaptation", remedy="at least 2: the frame itself and its past"
            )
        self.kernel_frames = kernel_frames
        self.register_buffer("a", a)
        self._past = Derived(lambda stage: TruncatedDecay.of(stage.a.double().unsqueeze(0), stage.kernel_frames - 1))

    @classmethod
    def for_bands(
        cls,
        bands: int,
        *,
        dt_ms: float,
        min_freq_hz: float = 500.0,
        max_freq_hz: float = 20000.0,
        scale: str = "mel",
        kernel_frames: int | None = None,
    ) -> ICAdaptation:
        """Build it from the time constants of its bands.

        Parameters
        ----------
        bands : int
            Bands F.
        dt_ms : float
            Bin width.
        min_freq_hz, max_freq_hz : float
            First and last band.
        scale : {"mel", "greenwood"}
            How the bands are spaced in between.
        kernel_frames : int, optional
            Taps K; by default three of the longest time constant, and the frame itself.
        """
        decay, taps = decays_for_bands(bands, dt_ms, min_freq_hz, max_freq_hz, scale)
        return cls(decay, kernel_frames=taps if kernel_frames is None else kernel_frames)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "two-taps": lambda: cls([0.5, 0.9, 0.2]),
            "eight-taps": lambda: cls([0.5, 0.9, 0.99], kernel_frames=8),
            "dt-5ms": lambda: cls.for_bands(5, dt_ms=5.0, scale="greenwood"),
        }

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, 1, len(self.a), frames)

    def initial_state(self, streams: int) -> State:
        return initial_decay_state(streams, 1, len(self.a), self.kernel_frames - 1, self.a)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        mean, state = exponential_mean(x.squeeze(1), self._past(self), state)  # (B, 1, F, T)
        above = x - mean
        # In steady sound the two are equal but for the last bit, on which neither value nor gradient may hang.
        equal = above.abs() <= ROUNDING * x.abs()
        return torch.relu(torch.where(equal, torch.zeros_like(above), above)), state
