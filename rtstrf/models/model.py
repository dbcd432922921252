"""What every model of the zoo is: named stages from sound, or its spectrogram, to the responses of N units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rtstrf.stream import Chain, Identity, SingleUseState, State, StreamModule


class AuditoryModel(Chain):
    """A chain of named stages that ends in `readout`, and the options that rebuild it.

    The names are the field's slots and the prefixes of the weights: ``wav2spec`` (waveform to spectrogram),
    ``prefiltering`` (adaptation), then the core's own, then ``readout``. A slot left empty is no stage at all, so a
    model without `wav2spec` takes spectrograms.

    States are single-use (`rtstrf.stream.SingleUseState`): one that was stepped from before is a StreamError.

    Attributes
    ----------
    options : dict
        The constructor's JSON-serialisable arguments, as a checkpoint's config.json keeps them.
    out_neurons : int
        Units N.
    config_slots : tuple of str
        The constructor's arguments that take modules, among those that deepSTRF's constructor has too: one left empty
        stands as null in config.json, and another would keep deepSTRF from reading it.
    """

    config_slots: tuple[str, ...] = ("output_activation", "prefiltering", "wav2spec")

    def __init__(
        self,
        core: Mapping[str, StreamModule],
        *,
        wav2spec: StreamModule | None,
        prefiltering: StreamModule | None,
        out_neurons: int,
        options: dict[str, Any],
    ) -> None:
        slots = {"wav2spec": wav2spec, "prefiltering": prefiltering}
        super().__init__({**{name: stage for name, stage in slots.items() if stage is not None}, **core})
        self.options = options
        self.out_neurons = out_neurons

    def initial_state(self, streams: int) -> State:
        return SingleUseState(super().initial_state(streams))

    def step(self, x: Any, state: State) -> tuple[Any, State]:
        if type(state) is not SingleUseState:  # a runner's, which is its own
            return super().step(x, state)
        state.use()
        try:
            y, new_state = super().step(x, state)
        except BaseException:
            state.used = False  # the stages took nothing from it
            raise
        return y, SingleUseState(new_state)

    @property
    def front_end(self) -> StreamModule | None:
        """The stage that turns the waveform into a spectrogram, if the model has one."""
        return getattr(self, "wav2spec", None)

    @property
    def prefilter(self) -> StreamModule:
        """The adaptation stage; the identity where there is none."""
        return getattr(self, "prefiltering", None) or Identity()

    def core_stages(self) -> dict[str, StreamModule]:
        """Return the stages after the prefilter, in order."""
        return {name: stage for name, stage in self.stages() if name not in ("wav2spec", "prefiltering")}

    def weights_to_save(self) -> dict[str, Tensor]:
        """Return the weights as a checkpoint holds them: on the host, by their keys."""
        return {key: value.detach().cpu().contiguous() for key, value in self.state_dict().items()}

    def weights_from(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a checkpoint's weights by the keys of this model, where the two differ."""
        return weights
