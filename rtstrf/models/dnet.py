"""DNet: a network receptive field whose hidden units fade with time constants of their own."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from rtstrf.models.decay import ExponentialDecay
from rtstrf.models.frames import ChannelLayerNorm, Pointwise
from rtstrf.models.kernels import SeparableSTRF
from rtstrf.models.model import AuditoryModel
from rtstrf.models.readout import LinearReadout
from rtstrf.models.slots import channels_into_core, check_sizes, or_default
from rtstrf.models.strf import CausalSTRFConv, kernel_or_free
from rtstrf.prefilter.ic_adaptation import ICAdaptation
from rtstrf.spectrogram.mel import MelSpectrogram
from rtstrf.stream import Chain, StreamModule


class DNet(AuditoryModel):
    """A dynamic network: h = sigmoid(norm(STRF(x))), each hidden unit decaying exponentially, then a linear readout.

    Parameters
    ----------
    n_frequency_bands, out_neurons, temporal_window_size, n_hidden, kernel, prefiltering, wav2spec
        As for `NetworkReceptiveField`.
    init_tau, decay_input
        As for `ExponentialDecay`. A checkpoint's sum has round(7 init_tau) taps, whatever was learned since.
    output_activation : nn.Module, optional
        By default none.

    Notes
    -----
    Input: waveform (B, 1, samples) in pascals with a front-end, otherwise spectrogram (B, 1, F, T). Output (B, N, T).
    State: that of its stages. Delay: that of its front-end.

    Source: Rahman, Willmore, King, Harper 2019, doi 10.1371/journal.pcbi.1006618; the reference implementation is
    deepSTRF 0.1.0.

    Raises
    ------
    ConfigError
        If a size is below 1, init_tau is 1 or less, or front-end, prefilter or kernel have other sizes than the model.

    Examples
    --------
    >>> import torch
    >>> DNet(out_neurons=3)(torch.zeros(1, 1, 34, 2)).shape
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
        init_tau: float = 2.0,
        decay_input: bool = True,
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
        check_sizes("DNet", **sizes)
        channels = channels_into_core(n_frequency_bands, wav2spec, prefiltering)
        field = kernel_or_free(kernel, channels, n_frequency_bands, temporal_window_size, n_hidden)
        hidden: dict[str, StreamModule] = {
            "0": CausalSTRFConv(field),
            "1": ChannelLayerNorm(n_hidden),
            "2": Pointwise(nn.Sigmoid(), (n_hidden,)),
            "3": ExponentialDecay(n_hidden, init_tau=init_tau, decay_input=decay_input),
        }
        readout = LinearReadout(n_hidden, out_neurons, or_default(output_activation, nn.Identity()))
        super().__init__(
            {"core": Chain(hidden), "readout": readout},
            wav2spec=wav2spec,
            prefiltering=prefiltering,
            out_neurons=out_neurons,
            options={**sizes, "init_tau": init_tau, "decay_input": decay_input},
        )

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        def from_sound() -> StreamModule:
            mel = MelSpectrogram(16000, 5.0, n_mels=8, f_max_hz=8000.0)
            adaptation = ICAdaptation.for_bands(8, dt_ms=5.0, max_freq_hz=8000.0)
            return cls(8, 3, n_hidden=4, kernel=SeparableSTRF(8, 9, 1, 4), prefiltering=adaptation, wav2spec=mel)

        return {
            "spectrogram": lambda: cls(6, 3, temporal_window_size=4, n_hidden=5, decay_input=False),
            "separable-sound": from_sound,
        }
