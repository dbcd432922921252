"""Stages with one realistic mistake each, and which checks find it: the suite is worth what it finds in them.

Each is a small causal filter y_t = x_t + 0.5 x_{t-1} + 0.25 x_{t-2}, right but for what its name says.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rtstrf.stream import State, StreamModule, per_stream

BANDS = 3


class Healthy(StreamModule):
    """The filter as it should be, with replicate start: what the mutants are mutants of."""

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, BANDS, frames)

    def initial_state(self, streams: int) -> State:
        return {
            "past": torch.zeros(streams, BANDS, 2, dtype=torch.get_default_dtype()),
            "started": torch.zeros(streams, dtype=torch.bool),
            "t": torch.zeros(streams, dtype=torch.int64),
        }

    def past(self, x: Tensor, state: State) -> Tensor:
        past = state["past"].to(x.dtype)
        return torch.where(per_stream(state["started"], past), past, x[..., :1])

    def wave(self, t: Tensor) -> Tensor:
        """A rhythm from the absolute frame, as a positional encoding has."""
        return torch.sin(0.3 * t.double())

    def filtered(self, joined: Tensor, frames: int) -> Tensor:
        n = frames
        return joined[..., 2 : 2 + n] + 0.5 * joined[..., 1 : 1 + n] + 0.25 * joined[..., :n]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        frames = x.shape[-1]
        joined = torch.cat([self.past(x, state), x], dim=-1)
        t = state["t"].unsqueeze(-1) + torch.arange(frames)  # (B, T)
        y = self.filtered(joined, frames) + self.wave(t).unsqueeze(1).to(x.dtype)
        return y, self.after(joined, state, frames)

    def after(self, joined: Tensor, state: State, frames: int) -> State:
        kept = joined[..., joined.shape[-1] - 2 :].clone()
        return {"past": kept, "started": torch.ones_like(state["started"]), "t": state["t"] + frames}


class StateDropped(Healthy):
    def after(self, joined: Tensor, state: State, frames: int) -> State:
        return {**super().after(joined, state, frames), "past": torch.zeros_like(joined[..., :2])}


class RingOneTooSmall(Healthy):
    def after(self, joined: Tensor, state: State, frames: int) -> State:
        new = super().after(joined, state, frames)
        new["past"][..., 0] = new["past"][..., 1]  # only the last frame was really kept
        return new


class SharedStarted(Healthy):
    def past(self, x: Tensor, state: State) -> Tensor:
        past = state["past"].to(x.dtype)
        return past if bool(state["started"].any()) else x[..., :1].expand_as(past)


class PaddingEachChunk(Healthy):
    def past(self, x: Tensor, state: State) -> Tensor:
        return x[..., :1].expand(-1, -1, 2)


class NormEachChunk(Healthy):
    def filtered(self, joined: Tensor, frames: int) -> Tensor:
        y = super().filtered(joined, frames)
        return y - y.mean(dim=-1, keepdim=True)


class LookAhead(Healthy):
    def filtered(self, joined: Tensor, frames: int) -> Tensor:
        y = super().filtered(joined, frames)
        return y + 0.1 * torch.cat([y[..., 1:], y[..., -1:]], dim=-1)


class PositionOnHost(Healthy):
    def __init__(self) -> None:
        super().__init__()
        self.at = 0

    def initial_state(self, streams: int) -> State:
        self.at = 0
        return super().initial_state(streams)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        y, new = super().step(x, {**state, "t": torch.full_like(state["t"], self.at)})
        self.at += x.shape[-1]
        return y, new


class NanThroughMultiply(Healthy):
    """Keeps streams apart by multiplying with zero, which a NaN survives."""

    def filtered(self, joined: Tensor, frames: int) -> Tensor:
        streams = joined.shape[0]
        mixed = torch.einsum("ij,jft->ift", torch.eye(streams, dtype=joined.dtype), joined)
        return super().filtered(mixed, frames)


class StateAliased(Healthy):
    """Hands the consumed state's own memory on, so that overwriting it corrupts the stream."""

    def after(self, joined: Tensor, state: State, frames: int) -> State:
        kept = state["past"]
        kept.copy_(joined[..., joined.shape[-1] - 2 :])
        return {**super().after(joined, state, frames), "past": kept}


