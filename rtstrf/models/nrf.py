"""NetworkReceptiveField: hidden units with receptive fields of their own, and neurons that add them up."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from rtstrf.models.activations import ParametricSoftplus
from rtstrf.models.frames import ChannelLayerNorm, Pointwise
from rtstrf.models.kernels import ParametricSTRF
from rtstrf.models.model import AuditoryModel
from rtstrf.models.readout import LinearReadout
from rtstrf.models.slots import channels_into_core, check_sizes, or_default
from rtstrf.models.strf import CausalSTRFConv, kernel_or_free
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.spectrogram.mel import MelSpectrogram
from rtstrf.stream import Chain, StreamModule


class NetworkReceptiveField(AuditoryModel):
    """A network with one layer of hidden units: h = tanh(norm(STRF(x))), then a linear readout.

    Parameters
    ----------
    n_frequency_bands : int
        Bands F of the spectrogram.
    out_neurons : int
        Units N.
    temporal_window_size : int
        Frames of the hidden units' receptive fields, the current one included.
    n_hidden : int
        Hidden units H.
    output_activation : nn.Module, optional
        By default `ParametricSoftplus` of N units.
    kernel : nn.Module, optional
        A kernel of `rtstrf.models.kernels` for F bands, these frames, the prefilter's channels and H outputs; by
        default every weight is free.
    prefiltering, wav2spec : StreamModule, optional
        Adaptation and front-end. Without a front-end the model takes spectrograms.

    Notes
    -----
    Input: waveform (B, 1, samples) in pascals with a front-end, otherwise spectrogram (B, 1, F, T). Output (B, N, T).
    State: that of its stages. Delay: that of its front-end.

    Source: Harper et al. 2016, doi 10.1371/journal.pcbi.1005113; the reference implementation is deepSTRF 0.1.0.

    Raises
    ------
    ConfigError
        If a size is below 1, or front-end, prefilter or kernel have other sizes than the model.

    Examples
    --------
    >>> import torch
    >>> NetworkReceptiveField(out_neurons=3)(torch.zeros(1, 1, 34, 2)).shape
    torch.Size([1, 3, 2])
    """

    config_slots = ("kernel", "output_activation", "prefiltering")

    def __init__(
        self,
        n_frequency_bands: int = 34,
        out_neurons: int = 1,
        *,
        temporal_window_size: int = 9,
        n_hidden: int = 20,
        output_activation: nn.Module | None = None,
        kernel: nn.Module | None = None,
        prefiltering: StreamModule | None = None,
        wav2spec: StreamModule | None = None,
    ) -> None:
        sizes = {
            "n_frequency_bands": n_frequency_bands,
            "n_hidden": n_hidden,
            "out_neurons": out_neurons,
            "temporal_window_size": temporal_window_size,
        }
        check_sizes("NetworkReceptiveField", **sizes)
        channels = channels_into_core(n_frequency_bands, wav2spec, prefiltering)
        field = kernel_or_free(kernel, channels, n_frequency_bands, temporal_window_size, n_hidden)
        activation = or_default(output_activation, ParametricSoftplus(out_neurons))
        hidden: dict[str, StreamModule] = {
            "0": CausalSTRFConv(field),
            "1": ChannelLayerNorm(n_hidden),
            "2": Pointwise(nn.Tanh(), (n_hidden,)),
        }
        super().__init__(
            {"core": Chain(hidden), "readout": LinearReadout(n_hidden, out_neurons, activation)},
            wav2spec=wav2spec,
            prefiltering=prefiltering,
            out_neurons=out_neurons,
            options=sizes,
        )

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        def from_sound() -> StreamModule:
            mel = MelSpectrogram(16000, 5.0, n_mels=8, f_max_hz=8000.0)
            adaptation = AdapTrans.for_bands(8, dt_ms=5.0, max_freq_hz=8000.0)
            return cls(8, 3, n_hidden=4, kernel=ParametricSTRF(8, 9, 2, 4), prefiltering=adaptation, wav2spec=mel)

        return {"spectrogram": lambda: cls(6, 3, temporal_window_size=4, n_hidden=5), "gaussians-sound": from_sound}
