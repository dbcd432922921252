"""The `model` section of a recipe: a model class of the zoo, its own options, and what it hears through.

The keys of each class are arguments of its constructor; what a constructor is not told here follows from the front-end
and the recordings.
"""

from __future__ import annotations

import typing
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag


class Section(BaseModel):
    """A part of a recipe: unknown keys are errors, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SlotConfig(Section):
    """A stage or part of a model, by its kind."""

    kind: str = Field(description="Which, such as mel or adaptrans.")
    options: dict[str, Any] = Field(default_factory=dict, description="Its own options.")


class ModelConfig(Section):
    """The network and what it hears through."""

    # Of the keys below, those that are no arguments of the model's own constructor.
    AROUND: ClassVar[tuple[str, ...]] = (
        "kind",
        "sample_rate_hz",
        "wav2spec",
        "prefiltering",
        "kernel",
        "beta",
        "baseline",
        "token_gain",
    )

    kind: str = Field(description="Class of the model.")
    sample_rate_hz: int = Field(
        default=48000, gt=0, description="Rate at which the model hears; sounds are resampled to it."
    )
    wav2spec: SlotConfig = Field(
        default_factory=lambda: SlotConfig(kind="mel"),
        description="Front-end; rate and bin are added to its options.",
    )
    prefiltering: SlotConfig | None = Field(
        default=None, description="Adaptation between front-end and network; bands and bin are added to its options."
    )
    beta: float = Field(default=5.0, gt=0, description="Initial sharpness of the output's softplus.")
    baseline: float = Field(default=0.01, gt=0, description="Initial output without drive.")

    def options(self) -> dict[str, Any]:
        """Return the arguments of the model's constructor that the recipe gives."""
        return {name: value for name, value in self if name not in self.AROUND}


class StateNetConfig(ModelConfig):
    """A recurrent network behind an encoder over frequency."""

    kind: Literal["StateNet"] = Field(default="StateNet", description="Class of the model.")
    rnn_type: Literal["GRU", "LSTM", "RNN", "LMU", "Mamba", "S4"] = Field(
        default="GRU", description="Cell of the recurrent layer."
    )
    connectivity: Literal["LC", "FC", "CONV"] = Field(default="LC", description="Encoder over frequency.")
    hidden_channels: int = Field(default=14, gt=0, description="Channels at each place of the encoder.")
    kernel_size: int = Field(default=7, gt=0, description="Bands that a place sees.")
    stride: int = Field(default=3, gt=0, description="Bands from one place to the next.")


class FieldsConfig(ModelConfig):
    """What models with explicit receptive fields share."""

    temporal_window_size: int = Field(
        default=9, gt=0, description="Bins of the receptive fields, the current one included."
    )
    kernel: SlotConfig | None = Field(
        default=None,
        description="How the receptive fields are written down, dcls or separable; none for free weights. Sizes are "
        "added to its options.",
    )


class LinearNonlinearConfig(FieldsConfig):
    """A receptive field and a nonlinearity for each unit."""

    kind: Literal["LinearNonlinear"] = Field(description="Class of the model.")


class HiddenFieldsConfig(FieldsConfig):
    """What models whose hidden units have receptive fields share."""

    n_hidden: int = Field(default=20, gt=0, description="Hidden units.")


class NetworkReceptiveFieldConfig(HiddenFieldsConfig):
    """A network with a layer of hidden units that have receptive fields."""

    kind: Literal["NetworkReceptiveField"] = Field(description="Class of the model.")


class DNetConfig(HiddenFieldsConfig):
    """A network with a layer of hidden units that have receptive fields and fade with time constants of their own."""

    kind: Literal["DNet"] = Field(description="Class of the model.")
    init_tau: float = Field(
        default=2.0,
        gt=1,
        description="Initial time constant in bins; what is older than 7 times that is forgotten, for good.",
    )
    decay_input: bool = Field(default=True, description="Scale the sum over the past so that a steady input stays.")


class ConvNet2DConfig(ModelConfig):
    """Three layers of convolution over bands and bins."""

    kind: Literal["ConvNet2D"] = Field(description="Class of the model.")
    kernel_size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] = Field(
        default=(3, 9), description="Bands and bins of each convolution."
    )
    c_hidden: int = Field(default=10, gt=0, description="Channels of each convolution.")
    n_hidden: int = Field(default=20, gt=0, description="Units of the dense layer.")


class TransformerConfig(ModelConfig):
    """Attention over a window of the past."""

    kind: Literal["Transformer"] = Field(description="Class of the model.")
    context_window: int = Field(gt=0, description="Bins that a bin sees in each layer, itself included.")
    freq_patch_size: int | None = Field(
        default=None, gt=0, description="Bands of a patch, a divisor of all; none for all of them."
    )
    time_patch_size: int = Field(default=1, gt=0, description="Bins of a patch, the current one last.")
    embedding_dim: int = Field(default=48, gt=0, description="Numbers for each patch.")
    n_heads: int = Field(default=1, gt=0, description="Heads of each layer.")
    n_layers: int = Field(default=1, gt=0, description="Layers.")
    token_gain: float = Field(
        default=1.0, gt=0, description="Factor on the initial weights of the patches: tokens beside their positions."
    )


SECTIONS: dict[str, type[ModelConfig]] = {
    "StateNet": StateNetConfig,
    "DNet": DNetConfig,
    "Transformer": TransformerConfig,
    "LinearNonlinear": LinearNonlinearConfig,
    "NetworkReceptiveField": NetworkReceptiveFieldConfig,
    "ConvNet2D": ConvNet2DConfig,
}


def _kind(section: Any) -> Any:
    """Return the class that a section names; recipes from before there was a choice name none."""
    return section.get("kind", "StateNet") if isinstance(section, dict) else getattr(section, "kind", None)


if typing.TYPE_CHECKING:
    AnyModel = ModelConfig  # which classes there are is known only when this runs
else:
    AnyModel = Annotated[
        typing.Union[tuple(Annotated[section, Tag(kind)] for kind, section in SECTIONS.items())],  # noqa: UP007
        Discriminator(
            _kind,
            custom_error_type="model_kind",
            custom_error_message=f"kind should be one of {', '.join(SECTIONS)}",
        ),
    ]
