"""The contract everything rests on: a stage is a module whose state is an argument.

    state        = stage.initial_state(streams)     # nested dict of tensors, stream axis = dim 0 of every leaf
    y, new_state = stage.step(x, state)             # any number of frames >= 1; the state given is consumed
    y            = stage(x)                         # = step(x, initial_state(B))[0]: the offline and training call

Offline is one big step: there is no streaming flag, no second method and nothing hidden on the module. So
what is proved of `step` for every way of cutting the sound holds for the fitted, the replayed and the live model.

What a stage promises, and `tests/test_guarantees.py` holds it to:

- leaves of the state keep shape, dtype and device for ever; counters are int64; start-up is decided per stream;
- the new state shares no memory with the one given, which may be overwritten at once;
- frame t depends on nothing after frame t, and no stream on another, not even through a NaN.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rtstrf.errors import StreamError

# A nested dict whose leaves are tensors with the stream axis first. Stages without memory have {}.
State = dict[str, Any]


class SingleUseState(dict[str, Any]):
    """A state that is refused once it has been stepped from.

    A whole model hands out states of this kind, because a loop that forgets to keep the new state would go on from the
    old one, with wrong numbers and no error. Single stages do not look: a runner, which steps them for every hop, owns
    its state. What the functions of this module make of it (`clone`, `select`, `stack`, `where`) is a plain dict, which
    may be stepped from as often as one likes.

    Examples
    --------
    >>> state = SingleUseState(past=torch.zeros(1, 3))
    >>> state.use()
    >>> state.use()
    Traceback (most recent call last):
    rtstrf.errors.StreamError: a state that was stepped from before
      -> step from the state that the last step returned; to go on from one state twice, step from clone(state)
    """

    used = False

    def use(self) -> None:
        """Note that the state has been stepped from.

        Raises
        ------
        StreamError
            If it was before.
        """
        if self.used:
            raise StreamError(
                "a state that was stepped from before",
                remedy="step from the state that the last step returned; to go on from one state twice, step from "
                "clone(state)",
            )
        self.used = True


@dataclass(frozen=True, slots=True)
class Delay:
    """What one stage adds between a sound and its rates, apart from computing.

    Attributes
    ----------
    stage : str
        The stage, as a person would name it.
    wait_ms : float
        How long the stage waits, at most, for sound after the one it reports on (framing, filter look-ahead).
    group_delay_ms : float
        How far the centre of its window lies behind the end of the bin; part of the model, not of the machine.
    """

    stage: str
    wait_ms: float = 0.0
    group_delay_ms: float = 0.0


class StreamModule(nn.Module, ABC):
    """A stage of the journey: a module with explicit state.

    Time is the last axis of what goes in and what comes out. `samples_per_frame` steps of the input axis make one
    frame of the output: the hop for a front-end that takes a waveform, 1 for everything after it.
    """

    samples_per_frame: int = 1

    @abstractmethod
    def initial_state(self, streams: int) -> State:
        """Return the state of `streams` streams before their first frame."""

    @abstractmethod
    def step(self, x: Any, state: State) -> tuple[Any, State]:
        """Advance every stream by the frames of `x`; the state given is consumed."""

    @abstractmethod
    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        """Return the shape of an input that yields `frames` frames for `streams` streams."""

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        """Return small instances by name, with random weights; the guarantees are proved on each of them."""
        return {}

    def delays(self) -> list[Delay]:
        """Return what the stage adds between sound and rates; nothing unless it says otherwise."""
        return []

    def forward(self, x: Any) -> Any:
        """Return the output for whole streams from their start: one big step."""
        return self.step(x, self.initial_state(x.shape[0]))[0]


class Stateless(StreamModule):
    """A stage that looks at one frame at a time: subclasses define `apply_frames`, and have no state."""

    @abstractmethod
    def apply_frames(self, x: Tensor) -> Tensor:
        """Return the output frames for the input frames; time is the last axis of both."""

    def initial_state(self, streams: int) -> State:
        return {}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return self.apply_frames(x), {}


class Identity(Stateless):
    """A slot left empty: what goes in comes out."""

    def __init__(self, shape: tuple[int, ...] = (1, 34)) -> None:
        super().__init__()
        self.shape = shape

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"identity": lambda: cls((1, 5))}

    def apply_frames(self, x: Tensor) -> Tensor:
        return x.clone()

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, *self.shape, frames)


class Chain(StreamModule):
    """Stages one after another, each under a name that its state and its weights carry.

    Parameters
    ----------
    stages : mapping of str to StreamModule
        In the order of the journey; at least one. Each becomes an attribute of the chain, so that the keys of its
        weights are ``<name>.<key>``.

    Examples
    --------
    >>> import torch
    >>> from rtstrf.spectrogram.mel import MelSpectrogram
    >>> from rtstrf.prefilter.adaptrans import AdapTrans
    >>> chain = Chain({"wav2spec": MelSpectrogram(48000, 5.0), "prefiltering": AdapTrans.for_bands(34, dt_ms=5.0)})
    >>> chain(torch.zeros(1, 1, 480)).shape
    torch.Size([1, 2, 34, 2])
    """

    def __init__(self, stages: Mapping[str, StreamModule]) -> None:
        super().__init__()
        if not stages:
            raise StreamError("a chain of no stages", remedy="give at least one stage")
        self.stage_names = tuple(stages)
        for name, stage in stages.items():
            self.add_module(name, stage)

    @classmethod
    def examples(cls) -> dict[str, Callable[[], StreamModule]]:
        return {"two-identities": lambda: cls({"a": Identity((1, 4)), "b": Identity((1, 4))})}

    def stages(self) -> Iterator[tuple[str, StreamModule]]:
        """Yield the stages in order, with their names."""
        for name in self.stage_names:
            yield name, getattr(self, name)

    @property
    def samples_per_frame(self) -> int:  # type: ignore[override]
        product = 1
        for _, stage in self.stages():
            product *= stage.samples_per_frame
        return product

    def initial_state(self, streams: int) -> State:
        return {name: stage.initial_state(streams) for name, stage in self.stages()}

    def step(self, x: Any, state: State) -> tuple[Any, State]:
        new_state: State = {}
        for name, stage in self.stages():
            x, new_state[name] = stage.step(x, state[name])
        return x, new_state

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        first = getattr(self, self.stage_names[0])
        return first.input_shape(streams, frames * self.samples_per_frame // first.samples_per_frame)

    def delays(self) -> list[Delay]:
        return [delay for _, stage in self.stages() for delay in stage.delays()]


# ---- the algebra of states: one-line tree maps, because the stream axis is always dim 0 -------------------------


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply `function` to corresponding leaves of nested dicts."""
    if isinstance(tree, dict):
        return {key: tree_map(function, value, *(other[key] for other in others)) for key, value in tree.items()}
    return function(tree, *others)


def leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield (path, leaf) of a nested dict, in order; paths are joined with '/'."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{prefix}/{key}" if prefix else key)
    else:
        yield prefix, tree


def from_leaves(pairs: Iterable[tuple[str, Tensor]], like: State) -> State:
    """Rebuild the nested dict `like` with other leaves; the inverse of `leaves`."""
    table = dict(pairs)

    def build(tree: Any, prefix: str) -> Any:
        if isinstance(tree, dict):
            return {key: build(value, f"{prefix}/{key}" if prefix else key) for key, value in tree.items()}
        return table[prefix]

    return build(like, "")


def clone(state: State) -> State:
    """Return a copy that shares no memory."""
    return tree_map(torch.clone, state)


def select(state: State, streams: Any) -> State:
    """Return a copy of the states of some streams, in the order given (indices or a boolean mask)."""
    return tree_map(lambda leaf: leaf[torch.as_tensor(streams, device=leaf.device)].clone(), state)


def stack(states: list[State]) -> State:
    """Return one state of all the streams of several, in order."""
    return tree_map(lambda *parts: torch.cat(parts), *states)


def where(mask: Tensor, yes: State, no: State) -> State:
    """Return, stream by stream, `yes` where the mask holds and `no` elsewhere; a NaN does not cross."""
    return tree_map(lambda a, b: torch.where(per_stream(mask, a), a, b), yes, no)


def per_stream(flag: Tensor, like: Tensor) -> Tensor:
    """Shape a (streams,) flag so that it broadcasts over `like`: (B,) -> (B, 1, ..., 1)."""
    return flag.reshape(-1, *(1,) * (like.ndim - 1))


def size_bytes(state: State, streams: int) -> int:
    """Return the bytes of state that one stream holds."""
    return sum(leaf.numel() * leaf.element_size() for _, leaf in leaves(state)) // max(streams, 1)
