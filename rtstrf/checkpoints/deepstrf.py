"""deepSTRF's words for a model, in ours: what its constructors are given, and what its weights tell of it.

Its weights were fitted with its defects, so these are part of the translation: a bin rounded to whole samples, three
time constants in milliseconds counted as frames, mislabelled bins of a spectrum, gammatones that run backwards and of
other gains.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rtstrf.checkpoints.sidecar import Sidecar, Slot, Unit
from rtstrf.errors import CheckpointError
from rtstrf.prefilter.time_constants import time_constants_ms
from rtstrf.spectrogram.mel import hz_to_mel, mel_to_hz

FRONT_END_WORDS = {"audio_fs": "rate_hz", "dt_ms": "bin_ms", "f_min": "f_min_hz", "f_max": "f_max_hz"}
PREFILTER_WORDS = {
    "n_frequency_bands": "bands",
    "dt": "dt_ms",
    "min_freq": "min_freq_hz",
    "max_freq": "max_freq_hz",
    "init_w": "weight",
}
PREFILTER_KINDS = {"AdapTrans": "adaptrans", "ICAdaptation": "icadaptation"}
ACTIVATION_WORDS = {"num_features": "units", "non_negative_output": "non_negative"}
ACTIVATION_KINDS = {
    "ParametricSoftplus": "parametric_softplus",
    "ParametricSigmoid": "parametric_sigmoid",
    "ParametricDoubleExponential": "parametric_double_exponential",
    "nn.Softplus": "softplus",
    "nn.ReLU": "relu",
    "nn.Sigmoid": "sigmoid",
    "nn.Tanh": "tanh",
    "nn.ELU": "elu",
    "nn.LeakyReLU": "leaky_relu",
    "nn.GELU": "gelu",
    "nn.SiLU": "silu",
    "nn.Identity": "identity",
}
KERNEL_WORDS = {"F": "bands", "T": "frames", "C_in": "channels_in", "C_out": "channels_out"}
KERNEL_KINDS = {"ParametricSTRF": "dcls", "SeparableSTRF": "separable"}
FRONT_END_DEFECTS: dict[str, dict[str, Any]] = {
    "mel": {"deepstrf_bins": True},
    "gammatone": {"time_reversed": True, "deepstrf_gain": True},
}

# Where a bin only sets decays that the weights replace.
NO_BIN_MS = 5.0

# Of a model that takes spectrograms, whose files say nothing of sound.
SPECTROGRAM_CLOCK = (48000, 240)


def in_our_words(args: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
    """Return arguments under our names for them, without the kind."""
    return {words.get(name, name): value for name, value in args.items() if name != "kind"}


def rounded_hop(rate_hz: float, bin_ms: float) -> int:
    """Return the samples that deepSTRF takes for a bin, whole or not (halves to the even neighbour).

    Examples
    --------
    >>> rounded_hop(44100, 5.0)
    220
    """
    return max(1, round(rate_hz * bin_ms / 1000))


def front_end_slot(args: dict[str, Any]) -> Slot:
    """Return what stands in a sidecar for the arguments of ``make_wav2spec``, `kind` among them."""
    kind = args["kind"].lower()
    options = in_our_words(args, FRONT_END_WORDS)
    options["hop_samples"] = rounded_hop(args["audio_fs"], args["dt_ms"])
    return Slot(kind, {**options, **FRONT_END_DEFECTS.get(kind, {})})


def prefilter_slot(args: dict[str, Any], factory: str = "make_prefiltering") -> Slot:
    """Return what stands in a sidecar for a prefilter.

    Parameters
    ----------
    args : dict
        Arguments of the factory; of ``make_prefiltering`` `kind` is among them.
    factory : {"make_prefiltering", "AdapTrans", "ICAdaptation"}
        A class is given its decays. The weights hold them, so of these only their number stands in the slot.
    """
    if factory in PREFILTER_KINDS:
        learns = {"learnable": args["learnable"]} if "learnable" in args else {}
        sizes = {"bands": len(args["init_a_vals"]), "dt_ms": NO_BIN_MS, "kernel_frames": args.get("kernel_size", 2)}
        return Slot(PREFILTER_KINDS[factory], {**sizes, **learns})
    kind = {"willmore": "icadaptation"}.get(args["kind"].lower(), args["kind"].lower())
    options = in_our_words(args, PREFILTER_WORDS)
    dropped = set() if kind == "adaptrans" else {"learnable", "weight"}
    options["kernel_frames"] = prefilter_taps(
        args["n_frequency_bands"], args.get("min_freq", 500.0), args.get("max_freq", 20000.0)
    )
    return Slot(kind, {name: value for name, value in options.items() if name not in dropped})


def prefilter_taps(bands: int, min_freq_hz: float, max_freq_hz: float) -> int:
    """Return the taps K of ``make_prefiltering``: three of the longest time constant, in ms, counted as frames.

    Examples
    --------
    >>> prefilter_taps(34, 500.0, 20000.0)
    651
    """
    spaced_mel = np.linspace(float(hz_to_mel(min_freq_hz)), float(hz_to_mel(max_freq_hz)), bands)
    return round(3 * float(time_constants_ms(mel_to_hz(spaced_mel)).max())) + 1


def activation_slot(name: str, args: dict[str, Any]) -> Slot:
    """Return what stands in a sidecar for an activation; the number of units comes from the model."""
    options = in_our_words(args, ACTIVATION_WORDS)
    options.pop("units", None)
    return Slot(ACTIVATION_KINDS[name], options)


def kernel_slot(name: str, args: dict[str, Any]) -> Slot:
    """Return what stands in a sidecar for a kernel."""
    return Slot(KERNEL_KINDS[name], in_our_words(args, KERNEL_WORDS))


def core_options(config: dict[str, Any], max_frames: int | None = None) -> dict[str, Any]:
    """Return the constructor's arguments that deepSTRF has not, for a model of its config.json.

    Parameters
    ----------
    config : dict
        With ``_model_class``.
    max_frames : int, optional
        Bound for a Transformer whose context is unlimited.
    """
    if config["_model_class"] == "ICNet":
        return {"hop_samples": rounded_hop(config["audio_fs"], config.get("dt_ms", 5.0))}
    if config["_model_class"] == "Transformer" and (config.get("context_window") or 0) < 1 and max_frames is not None:
        return {"max_frames": max_frames}
    return {}


def make_sidecar(
    name: str,
    config: dict[str, Any],
    units: int,
    *,
    wav2spec: Slot | None = None,
    prefiltering: Slot | None = None,
    output_activation: Slot | None = None,
    kernel: Slot | None = None,
    bin_ms: float | None = None,
    hz_per_response: float = 1.0,
    max_frames: int | None = None,
) -> Sidecar:
    """Return the sidecar of a deepSTRF checkpoint, whose clock is that of its front-end.

    Parameters
    ----------
    name : str
    config : dict
        With ``_model_class``.
    units : int
        Units N; they are named by their number.
    wav2spec, prefiltering, output_activation, kernel : Slot, optional
    bin_ms : float, optional
        Bin of a model without a front-end; 5 ms by default.
    hz_per_response : float
    max_frames : int, optional
        As for `core_options`.

    Raises
    ------
    CheckpointError
        If the model is an ICNet whose config.json names no sample rate.
    """
    if wav2spec is not None:
        rate_hz, hop = wav2spec.options["rate_hz"], wav2spec.options["hop_samples"]
    elif config["_model_class"] == "ICNet":
        if "audio_fs" not in config:
            raise CheckpointError("the config.json of an ICNet names no audio_fs", remedy="add its sample rate there")
        rate_hz, hop = config["audio_fs"], rounded_hop(config["audio_fs"], config.get("dt_ms", 5.0))
    elif bin_ms is not None:
        rate_hz, hop = SPECTROGRAM_CLOCK[0], rounded_hop(SPECTROGRAM_CLOCK[0], bin_ms)
    else:
        rate_hz, hop = SPECTROGRAM_CLOCK
    return Sidecar(
        name=name,
        sample_rate_hz=rate_hz,
        hop_samples=hop,
        bin_ms=1000 * hop / rate_hz,
        hz_per_response=hz_per_response,
        wav2spec=wav2spec,
        prefiltering=prefiltering,
        output_activation=output_activation,
        units=tuple(Unit(str(n)) for n in range(units)),
        kernel=kernel,
        core=core_options(config, max_frames),
    )
