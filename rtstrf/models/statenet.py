"""StateNet: a memoryless encoder over frequency, a recurrent layer over time, a linear readout."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from rtstrf.errors import ConfigError
from rtstrf.models.activations import ParametricSoftplus
from rtstrf.models.cells.gru import GRU
from rtstrf.models.cells.lmu import LMU
from rtstrf.models.cells.lstm import LSTM
from rtstrf.models.cells.mamba import Mamba
from rtstrf.models.cells.rnn import RNN
from rtstrf.models.cells.s4 import S4
from rtstrf.models.encoders import FrequencyEncoder
from rtstrf.models.model import AuditoryModel
from rtstrf.models.readout import LinearReadout
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.spectrogram.mel import MelSpectrogram
from rtstrf.stream import StreamModule

CELLS: dict[str, Callable[[int, int], StreamModule]] = {
    "GRU": GRU,
    "LSTM": LSTM,
    "RNN": RNN,
    "vanilla": RNN,
    "LMU": LMU,
    "Mamba": Mamba,
    "S4": S4,
}


class StateNet(AuditoryModel):
    """A recurrent model of a population: encoder, cell, readout.

    Parameters
    ----------
    n_frequency_bands : int
        Bands F of the spectrogram.
    out_neurons : int
        Units N.
    hidden_channels, kernel_size, stride, connectivity
        The encoder's, see `rtstrf.models.encoders.FrequencyEncoder`; H = hidden_channels ((F - kernel) // stride + 1).
    rnn_type : {"GRU", "LSTM", "RNN", "vanilla", "LMU", "Mamba", "S4"}
        The cell, see `rtstrf.models.cells`; "vanilla" is another name of "RNN".
    output_activation : nn.Module, optional
        By default `ParametricSoftplus` of N units.
    prefiltering, wav2spec : StreamModule, optional
        Adaptation and front-end. Without a front-end the model takes spectrograms.

    Notes
    -----
    Input: waveform (B, 1, samples) in pascals with a front-end, otherwise spectrogram (B, 1, F, T). Output (B, N, T).
    State: that of its stages. Delay: that of its front-end.

    Source: Rancon, Masquelier, Cottereau 2025, doi 10.1101/2024.11.11.622961 (the StateNet family; deepSTRF 0.1.0 is
    its reference implementation, whose checkpoints load).

    Raises
    ------
    ConfigError
        If the cell is unknown or the front-end does not deliver F bands.

    Examples
    --------
    >>> import torch
    >>> model = StateNet(out_neurons=3, wav2spec=MelSpectrogram(48000, 5.0))
    >>> model(torch.zeros(1, 1, 2400)).shape
    torch.Size([1, 3, 10])
    """

    def __init__(
        self,
        n_frequency_bands: int = 34,
        out_neurons: int = 1,
        *,
        hidden_channels: int = 7,
        kernel_size: int = 7,
        stride: int = 3,
        connectivity: str = "LC",
        rnn_type: str = "GRU",
        temporal_window_size: int = 1,
        output_activation: nn.Module | None = None,
        prefiltering: StreamModule | None = None,
        wav2spec: StreamModule | None = None,
    ) -> None:
        if rnn_type not in CELLS:
            raise ConfigError(f"rnn_type {rnn_type!r} of StateNet", remedy="one of " + ", ".join(CELLS))
        bands = getattr(wav2spec, "out_channels", n_frequency_bands)
        if bands != n_frequency_bands:
            raise ConfigError(
                f"the front-end delivers {bands} bands, the model takes {n_frequency_bands}",
                remedy="give both the same number of bands",
            )
        channels = getattr(prefiltering, "out_channels", 1)
        encoder = FrequencyEncoder(channels, n_frequency_bands, hidden_channels, kernel_size, stride, connectivity)
        activation = ParametricSoftplus(out_neurons) if output_activation is None else output_activation
        options = {
            "connectivity": connectivity,
            "hidden_channels": hidden_channels,
            "kernel_size": kernel_size,
            "n_frequency_bands": n_frequency_bands,
            "out_neurons": out_neurons,
            "rnn_type": rnn_type,
            "stride": stride,
            "temporal_window_size": temporal_window_size,  # unused by the model; deepSTRF's files hold it
        }
        core = {
            "encoder_layers": encoder,
            "rnn": CELLS[rnn_type](encoder.hidden, encoder.hidden),
            "readout": LinearReadout(encoder.hidden, out_neurons, activation),
        }
        super().__init__(core, wav2spec=wav2spec, prefiltering=prefiltering, out_neurons=out_neurons, options=options)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        small = {"hidden_channels": 2, "kernel_size": 4, "stride": 2, "out_neurons": 3}

        def from_sound(connectivity: str) -> StreamModule:
            mel = MelSpectrogram(16000, 5.0, n_mels=8, f_max_hz=8000.0)
            adaptation = AdapTrans.for_bands(8, dt_ms=5.0, max_freq_hz=8000.0)
            return cls(8, connectivity=connectivity, wav2spec=mel, prefiltering=adaptation, **small)  # type: ignore[arg-type]

        return {
            "gru-lc-spectrogram": lambda: cls(8, **small),  # type: ignore[arg-type]
            "gru-lc-sound": lambda: from_sound("LC"),
            "gru-fc-sound": lambda: from_sound("FC"),
            "gru-conv-sound": lambda: from_sound("CONV"),
            "mamba-lc-spectrogram": lambda: cls(8, rnn_type="Mamba", **small),  # type: ignore[arg-type]
            "s4-lc-spectrogram": lambda: cls(8, rnn_type="S4", **small),  # type: ignore[arg-type]
        }
