"""A gammatonegram: recursive gammatone filters, their root mean square at the beginning of each bin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from rtstrf.errors import ConfigError
from rtstrf.models.derived import Derived
from rtstrf.spectrogram import erb
from rtstrf.spectrogram.erb_filters import SECTIONS, STATES, BinOperators, bin_operators, design
from rtstrf.spectrogram.filtering import AudioRateFrontEnd, power_of, samples_of
from rtstrf.stream import Delay, State, StreamModule

COMPRESSIONS = ("log", "log1p", "none")


class Gammatonegram(AudioRateFrontEnd):
    """Waveform to the root mean square of recursive gammatone filters, one frame a hop.

    Parameters
    ----------
    rate_hz : int
        Sample rate of the waveform.
    bin_ms : float
        Bin width; together with the rate it must make a whole hop, unless `hop_samples` is given.
    n_filters : int
        Bands F, spaced equally in bandwidths from `f_min_hz` up, low to high; the last lies one space below
        `f_max_hz`.
    window_ms : float
        The beginning of each bin over which the mean square is taken, at most the bin. What follows it in the bin
        only moves the filters on.
    f_min_hz, f_max_hz : float
        The upper one is brought down to Nyquist, which None stands for.
    compression : {"log1p", "log", "none"}
        ``log``: log(max(E, log_floor)).
    log_floor : float
    hop_samples : int, optional
        For checkpoints whose bin was rounded.

    Notes
    -----
    Input (B, 1, samples) float, pascals; output (B, 1, F, T). State: ``sections`` (B, F, 8) float64, two numbers of
    each second-order section, zeros at the start. Wait: none beyond the hop; a frame would be known as soon as its
    window is. Group delay: the filters' and half the window, and the rest of the bin. Weights (buffers) ``a_coeffs``
    (F, 3), ``b1`` to ``b4`` (F, 3), ``gain`` (F,).

    The recursion is exact and is not run sample by sample: over a bin it is one matrix for the state and one short
    convolution for the sound (see `rtstrf.spectrogram.erb_filters`), in float64 even in a float32 model, because the
    poles of low bands lie within 1e-2 of the unit circle, four times over.

    Source: Slaney 1993, Apple TR 35; Ellis 2009, "Gammatone-like spectrograms".

    Raises
    ------
    ConfigError
        If the window is longer than the bin, or an option has an unknown name.

    Examples
    --------
    >>> Gammatonegram(48000, 5.0)(torch.zeros(2, 1, 960)).shape
    torch.Size([2, 1, 50, 4])
    """

    a_coeffs: Tensor
    b1: Tensor
    b2: Tensor
    b3: Tensor
    b4: Tensor
    gain: Tensor

    def __init__(
        self,
        rate_hz: int,
        bin_ms: float,
        *,
        n_filters: int = 50,
        window_ms: float = 2.5,
        f_min_hz: float = 1000.0,
        f_max_hz: float | None = 8000.0,
        compression: str = "log1p",
        log_floor: float = 1e-8,
        hop_samples: int | None = None,
    ) -> None:
        self.window = samples_of("window_ms", window_ms, rate_hz)
        super().__init__(rate_hz, bin_ms, n_filters, hop_samples=hop_samples, work_per_sample=self.window)
        if compression not in COMPRESSIONS:
            raise ConfigError(
                f"compression {compression!r} of a gammatonegram", remedy=f"one of {', '.join(COMPRESSIONS)}"
            )
        if self.window > self.hop:
            raise ConfigError(
                f"a window of {window_ms:g} ms ({self.window} samples) is longer than the hop of {self.hop} samples",
                remedy="make window_ms at most the bin",
            )
        f_max_hz = rate_hz / 2 if f_max_hz is None else min(f_max_hz, rate_hz / 2)
        if not 0 < f_min_hz < f_max_hz:
            raise ConfigError(
                f"a gammatonegram from {f_min_hz:g} to {f_max_hz:g} Hz", remedy="give 0 < f_min_hz < f_max_hz"
            )
        self.compression = compression
        self.log_floor = log_floor
        self.centres_hz = erb.spaced(f_min_hz, f_max_hz, np.arange(n_filters) / n_filters)
        filters = design(self.centres_hz, rate_hz)
        self.register_buffer("a_coeffs", torch.tensor(filters.denominator, dtype=torch.float32))
        for section in range(SECTIONS):
            numerator = torch.tensor(filters.numerators[section], dtype=torch.float32)
            self.register_buffer(f"b{section + 1}", numerator)
        self.register_buffer("gain", torch.tensor(filters.gain, dtype=torch.float32))
        self._operators = Derived(lambda stage: stage.operators())

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "log1p": lambda: cls(4000, 5.0, n_filters=4, f_min_hz=100.0),
            "log-whole-bin": lambda: cls(8000, 5.0, n_filters=3, window_ms=5.0, compression="log", f_max_hz=None),
        }

    def band_frequencies_hz(self) -> np.ndarray:
        """Return the centre frequency of each band, shape (F,), hertz."""
        return self.centres_hz

    def delays(self) -> list[Delay]:
        impulse = self.operators(window=4 * self.hop).impulse.square()  # (F, samples): long enough for the centroid
        age = torch.arange(impulse.shape[-1], dtype=impulse.dtype, device=impulse.device)
        centroid = float(((impulse * age).sum(-1) / impulse.sum(-1)).mean())
        behind = self.hop - self.window + (self.window - 1) / 2
        return [Delay("gammatonegram", group_delay_ms=1e3 * (centroid + behind) / self.rate_hz)]

    def operators(self, window: int | None = None) -> BinOperators:
        """Return what the filters do in one bin, of which `window` samples are heard; by default its own."""
        numerators = torch.stack([self.b1, self.b2, self.b3, self.b4]).double()
        return bin_operators(
            self.a_coeffs.double(), numerators, self.gain.double(), self.hop, self.window if window is None else window
        )

    def initial_state(self, streams: int) -> State:
        return {"sections": self.gain.new_zeros(streams, self.n_filters, STATES, dtype=torch.float64)}

    def advance(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        given: BinOperators = self._operators(self)
        bins = x.double().reshape(x.shape[0], -1, self.hop)  # (B, 1, T hop) -> (B, T, hop)
        driven = torch.einsum("bth,fsh->btfs", bins, given.drive)  # what each bin adds to the state
        states = torch.cat([state["sections"].unsqueeze(1), driven], dim=1)  # (B, T + 1, F, 8)
        # The state before each bin, by doubling: shifts and additions only, so that no bin hears a later one.
        shift, carry = 1, given.carry
        while shift < states.shape[1]:
            carried = torch.einsum("fij,btfj->btfi", carry, states[:, :-shift])
            states = torch.cat([states[:, :shift], states[:, shift:] + carried], dim=1)
            shift, carry = 2 * shift, carry @ carry

        heard = pad(bins[..., : self.window], (self.window - 1, 0)).flatten(0, 1).unsqueeze(1)  # -> (B T, 1, ...)
        waves = conv1d(heard, given.impulse.flip(-1).unsqueeze(1)).unflatten(0, bins.shape[:2])  # -> (B, T, F, window)
        waves = waves + torch.einsum("fns,btfs->btfn", given.observe, states[:, :-1])
        energy = power_of(waves.square().mean(-1), 0.5).transpose(1, 2).to(x.dtype)  # -> (B, F, T)
        return self._compress(energy), {"sections": states[:, -1].clone()}

    def _compress(self, energy: Tensor) -> Tensor:
        if self.compression == "log":
            return energy.clamp_min(self.log_floor).log()
        return energy.log1p() if self.compression == "log1p" else energy.contiguous()
