"""The Transformer: a token for each frame, and attention over a window of the past."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from rtstrf.errors import ConfigError
from rtstrf.models.attention import CausalEncoder
from rtstrf.models.model import AuditoryModel
from rtstrf.models.patches import PatchEmbedding
from rtstrf.models.positions import SinusoidalPositions
from rtstrf.models.readout import LinearReadout
from rtstrf.models.slots import channels_into_core, check_sizes, or_default
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.spectrogram.mel import MelSpectrogram
from rtstrf.stream import StreamModule


class Transformer(AuditoryModel):
    """A population read from a causal Transformer encoder.

    Parameters
    ----------
    n_frequency_bands : int
        Bands F of the spectrogram.
    out_neurons : int
        Units N.
    freq_patch_size : int, optional
        Bands of a patch, a divisor of F; by default all of them.
    time_patch_size : int
        Frames of a patch, the current one last.
    context_window : int, optional
        Frames W that a frame sees in each layer, itself included. None, or a number below 1, means all of the past,
        which no live stream can keep; it needs `max_frames`.
    embedding_dim, n_heads, n_layers : int
        Numbers for each patch, heads and layers.
    output_activation : nn.Module, optional
        By default none, so responses may be negative.
    prefiltering, wav2spec : StreamModule, optional
        Adaptation and front-end. Without a front-end the model takes spectrograms.
    max_frames : int, optional
        Bounds an unlimited context: the model is exact for the first `max_frames` frames of a sound, and then forgets
        the oldest, as with a window of that length. It also bounds what a frame may cost.
    deepstrf_phase : bool
        Positions in deepSTRF's precision, see `rtstrf.models.positions.SinusoidalPositions`.

    Notes
    -----
    Input: waveform (B, 1, samples) in pascals with a front-end, otherwise spectrogram (B, 1, F, T). Output (B, N, T).
    State: that of its stages, mainly 2 D (W - 1) numbers a layer, D = embedding_dim F / freq_patch_size. Delay: that of
    its front-end. Weights ``patchify.*``, ``pos_encoding.div_term``, ``tsfm.layers.*``, ``readout.fc.*``.

    Computing it anew over a sliding window is another model: the positions would start at 0 in each window, and with
    more than one layer the window's past would be cut.

    Source: Vaswani et al. 2017, arXiv 10.48550/arXiv.1706.03762; the reference implementation is deepSTRF 0.1.0.

    Raises
    ------
    ConfigError
        If the context is unlimited and unbounded, or the sizes do not fit together.

    Examples
    --------
    >>> import torch
    >>> model = Transformer(out_neurons=3, context_window=50, wav2spec=MelSpectrogram(48000, 5.0))
    >>> model(torch.zeros(1, 1, 2400)).shape
    torch.Size([1, 3, 10])
    """

    def __init__(
        self,
        n_frequency_bands: int = 34,
        out_neurons: int = 1,
        *,
        freq_patch_size: int | None = None,
        time_patch_size: int = 1,
        context_window: int | None = None,
        embedding_dim: int = 48,
        n_heads: int = 1,
        n_layers: int = 1,
        output_activation: nn.Module | None = None,
        prefiltering: StreamModule | None = None,
        wav2spec: StreamModule | None = None,
        max_frames: int | None = None,
        deepstrf_phase: bool = False,
    ) -> None:
        check_sizes(
            "Transformer", n_frequency_bands=n_frequency_bands, out_neurons=out_neurons, embedding_dim=embedding_dim
        )
        channels = channels_into_core(n_frequency_bands, wav2spec, prefiltering)
        patches = PatchEmbedding(
            channels,
            n_frequency_bands,
            embedding_dim,
            freq_patch_size=n_frequency_bands if freq_patch_size is None else freq_patch_size,
            time_patch_size=time_patch_size,
        )
        window = bounded_window(context_window, max_frames)
        encoder = CausalEncoder(patches.tokens, heads=n_heads, layers=n_layers, window_frames=window)
        options = {
            "context_window": context_window,
            "embedding_dim": embedding_dim,
            "freq_patch_size": freq_patch_size,
            "n_frequency_bands": n_frequency_bands,
            "n_heads": n_heads,
            "n_layers": n_layers,
            "out_neurons": out_neurons,
            "time_patch_size": time_patch_size,
        }
        core: dict[str, StreamModule] = {
            "patchify": patches,
            "pos_encoding": SinusoidalPositions(patches.tokens, deepstrf_phase=deepstrf_phase),
            "tsfm": encoder,
            "readout": LinearReadout(patches.tokens, out_neurons, or_default(output_activation, nn.Identity())),
        }
        super().__init__(core, wav2spec=wav2spec, prefiltering=prefiltering, out_neurons=out_neurons, options=options)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        small: dict[str, Any] = {"embedding_dim": 4, "out_neurons": 3}

        def from_sound() -> StreamModule:
            mel = MelSpectrogram(16000, 5.0, n_mels=8, f_max_hz=8000.0)
            adaptation = AdapTrans.for_bands(8, dt_ms=5.0, max_freq_hz=8000.0)
            sizes: dict[str, Any] = {"freq_patch_size": 4, "time_patch_size": 3, "n_heads": 2, "n_layers": 2}
            return cls(8, context_window=7, wav2spec=mel, prefiltering=adaptation, **sizes, **small)

        return {
            "spectrogram": lambda: cls(6, context_window=10, **small),
            "bounded": lambda: cls(6, max_frames=80, deepstrf_phase=True, **small),
            "layers-sound": from_sound,
        }


def bounded_window(context_window: int | None, max_frames: int | None) -> int:
    """Return the frames that a frame sees, or raise ConfigError where nothing bounds them."""
    if context_window is not None and context_window > 0:
        if max_frames is not None:
            raise ConfigError(
                f"max_frames {max_frames} beside a context_window of {context_window}",
                remedy="leave max_frames out: the window is bounded already",
            )
        return context_window
    if max_frames is None or max_frames < 1:
        bound = "" if max_frames is None else f" and max_frames {max_frames}"
        raise ConfigError(
            f"context_window {context_window}{bound} means that each frame sees all of the past, so that memory and "
            "the time for a frame grow for as long as the sound lasts",
            remedy="give the context_window the model was fitted with, or max_frames, the most frames to keep: 12000 "
            "is a minute at 5 ms",
        )
    return max_frames