class UnrolledByFour(Healthy):
    """Takes four frames at a time, and begins anew where three remain."""

    def past(self, x: Tensor, state: State) -> Tensor:
        past = super().past(x, state)
        return x[..., :1].expand_as(past) if x.shape[-1] % 4 == 3 else past


class HistoryOnHost(Healthy):
    """Keeps the past in the module, by a number that the state holds, so that a snapshot lacks it."""

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[tuple[int, int], Tensor] = {}
        self.streams = 0

    def initial_state(self, streams: int) -> State:
        numbers = self.streams + torch.arange(streams)
        self.streams += streams
        return {**super().initial_state(streams), "number": numbers}

    def keys(self, state: State) -> list[tuple[int, int]]:
        return list(zip(state["number"].tolist(), state["t"].tolist(), strict=True))

    def past(self, x: Tensor, state: State) -> Tensor:
        kept = [self.history.get(key, empty) for key, empty in zip(self.keys(state), state["past"], strict=True)]
        return super().past(x, {**state, "past": torch.stack(kept)})

    def after(self, joined: Tensor, state: State, frames: int) -> State:
        new = {**super().after(joined, state, frames), "number": state["number"].clone()}
        self.history.update(zip(self.keys(new), new["past"], strict=True))
        return {**new, "past": torch.zeros_like(new["past"])}


class CommonAverageInStep(Healthy):
    """Takes streams at the same frame for channels of one recording, and subtracts their common average."""

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        y, new = super().step(x, state)
        t = state["t"].unsqueeze(-1) + torch.arange(x.shape[-1])  # (B, T)
        in_step = (t == t[:1]).all(dim=0) & (t[0] >= 2)  # (T,)
        return torch.where(in_step, y + 0.1 * (y.mean(dim=0, keepdim=True) - y), y), new


class FutureTimesZero(Healthy):
    """Masks the next frame by multiplying with zero, which a NaN survives."""

    def filtered(self, joined: Tensor, frames: int) -> Tensor:
        y = super().filtered(joined, frames)
        return y + 0.0 * torch.cat([y[..., 1:], y[..., -1:]], dim=-1)


class CounterOf32Bits(Healthy):
    """Counts frames in 32 bits, which a long stream overflows."""

    def initial_state(self, streams: int) -> State:
        state = super().initial_state(streams)
        return {**state, "t": state["t"].to(torch.int32)}


class PhaseInModelsDtype(Healthy):
    """Counts frames well, and takes the sine of a phase in float32, which no longer tells it from its neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.pace = torch.nn.Buffer(torch.tensor(0.3))

    def wave(self, t: Tensor) -> Tensor:
        return torch.sin(self.pace * t.to(self.pace.dtype))


# Each with the checks that find it: those, and no others.
MUTANTS: dict[type[Healthy], set[str]] = {
    StateDropped: {"chunking", "snapshot", "lanes"},
    RingOneTooSmall: {"chunking", "snapshot", "lanes"},
    SharedStarted: {"lanes"},
    PaddingEachChunk: {"chunking", "snapshot", "lanes"},
    NormEachChunk: {"chunking", "snapshot", "lanes", "future"},
    LookAhead: {"chunking", "snapshot", "lanes", "future"},
    PositionOnHost: {"snapshot", "lanes"},
    NanThroughMultiply: {"snapshot", "lanes"},
    StateAliased: {"chunking", "lanes", "state"},
    UnrolledByFour: {"chunking"},
    HistoryOnHost: {"snapshot"},
    CommonAverageInStep: {"batch"},
    FutureTimesZero: {"future"},
    CounterOf32Bits: {"state"},
    PhaseInModelsDtype: {"age"},
}
