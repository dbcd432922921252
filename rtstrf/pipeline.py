"""Start reading here: how sound becomes firing rates.

    sound ─► Framer ─► spectrogram ─► ON/OFF ─► core ─► readout ─► rates (Hz)
    blocks    hops      (B, 1, F, T)  (B, C, F, T)        (B, N, T)

`SoundToRates` is the journey in torch, for any number of streams and frames, and the only place where the stages are
put together. `Pipeline` is one stream of it on the host: blocks of any length in, bins out, one hop at a time. The
live engine, the replay and the tests all hear through the same two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.errors import CheckpointError
from rtstrf.framing import Framer
from rtstrf.models.model import AuditoryModel
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.runner import StepRunner
from rtstrf.stream import Chain, Delay, Identity, State, StreamModule


class SoundToRates(StreamModule):
    """The whole journey, with what the display shows on the way.

    Parameters
    ----------
    model : AuditoryModel
        A model with a front-end.
    hz_per_response : float
        Firing rate in hertz of a response of 1 in the model's own units (see `rtstrf.rates`).
    show_onoff : bool
        Where the model does not adapt, run AdapTrans beside it, for displays: the rates do not depend on it.

    Notes
    -----
    Input (B, 1, samples) float, pascals, whole hops. Output: a dict of ``spectrogram`` (B, F, T), ``onoff``
    (B, C F, T), ON bands before OFF bands, and ``rates_hz`` (B, N, T). State: that of the stages, by name.

    Raises
    ------
    CheckpointError
        If the model has no front-end and so cannot hear.
    """

    def __init__(self, model: AuditoryModel, hz_per_response: float, *, show_onoff: bool = False) -> None:
        super().__init__()
        if model.front_end is None:
            raise CheckpointError(
                "the model takes spectrograms, not sound: it has no front-end",
                remedy="name its front-end in the sidecar stream.json (key wav2spec)",
            )
        self.spectrogram = model.front_end
        self.prefilter = model.prefilter
        self.core = Chain(model.core_stages())
        self.hz_per_response = hz_per_response
        self.adapts = not isinstance(self.prefilter, Identity)
        self.beside = onoff_beside(model.front_end) if show_onoff and not self.adapts else None

    @property
    def has_onoff(self) -> bool:
        """Whether `onoff` holds ON and OFF channels; otherwise it is the spectrogram again."""
        return self.adapts or self.beside is not None

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        from rtstrf.models.statenet import StateNet
        from rtstrf.spectrogram.mel import MelSpectrogram

        mel = MelSpectrogram(16000, 5.0, n_mels=8, f_max_hz=8000.0)
        plain = {"hidden_channels": 2, "kernel_size": 4, "stride": 2, "out_neurons": 3, "wav2spec": mel}
        return {
            "adapting": lambda: cls(StateNet.examples()["gru-lc-sound"](), 100.0),  # type: ignore[arg-type]
            "onoff-beside": lambda: cls(StateNet(8, **plain), 100.0, show_onoff=True),  # type: ignore[arg-type]
        }

    @property
    def samples_per_frame(self) -> int:  # type: ignore[override]
        return self.spectrogram.samples_per_frame

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return self.spectrogram.input_shape(streams, frames)

    def initial_state(self, streams: int) -> State:
        return {
            "spectrogram": self.spectrogram.initial_state(streams),
            "prefilter": self.prefilter.initial_state(streams),
            "core": self.core.initial_state(streams),
            "beside": self.beside.initial_state(streams) if self.beside is not None else {},
        }

    def step(self, sound_pa: Tensor, state: State) -> tuple[dict[str, Tensor], State]:
        new: State = {}
        spectrogram, new["spectrogram"] = self.spectrogram.step(sound_pa, state["spectrogram"])  # -> (B, 1, F, T)
        onoff, new["prefilter"] = self.prefilter.step(spectrogram, state["prefilter"])  # -> (B, C, F, T)
        response, new["core"] = self.core.step(onoff, state["core"])  # -> (B, N, T)
        new["beside"] = {}
        if self.beside is not None:
            onoff, new["beside"] = self.beside.step(spectrogram, state["beside"])  # -> (B, 2, F, T)
        heard = {
            "spectrogram": spectrogram.flatten(1, 2),  # (B, F, T)
            "onoff": onoff.flatten(1, 2),  # (B, C F, T)
            "rates_hz": response * self.hz_per_response,
        }
        return heard, new

    def delays(self) -> list[Delay]:
        return [*self.spectrogram.delays(), *self.prefilter.delays(), *self.core.delays()]


class HopMaker(Protocol):
    """What turns a source's blocks into hops: `Framer`, or a resampler with the same face."""

    latency_s: float

    def push(self, samples: np.ndarray) -> np.ndarray: ...
    def flush(self) -> np.ndarray: ...
    @property
    def period(self) -> tuple[int, int]: ...
    def skip(self, periods: int) -> None: ...
    def source_samples_needed(self, bin_index: int) -> int: ...
    def source_index(self, model_sample: int) -> float: ...


@dataclass(frozen=True, slots=True)
class Bin:
    """What one hop of sound gave.

    Attributes
    ----------
    index : int
        Bin since the start; it holds the samples [index hop, (index + 1) hop) of the model's clock.
    rates_hz : ndarray, shape (N,), float32
    spectrogram : ndarray, shape (F,), float32
    onoff : ndarray, shape (C F,), float32
    """

    index: int
    rates_hz: np.ndarray
    spectrogram: np.ndarray
    onoff: np.ndarray


