"""What the weights of a deepSTRF checkpoint tell of its modules: their kinds from the keys, some sizes from the shapes.

What they do not tell is left to the user: nothing here has a default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from rtstrf.errors import CheckpointError

Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Part:
    """A module that the weights show, in deepSTRF's words.

    Attributes
    ----------
    kind : str
        As its factory calls it, or its class.
    options : dict
        The arguments that shapes tell.
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)


def under(weights: Weights, prefix: str) -> Weights:
    """Return the weights below a prefix, without it."""
    return {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}


def front_end(weights: Weights, rate_hz: int | None) -> Part | None:
    """Return the front-end that the weights hold; lengths in ms only where the sample rate is known."""
    own = under(weights, "wav2spec.")
    if not own or "sincnet.low_hz_" in own:  # ICNet's is a part of the model
        return None

    def length(name: str, key: str) -> dict[str, float]:
        return {} if rate_hz is None else {name: 1e3 * own[key].shape[-1] / rate_hz}

    if "_mel_fb" in own:
        return Part("mel", {"n_mels": own["_mel_fb"].shape[1], **length("win_ms", "_window")})
    if "_kernels" in own:
        return Part("gammatone", {"n_filters": own["_kernels"].shape[0], **length("kernel_ms", "_kernels")})
    if "a_coeffs" in own:
        return Part("gammatonegram", {"n_filters": own["a_coeffs"].shape[0]})
    if "low_hz_" in own:
        return Part("sincnet", {"n_filters": own["low_hz_"].shape[0], "kernel_size": own["_n"].shape[-1]})
    if "gabor_sigma_raw" in own:
        sizes = {**length("kernel_ms", "_n"), **length("pool_ms", "_pool_j")}
        return Part("leaf", {"n_filters": own["gabor_sigma_raw"].shape[0], **sizes})
    raise CheckpointError(
        f"the weights hold a front-end that is not known by its keys: {', '.join(sorted(own))}",
        remedy="rtstrf streams deepSTRF's mel, gammatone, gammatonegram, sincnet and leaf",
    )


def prefilter(weights: Weights) -> Part | None:
    """Return the prefilter that the weights hold."""
    own = under(weights, "prefiltering.")
    if not own:
        return None
    for kind, key in (("adaptrans", "p"), ("icadaptation", "a")):
        if key in own:
            return Part(kind, {"n_frequency_bands": own[key].shape[0]})
    raise CheckpointError(
        f"the weights hold a prefilter that is not known by its keys: {', '.join(sorted(own))}",
        remedy="rtstrf streams deepSTRF's AdapTrans and ICAdaptation",
    )


def activation(weights: Weights) -> Part | None:
    """Return the output activation, where it has weights."""
    own = under(weights, "readout.activation.")
    if not own:
        return None
    if "_raw_beta" in own:
        return Part("parametric_softplus")
    bias = {"bias": {"c": "_raw_a", "k": "_raw_b"}["c" if "c" in own else "k"] in own}
    if {"c", "d"} <= own.keys():
        return Part("parametric_sigmoid", bias)
    if {"k", "s"} <= own.keys():
        return Part("parametric_double_exponential", bias)
    raise CheckpointError(
        f"the weights hold an activation that is not known by its keys: {', '.join(sorted(own))}",
        remedy="rtstrf streams deepSTRF's ParametricSoftplus, ParametricSigmoid and ParametricDoubleExponential",
    )


def kernel(weights: Weights, bands: int, frames: int) -> Part | None:
    """Return the kernel of the receptive fields, where it is not free; the grid's size is the model's."""
    for prefix in ("readout.strf.kernel.", "core.0.kernel."):
        own = under(weights, prefix)
        if "P" in own:
            _, outputs, inputs, gaussians = own["P"].shape
            sizes = {"F": bands, "T": frames, "C_in": inputs, "C_out": outputs}
            return Part("ParametricSTRF", {**sizes, "num_gaussians": gaussians, "bias": "bias" in own})
        if "weight_f" in own:
            outputs, inputs = own["weight_f"].shape[:2]
            sizes = {"F": bands, "T": frames, "C_in": inputs, "C_out": outputs}
            return Part("SeparableSTRF", {**sizes, "bias": "bias" in own})
        if own and "weight" not in own:
            raise CheckpointError(
                f"the weights hold a kernel that is not known by its keys: {', '.join(sorted(own))}",
                remedy="rtstrf loads free, ParametricSTRF and SeparableSTRF kernels",
            )
    return None


def units(weights: Weights) -> int | None:
    """Return the number of outputs, from the readout's bias."""
    for key in ("readout.fc.2.bias", "readout.fc.bias", "readout.bn.bias", "decoder.bias", "readout.bias"):
        if key in weights:
            return weights[key].shape[0]
    return None
