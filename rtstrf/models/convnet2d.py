"""ConvNet2D: three layers of convolution over frequency and time, then two dense ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from rtstrf.errors import ConfigError
from rtstrf.models.activations import ParametricSoftplus
from rtstrf.models.frames import ChannelLayerNorm, FlattenBands, Pointwise
from rtstrf.models.model import AuditoryModel
from rtstrf.models.readout import LinearReadout
from rtstrf.models.slots import channels_into_core, check_sizes, or_default
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.spectrogram.mel import MelSpectrogram
from rtstrf.stream import Chain, State, StreamModule

LAYERS = 3


class CausalConv2d(StreamModule):
    """A convolution over frequency (within the bands there are) and time (back from the current frame).

    Parameters
    ----------
    channels_in, channels_out : int
        Channels C and O.
    bands : int
        Bands F of the input; F - K_F + 1 come out.
    kernel_size : (int, int)
        K_F bands, K_T frames.

    Notes
    -----
    Input (B, C, F, T), output (B, O, F - K_F + 1, T). State: ``past`` (B, C, F, K_T - 1), the last frames, zeros at
    the start. No delay. Weights ``weight`` (O, C, K_F, K_T), ``bias`` (O,).

    Examples
    --------
    >>> CausalConv2d(1, 4, 34, (3, 9))(torch.zeros(1, 1, 34, 2)).shape
    torch.Size([1, 4, 32, 2])
    """

    def __init__(self, channels_in: int, channels_out: int, bands: int, kernel_size: tuple[int, int]) -> None:
        super().__init__()
        self.bands = bands
        drawn = nn.Conv2d(channels_in, channels_out, kernel_size)  # for torch's way to draw the first weights
        self.weight, self.bias = drawn.weight, drawn.bias

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        # 3 x 3 is where libraries switch to transforms that let a NaN leak into its neighbours.
        return {"three-by-three": lambda: cls(2, 3, 7, (3, 3)), "one-frame": lambda: cls(1, 3, 5, (2, 1))}

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, self.weight.shape[1], self.bands, frames)

    def initial_state(self, streams: int) -> State:
        return self.state_after(self.weight.new_zeros(streams, self.weight.shape[1], self.bands, 1))

    def state_after(self, frame: Tensor) -> State:
        """Return the state of streams that have heard the same frame, (B, C, F, 1), for ever."""
        return {"past": frame.repeat(1, 1, 1, self.weight.shape[-1] - 1)}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        joined = torch.cat([state["past"], x], dim=-1)  # (B, C, F, K_T - 1 + T)
        y = conv2d(joined, self.weight, self.bias)  # -> (B, O, F - K_F + 1, T)
        return y, {"past": joined[..., x.shape[-1] :].clone()}


class ConvStack(Chain):
    """Layers of convolution, norm and leaky rectifier, as if the silence before the sound had lasted for ever.

    Parameters
    ----------
    channels_in, bands, hidden : int
        Channels C and bands F of the spectrogram, channels of the layers.
    kernel_size : (int, int)
        K_F bands, K_T frames.

    Notes
    -----
    Input (B, C, F, T), output (B, hidden F', T) with F' = F - 3 (K_F - 1), channel by channel. State: that of the
    convolutions. Only the first one starts from zeros: silence comes out of it as something else, its bias through
    norm and rectifier, and that is the past of the second one before the sound, and so on.

    Examples
    --------
    >>> ConvStack(1, 34, 10, (3, 9))(torch.zeros(1, 1, 34, 2)).shape
    torch.Size([1, 280, 2])
    """

    def __init__(self, channels_in: int, bands: int, hidden: int, kernel_size: tuple[int, int]) -> None:
        stages: dict[str, StreamModule] = {}
        channels = channels_in
        for layer in range(LAYERS):
            at = 3 * layer + 1  # the positions of deepSTRF's layers, of which 0 is the padding
            stages[str(at)] = CausalConv2d(channels, hidden, bands, kernel_size)
            bands, channels = bands - kernel_size[0] + 1, hidden
            stages[str(at + 1)] = ChannelLayerNorm(hidden, bands)
            stages[str(at + 2)] = Pointwise(nn.LeakyReLU(0.1), (hidden, bands))
        stages[str(3 * LAYERS + 1)] = FlattenBands(hidden, bands)
        super().__init__(stages)
        self.outputs = hidden * bands

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"onoff": lambda: cls(2, 9, 3, (3, 3)), "tall": lambda: cls(1, 8, 4, (2, 5))}

    def initial_state(self, streams: int) -> State:
        state: State = {}
        silence = next(self.parameters()).new_zeros(self.input_shape(streams, 1))
        for name, stage in self.stages():
            steady = isinstance(stage, CausalConv2d)
            state[name] = stage.state_after(silence) if steady else {}  # type: ignore[operator]
            silence, _ = stage.step(silence, state[name])
        return state


class ConvNet2D(AuditoryModel):
    """A convolutional network over the spectrogram: three layers of convolution, a dense one, a readout.

    Parameters
    ----------
    n_frequency_bands : int
        Bands F of the spectrogram.
    out_neurons : int
        Units N.
    kernel_size : (int, int)
        K_F bands and K_T frames of each convolution. The model looks back 3 (K_T - 1) frames.
    c_hidden : int
        Channels of each convolution.
    n_hidden : int
        Units of the dense layer.
    output_activation : nn.Module, optional
        By default `ParametricSoftplus` of N units.
    prefiltering, wav2spec : StreamModule, optional
        Adaptation and front-end. Without a front-end the model takes spectrograms.

    Notes
    -----
    Input: waveform (B, 1, samples) in pascals with a front-end, otherwise spectrogram (B, 1, F, T). Output (B, N, T).
    State: that of its stages; see `ConvStack` for its start. Delay: that of its front-end.

    Source: Pennington & David 2023, doi 10.1371/journal.pcbi.1011110 (the family); the reference implementation is
    deepSTRF 0.1.0.

    Raises
    ------
    ConfigError
        If a size is below 1, the kernels leave no band, or front-end or prefilter have other sizes than the model.

    Examples
    --------
    >>> ConvNet2D(out_neurons=3)(torch.zeros(1, 1, 34, 2)).shape
    torch.Size([1, 3, 2])
    """

    config_slots = ("output_activation", "prefiltering")

    def __init__(
        self,
        n_frequency_bands: int = 34,
        out_neurons: int = 1,
        *,
        kernel_size: Sequence[int] = (3, 9),
        c_hidden: int = 10,
        n_hidden: int = 20,
        output_activation: nn.Module | None = None,
        prefiltering: StreamModule | None = None,
        wav2spec: StreamModule | None = None,
    ) -> None:
        if len(kernel_size) != 2:
            raise ConfigError(f"kernel_size {kernel_size!r} of ConvNet2D", remedy="give two numbers: bands, frames")
        over_bands, over_frames = kernel_size
        sizes = {
            "n_frequency_bands": n_frequency_bands,
            "out_neurons": out_neurons,
            "c_hidden": c_hidden,
            "n_hidden": n_hidden,
        }
        check_sizes("ConvNet2D", kernel_bands=over_bands, kernel_frames=over_frames, **sizes)
        if n_frequency_bands - LAYERS * (over_bands - 1) < 1:
            raise ConfigError(
                f"{LAYERS} kernels of {over_bands} bands leave none of {n_frequency_bands}",
                remedy=f"at most {(n_frequency_bands - 1) // LAYERS + 1} bands a kernel",
            )
        channels = channels_into_core(n_frequency_bands, wav2spec, prefiltering)
        stack = ConvStack(channels, n_frequency_bands, c_hidden, (over_bands, over_frames))
        activation = or_default(output_activation, ParametricSoftplus(out_neurons))
        super().__init__(
            {"core": stack, "readout": LinearReadout(stack.outputs, out_neurons, activation, layer=n_hidden)},
            wav2spec=wav2spec,
            prefiltering=prefiltering,
            out_neurons=out_neurons,
            options={**sizes, "kernel_size": [over_bands, over_frames]},
        )

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        def from_sound() -> StreamModule:
            mel = MelSpectrogram(16000, 5.0, n_mels=8, f_max_hz=8000.0)
            adaptation = AdapTrans.for_bands(8, dt_ms=5.0, max_freq_hz=8000.0)
            return cls(8, 3, kernel_size=(3, 2), c_hidden=2, n_hidden=4, prefiltering=adaptation, wav2spec=mel)

        return {"spectrogram": lambda: cls(8, 3, kernel_size=(3, 4), c_hidden=2, n_hidden=5), "sound": from_sound}
