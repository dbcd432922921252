"""A causal log-mel spectrogram: the front-end that the bundled models hear through."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rtstrf.errors import ConfigError
from rtstrf.stream import Delay, State, StreamModule
from rtstrf.units import hop_samples as whole_hop

COMPRESSIONS = ("log", "cubic", "log1p", "none")


def hz_to_mel(frequency_hz: np.ndarray | float, scale: str = "htk") -> np.ndarray:
    """Return the pitch in mel of frequencies in hertz (``htk``: O'Shaughnessy; ``slaney``: Auditory Toolbox).

    Examples
    --------
    >>> float(hz_to_mel(1000.0).round(2))
    999.99
    """
    frequency = np.asarray(frequency_hz, dtype=np.float64)
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + frequency / 700.0)
    linear = frequency / (200.0 / 3.0)  # slaney: linear below 1 kHz, 27 log steps per factor 6.4 above
    logarithmic = 15.0 + 27.0 * np.log(np.maximum(frequency, 1e-12) / 1000.0) / np.log(6.4)
    return np.where(frequency < 1000.0, linear, logarithmic)


def mel_to_hz(pitch_mel: np.ndarray | float, scale: str = "htk") -> np.ndarray:
    """Return frequencies in hertz of pitches in mel; the inverse of `hz_to_mel`."""
    pitch = np.asarray(pitch_mel, dtype=np.float64)
    if scale == "htk":
        return 700.0 * (10.0 ** (pitch / 2595.0) - 1.0)
    return np.where(pitch < 15.0, pitch * 200.0 / 3.0, 1000.0 * np.exp((pitch - 15.0) * np.log(6.4) / 27.0))


def mel_filterbank(
    bin_frequencies_hz: np.ndarray, n_mels: int, f_min_hz: float, f_max_hz: float, scale: str = "htk"
) -> np.ndarray:
    """Return unnormalised triangular filters, equally spaced in mel.

    Parameters
    ----------
    bin_frequencies_hz : ndarray, shape (K,)
        Frequencies of the spectrum's bins.
    n_mels : int
        Number of bands F.
    f_min_hz, f_max_hz : float
        Outer edges of the first and the last triangle.
    scale : {"htk", "slaney"}

    Returns
    -------
    weights : ndarray, shape (K, F), float64
    """
    corners = mel_to_hz(np.linspace(hz_to_mel(f_min_hz, scale), hz_to_mel(f_max_hz, scale), n_mels + 2), scale)
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    frequency = bin_frequencies_hz[:, None]  # (K, 1) against (F,)
    rising = (frequency - low) / (centre - low)
    falling = (high - frequency) / (high - centre)
    return np.maximum(0.0, np.minimum(rising, falling))


class MelSpectrogram(StreamModule):
    """Waveform to log-mel magnitudes, one frame a hop, from samples no later than the frame's own.

    Parameters
    ----------
    rate_hz : int
        Sample rate of the waveform.
    bin_ms : float
        Bin width; together with the rate it must make a whole hop (see `rtstrf.units.hop_samples`), unless
        `hop_samples` is given.
    n_mels : int
        Bands F.
    win_ms : float
        Length of the symmetric Hann window, at least one bin.
    f_min_hz, f_max_hz : float
        Edges of the bank; the upper one is brought down to Nyquist, which None stands for.
    magnitude : {"amplitude", "power"}
    compression : {"log", "cubic", "log1p", "none"}
        ``log``: log(max(E, log_floor)), or log(E + log_offset) where an offset is given.
    log_floor, log_offset : float
    mel_scale : {"htk", "slaney"}
    hop_samples : int, optional
        For checkpoints whose bin was rounded (deepSTRF: 220 samples for 5 ms at 44.1 kHz).
    deepstrf_bins : bool
        Label the spectrum's bins as deepSTRF 0.1.0 does, ``linspace(0, fs // 2, n)``, 0.23 % off where the window
        has an odd length. Set when its weights are loaded; False, the truth k fs / n, when built fresh.

    Notes
    -----
    Input (B, 1, samples) float, pascals; output (B, 1, F, T). State: the last win - hop samples, zeros at the start.
    Wait: none beyond the hop. Group delay: half the window.

    Raises
    ------
    ConfigError
        If the window is shorter than the hop, or an option has an unknown name.

    Examples
    --------
    >>> mel = MelSpectrogram(48000, 5.0)
    >>> mel(torch.zeros(2, 1, 960)).shape
    torch.Size([2, 1, 34, 4])
    """

    _window: Tensor
    _mel_fb: Tensor

    def __init__(
        self,
        rate_hz: int,
        bin_ms: float,
        *,
        n_mels: int = 34,
        win_ms: float = 10.0,
        f_min_hz: float = 500.0,
        f_max_hz: float | None = 22627.0,
        magnitude: str = "amplitude",
        compression: str = "log",
        log_floor: float = 1e-4,
        log_offset: float | None = None,
        mel_scale: str = "htk",
        hop_samples: int | None = None,
        deepstrf_bins: bool = False,
    ) -> None:
        super().__init__()
        for name, value, allowed in (
            ("magnitude", magnitude, ("amplitude", "power")),
            ("compression", compression, COMPRESSIONS),
            ("mel_scale", mel_scale, ("htk", "slaney")),
        ):
            if value not in allowed:
                raise ConfigError(f"{name} {value!r} of a mel spectrogram", remedy=f"one of {', '.join(allowed)}")
        self.rate_hz = rate_hz
        self.hop = hop_samples if hop_samples is not None else whole_hop(rate_hz, bin_ms)
        self.win = round(rate_hz * win_ms / 1000)
        if self.win < self.hop:
            raise ConfigError(
                f"a window of {win_ms:g} ms ({self.win} samples) is shorter than the hop of {self.hop} samples",
                remedy="make win_ms at least as long as the bin",
            )
        self.n_mels = n_mels
        self.magnitude = magnitude
        self.compression = compression
        self.log_floor = log_floor
        self.log_offset = log_offset
        self.mel_scale = mel_scale
        self.f_min_hz = f_min_hz
        self.f_max_hz = rate_hz / 2 if f_max_hz is None else min(f_max_hz, rate_hz / 2)
        n_bins = self.win // 2 + 1
        truth = np.arange(n_bins) * rate_hz / self.win
        labels = np.linspace(0, rate_hz // 2, n_bins) if deepstrf_bins else truth
        self.register_buffer("_window", torch.hann_window(self.win, periodic=False, dtype=torch.float32))
        bank = mel_filterbank(labels, n_mels, f_min_hz, self.f_max_hz, mel_scale)
        self.register_buffer("_mel_fb", torch.tensor(bank, dtype=torch.float32))  # (win // 2 + 1, F)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {
            "default-48k": lambda: cls(48000, 5.0),
            "odd-window-44k": lambda: cls(44100, 5.0, hop_samples=220, n_mels=12),
            "window-equals-hop": lambda: cls(16000, 10.0, n_mels=8, compression="cubic", magnitude="power"),
            "offset-slaney": lambda: cls(16000, 5.0, n_mels=8, log_offset=1.0, mel_scale="slaney"),
        }

    @property
    def samples_per_frame(self) -> int:  # type: ignore[override]
        return self.hop

    @property
    def out_channels(self) -> int:
        """Bands of the output."""
        return self.n_mels

    def band_frequencies_hz(self) -> np.ndarray:
        """Return the centre frequency of each band, shape (F,), hertz."""
        low, high = hz_to_mel(self.f_min_hz, self.mel_scale), hz_to_mel(self.f_max_hz, self.mel_scale)
        return mel_to_hz(np.linspace(low, high, self.n_mels + 2)[1:-1], self.mel_scale)

    def delays(self) -> list[Delay]:
        return [Delay("mel spectrogram", group_delay_ms=1e3 * (self.win - 1) / 2 / self.rate_hz)]

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, 1, frames * self.hop)

    def initial_state(self, streams: int) -> State:
        return {"samples": self._window.new_zeros(streams, 1, self.win - self.hop)}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        samples = torch.cat([state["samples"], x], dim=-1)  # (B, 1, win - hop + T hop)
        frames = samples.unfold(-1, self.win, self.hop) * self._window  # -> (B, 1, T, win)
        spectrum = torch.fft.rfft(frames).abs()  # -> (B, 1, T, win // 2 + 1)
        if self.magnitude == "power":
            spectrum = spectrum.square()
        energy = (spectrum @ self._mel_fb).transpose(-1, -2)  # -> (B, 1, F, T)
        return self.compress(energy), {"samples": samples[..., samples.shape[-1] - (self.win - self.hop) :].clone()}

    def compress(self, energy: Tensor) -> Tensor:
        """Return the compressed band energies, any shape."""
        if self.compression == "log":
            floored = energy.clamp_min(self.log_floor) if self.log_offset is None else energy + self.log_offset
            return floored.log()
        if self.compression == "cubic":
            return energy.pow(1 / 3)
        return energy.log1p() if self.compression == "log1p" else energy.contiguous()
