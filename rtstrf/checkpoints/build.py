"""From the words of a checkpoint to a module: the model class and what fills its slots."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from typing import Any

from torch import nn

from rtstrf.checkpoints.sidecar import Sidecar, Slot
from rtstrf.errors import CheckpointError, ConfigError
from rtstrf.models.activations import ParametricDoubleExponential, ParametricSigmoid, ParametricSoftplus
from rtstrf.models.convnet2d import ConvNet2D
from rtstrf.models.dnet import DNet
from rtstrf.models.icnet import ICNet
from rtstrf.models.kernels import make_kernel
from rtstrf.models.linear import Linear, LinearNonlinear
from rtstrf.models.model import AuditoryModel
from rtstrf.models.nrf import NetworkReceptiveField
from rtstrf.models.statenet import StateNet
from rtstrf.models.transformer import Transformer
from rtstrf.plugins import has_plugin, load_plugin
from rtstrf.prefilter.make import make_prefiltering
from rtstrf.spectrogram.make import make_wav2spec

MODEL_CLASSES: dict[str, Callable[..., AuditoryModel]] = {
    "Linear": Linear,
    "LinearNonlinear": LinearNonlinear,
    "NetworkReceptiveField": NetworkReceptiveField,
    "DNet": DNet,
    "ConvNet2D": ConvNet2D,
    "StateNet": StateNet,
    "Transformer": Transformer,
    "ICNet": ICNet,
}

ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "parametric_softplus": ParametricSoftplus,
    "parametric_sigmoid": ParametricSigmoid,
    "parametric_double_exponential": ParametricDoubleExponential,
    "softplus": nn.Softplus,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "identity": nn.Identity,
}

# Arguments that deepSTRF's config.json holds as null, or not at all, and a sidecar fills.
SLOTS = ("wav2spec", "prefiltering", "output_activation", "kernel")


def build_model(model_class: str, options: dict[str, Any], sidecar: Sidecar) -> AuditoryModel:
    """Build the untrained model that a checkpoint describes.

    Raises
    ------
    CheckpointError
        If the class, an option or a slot is unknown, or they contradict one another.
    """
    if model_class in MODEL_CLASSES:
        make = MODEL_CLASSES[model_class]
    elif has_plugin("rtstrf.models", model_class):
        make = load_plugin("rtstrf.models", model_class)
    else:
        raise CheckpointError(
            f"model class {model_class!r} is not one that rtstrf streams",
            remedy=f"one of {', '.join(MODEL_CLASSES)}, or install the plugin that brings it",
        )
    try:
        # Not every model has every slot, so only those that are named are handed over.
        return make(
            **{name: value for name, value in options.items() if name not in SLOTS},
            **sidecar.core,
            **make_slots(sidecar, int(options.get("out_neurons", 1))),
        )
    except ConfigError as error:
        raise CheckpointError(
            f"the options of {model_class} do not fit: {error.what}",
            remedy=f"in config.json or stream.json: {error.remedy}",
        ) from error
    # What torch and Python say of a number or a type that cannot be, which does not name the option.
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        given = {name: value for name, value in options.items() if name not in SLOTS} | sidecar.core
        for slot in SLOTS:
            part = getattr(sidecar, slot)
            given |= {f"{slot}.{name}": value for name, value in part.options.items()} if part is not None else {}
        told = ", ".join(f"{name}={reprlib.repr(value)}" for name, value in given.items())
        raise CheckpointError(
            f"the options of {model_class} do not fit ({told}): {error or type(error).__name__}",
            remedy="correct config.json or stream.json",
        ) from error


def make_slots(sidecar: Sidecar, units: int) -> dict[str, nn.Module]:
    """Build the modules that a sidecar names, by the constructor's names for them."""
    made: dict[str, nn.Module] = {}
    if sidecar.wav2spec:
        made["wav2spec"] = make_wav2spec(sidecar.wav2spec.kind, **sidecar.wav2spec.options)
    if sidecar.prefiltering:
        made["prefiltering"] = make_prefiltering(sidecar.prefiltering.kind, **sidecar.prefiltering.options)
    if sidecar.kernel:
        made["kernel"] = make_kernel(sidecar.kernel.kind, **sidecar.kernel.options)
    activation = make_activation(sidecar.output_activation, units)
    return made if activation is None else {**made, "output_activation": activation}


def make_activation(slot: Slot | None, units: int) -> nn.Module | None:
    """Build an output activation by name; None for the model's default."""
    if slot is None:
        return None
    if slot.kind not in ACTIVATIONS:
        raise ConfigError(f"unknown activation {slot.kind!r}", remedy=f"one of {', '.join(ACTIVATIONS)}")
    per_unit = slot.kind.startswith("parametric")
    return ACTIVATIONS[slot.kind](units, **slot.options) if per_unit else ACTIVATIONS[slot.kind](**slot.options)
