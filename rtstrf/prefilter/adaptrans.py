"""AdapTrans: each band adapts to its own recent past and splits into an ON and an OFF channel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from rtstrf.errors import ConfigError
from rtstrf.models.derived import Derived
from rtstrf.prefilter.decay import TruncatedDecay, exponential_mean, initial_decay_state
from rtstrf.prefilter.time_constants import decays_for_bands
from rtstrf.stream import State, StreamModule


class AdapTrans(StreamModule):
    """Split each band into ON and OFF transients against a running mean of its past.

    With m(a) the mean of the past K - 1 frames, weighted by a^age (the current frame excluded):
    ON_t = relu(x_t - w m_t(a_on)), OFF_t = relu(m_t(a_off) - w x_t).

    Parameters
    ----------
    decay : sequence of float, length F
        Initial decay a per frame, in (0, 1), of both channels.
    weight : float
        Initial weight w, in (0, 1].
    kernel_frames : int
        Taps K, the current frame included; at least 2. Not part of the weights: a wrong K loads silently elsewhere, so
        rtstrf keeps it beside them.
    learnable : bool
        Whether a and w are fitted (parameters) or fixed (buffers).

    Notes
    -----
    Input (B, 1, F, T), output (B, 2, F, T): channel 0 ON, 1 OFF. State per stream: a delay line of K - 1 frames, a
    float64 sum for each channel and band, its first frame, which stands for the past before it, and a count of frames.
    Delay: none. Weights ``d_on``, ``d_off``, ``p`` (F,): a = 1 / (1 + d^2), w = 1 / (1 + p^2), w shared.

    Source: Rancon, Masquelier, Cottereau 2024, doi 10.1101/2024.02.01.578397, after Willmore et al. 2016,
    doi 10.1523/JNEUROSCI.2441-15.2016. Where we differ: K follows the time constants and the bin (3 tau / bin);
    deepSTRF 0.1.0 counts milliseconds as frames (651 taps), and its checkpoints are loaded with that K.

    Examples
    --------
    >>> stage = AdapTrans.for_bands(34, dt_ms=5.0)
    >>> stage(torch.zeros(1, 1, 34, 7)).shape
    torch.Size([1, 2, 34, 7])
    """

    out_channels = 2
    d_on: Tensor
    d_off: Tensor
    p: Tensor

    def __init__(
        self, decay: np.ndarray | list[float], *, weight: float = 0.75, kernel_frames: int = 2, learnable: bool = True
    ) -> None:
        super().__init__()
        a = torch.as_tensor(np.asarray(decay), dtype=torch.float32)
        if a.ndim != 1 or not bool(((a > 0) & (a < 1)).all()):
            raise ConfigError(f"decays {decay!r} of AdapTrans", remedy="give one number between 0 and 1 for each band")
        if kernel_frames < 2:
            raise ConfigError(f"{kernel_frames} taps of AdapTrans", remedy="at least 2: the frame itself and its past")
        if not 0 < weight <= 1:
            raise ConfigError(f"weight {weight:g} of AdapTrans", remedy="a number above 0 and at most 1")
        self.kernel_frames = kernel_frames
        d = (1 / a - 1).sqrt()
        p = torch.full_like(a, (1 / weight - 1) ** 0.5)
        for name, value in (("d_on", d), ("d_off", d.clone()), ("p", p)):
            if learnable:
                setattr(self, name, nn.Parameter(value))
            else:
                self.register_buffer(name, value)

        self._derived = Derived(lambda stage: stage.derived())

    def derived(self) -> tuple[TruncatedDecay, Tensor]:
        """Return what the parameters stand for: the decays of both channels, and w of shape (F, 1)."""
        decay = 1 / (1 + torch.stack([self.d_on, self.d_off]).double().square())  # (2, F)
        return TruncatedDecay.of(decay, self.kernel_frames - 1), (1 / (1 + self.p.square())).unsqueeze(-1)

    @classmethod
    def for_bands(
        cls,
        bands: int,
        *,
        dt_ms: float,
        min_freq_hz: float = 500.0,
        max_freq_hz: float = 20000.0,
        scale: str = "mel",
        weight: float = 0.75,
        kernel_frames: int | None = None,
        learnable: bool = True,
    ) -> AdapTrans:
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
        weight : float
            Initial w.
        kernel_frames : int, optional
            Taps K; by default three of the longest time constant, and the frame itself.
        learnable : bool
        """
        decay, taps = decays_for_bands(bands, dt_ms, min_freq_hz, max_freq_hz, scale)
        taps = taps if kernel_frames is None else kernel_frames
        return cls(decay, weight=weight, kernel_frames=taps, learnable=learnable)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "two-taps": lambda: cls([0.5, 0.9, 0.2], kernel_frames=2),
            "eight-taps": lambda: cls([0.5, 0.9, 0.99], kernel_frames=8, weight=1.0),
            "dt-5ms": lambda: cls.for_bands(5, dt_ms=5.0),
            "deepstrf-taps-frozen": lambda: cls.for_bands(4, dt_ms=5.0, kernel_frames=651, learnable=False),
        }

    @property
    def bands(self) -> int:
        """Bands F."""
        return self.p.shape[0]

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, 1, self.bands, frames)

    def initial_state(self, streams: int) -> State:
        return initial_decay_state(streams, 2, self.bands, self.kernel_frames - 1, self.p)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        x = x.squeeze(1)  # (B, 1, F, T) -> (B, F, T)
        past, weight = self._derived(self)
        mean, state = exponential_mean(x, past, state)  # (B, 2, F, T)
        on = torch.relu(x - weight * mean[:, 0])
        off = torch.relu(mean[:, 1] - weight * x)
        return torch.stack([on, off], dim=1), state  # (B, 2, F, T)