class Pipeline:
    """One stream: blocks of sound in, bins of rates out.

    Parameters
    ----------
    loaded : LoadedModel
        A model and what its sidecar says (`rtstrf.load_model`).
    source_rate_hz : int, optional
        Rate of the sound; another than the model's is resampled on the way (needs nothing but numpy).
    show_onoff : bool
        As for `SoundToRates`.
    device, dtype, backend, told
        As for `StepRunner`.

    Notes
    -----
    G0: the bins are bitwise the same however the sound is cut into blocks, because every hop takes the same path.

    Examples
    --------
    >>> import rtstrf
    >>> pipeline = rtstrf.Pipeline(rtstrf.load_model("statenet-gru-ns1"))
    >>> bins = pipeline.push(np.zeros(500, dtype=np.float32))
    >>> [b.index for b in bins], bins[0].rates_hz.shape
    ([0, 1], (119,))
    """

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        source_rate_hz: int | None = None,
        show_onoff: bool = False,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        backend: str = "eager",
        told: Callable[[str], None] | None = None,
    ) -> None:
        self.loaded = loaded
        self.rate_hz = loaded.sidecar.sample_rate_hz
        self.hop_samples = loaded.sidecar.hop_samples
        self.module = SoundToRates(loaded.model, loaded.sidecar.hz_per_response, show_onoff=show_onoff)
        self.runner = StepRunner(self.module, device=device, dtype=dtype, backend=backend, told=told)
        self.framer = make_framer(source_rate_hz or self.rate_hz, self.rate_hz, self.hop_samples)
        self.next_bin = 0

    def push(self, samples_pa: np.ndarray) -> list[Bin]:
        """Hear a block of any length, shape (n,), float32 pascals, and return the bins it completes."""
        return [self.hear(hop) for hop in self.framer.push(samples_pa)]

    def finish(self) -> list[Bin]:
        """End the sound: return the bins that only waited for the resampler's look-ahead."""
        return [self.hear(hop) for hop in self.framer.flush()]

    def hear(self, hop: np.ndarray) -> Bin:
        """Hear one hop, shape (hop_samples,), float32 pascals."""
        heard: dict[str, Tensor] = self.runner.step(torch.from_numpy(hop).reshape(1, 1, -1))
        out: dict[str, Any] = {name: on_host(value)[0, :, 0] for name, value in heard.items()}
        self.next_bin += 1
        return Bin(index=self.next_bin - 1, **out)

    def hear_many(self, hops: np.ndarray) -> list[Bin]:
        """Hear several hops in one step, shape (k, hop_samples), float32 pascals: equal within G1, cheaper a hop."""
        if not len(hops):
            return []
        heard: dict[str, Tensor] = self.runner.step(torch.from_numpy(hops).reshape(1, 1, -1))  # -> (1, width, k)
        rows = {name: value[0].T.float().cpu().numpy() for name, value in heard.items()}  # (k, width)
        first = self.next_bin
        self.next_bin += len(hops)
        return [Bin(first + k, **{name: np.array(row[k]) for name, row in rows.items()}) for k in range(len(hops))]

    def skip(self, bins: int) -> None:
        """Let bins pass unheard, so that the next one keeps its place in time; the state stays as it is."""
        self.next_bin += bins

    def reset(self) -> None:
        """Forget the sound so far; bins go on counting, as time does."""
        self.runner.reset()

    def delays(self) -> list[Delay]:
        """Return what each stage adds between a sound and its rates, apart from computing."""
        return delays_from_sound(self.module, self.framer, self.hop_samples / self.rate_hz)


def on_host(value: Tensor) -> np.ndarray:
    """Return a tensor as a float32 array, without a copy where it is one already."""
    if value.is_cpu and value.dtype is torch.float32:  # as it is for every hop of a live session
        return value.numpy()
    return value.float().cpu().numpy()


def delays_from_sound(module: SoundToRates, framer: HopMaker, bin_s: float) -> list[Delay]:
    """Return what each stage adds between a sound and its rates, framing and resampling included."""
    wait = [Delay("framing: until the hop is whole", wait_ms=1e3 * bin_s)]
    if framer.latency_s:
        wait.insert(0, Delay("resampling: half its filter", wait_ms=1e3 * framer.latency_s))
    return [*wait, *module.delays()]


def make_framer(source_rate_hz: int, model_rate_hz: int, hop_samples: int) -> HopMaker:
    """Return what cuts a source's blocks into the model's hops, resampling where the rates differ."""
    if source_rate_hz == model_rate_hz:
        return Framer(hop_samples)
    from rtstrf.sound.resample import Hops

    return Hops(source_rate_hz, model_rate_hz, hop_samples)


def onoff_beside(front_end: StreamModule) -> StreamModule | None:
    """Return an AdapTrans for the bands of a front-end: what rises above its recent past, and what falls below it.

    None where the front-end's output has no frequencies.
    """
    frequencies = getattr(front_end, "band_frequencies_hz", None)
    rate_hz = getattr(front_end, "rate_hz", None)
    if frequencies is None or rate_hz is None:
        return None
    low_hz, *_, high_hz = frequencies()
    bin_ms = 1e3 * front_end.samples_per_frame / rate_hz
    edges = {"min_freq_hz": low_hz, "max_freq_hz": high_hz}
    return AdapTrans.for_bands(len(frequencies()), dt_ms=bin_ms, weight=1.0, learnable=False, **edges)
