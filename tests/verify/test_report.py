"""The guarantees of a model as measured, and that a model which breaks one is found out."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.errors import ConfigError, SoundError
from rtstrf.stream import State, StreamModule
from rtstrf.verify.report import LANES, company, verify
from tests.support.models import HOP_SAMPLES, RATE_HZ, tiny_loaded
from tests.support.sounds import ArraySource, bursts


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return tiny_loaded(tmp_path_factory.mktemp("models") / "tiny")


def measured(loaded: LoadedModel, seconds: float = 0.4, rate_hz: int = RATE_HZ) -> dict[str, Any]:
    return verify(loaded, ArraySource(bursts(rate_hz, rate_hz), rate_hz), seconds=seconds)


def broken(result: dict[str, Any]) -> set[str]:
    return {guarantee["id"] for guarantee in result["guarantees"] if not guarantee["passed"]}


def test_a_sound_model_passes_with_figures_within_their_bounds(loaded: LoadedModel) -> None:
    result = measured(loaded)
    assert result["passed"]
    assert not broken(result)
    assert [g["id"] for g in result["guarantees"]] == ["G0", "G1", "G1", "G2", "G2", "causal"]
    for guarantee in result["guarantees"]:
        assert 0 <= guarantee["measured"] <= guarantee["bound"]
        assert guarantee["promise"]
    assert list(result["blocks_sha256"]) == ["1", "7", "240", "4096", "random"]
    assert len(set(result["blocks_sha256"].values())) == 1


def test_the_result_says_of_what_and_with_what(loaded: LoadedModel) -> None:
    result = json.loads(json.dumps(measured(loaded), allow_nan=False))
    assert result["weights_sha256"] == loaded.weights_sha256
    assert result["bins"] == 80
    assert result["sound_s"] == 0.4
    assert result["machine"]["torch"] == torch.__version__


def test_sound_at_another_rate_is_resampled(loaded: LoadedModel) -> None:
    assert measured(loaded, rate_hz=44100)["bins"] == 80
    assert measured(loaded, rate_hz=8000)["passed"]


class Flawed(StreamModule):
    """A prefilter with a flaw, in the place of the model's own."""

    out_channels = 2

    def __init__(self, inner: StreamModule) -> None:
        super().__init__()
        self.inner = inner

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return self.inner.input_shape(streams, frames)

    def initial_state(self, streams: int) -> State:
        return self.inner.initial_state(streams)

    def step(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        return self.inner.step(x, state)


class Forgets(Flawed):
    def step(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        return self.inner.step(x, self.inner.initial_state(x.shape[0]))


class LooksAhead(Flawed):
    def step(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        y, new = self.inner.step(x, state)
        return y + 0.1 * torch.cat([y[..., 1:], y[..., -1:]], dim=-1), new


class MixesStreams(Flawed):
    def step(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        return self.inner.step(x + 0.01 * x.mean(dim=0, keepdim=True), state)


class CountsOnItself(Flawed):
    """What it gives depends on how often it was called, as with a state hidden on the module."""

    def __init__(self, inner: StreamModule) -> None:
        super().__init__(inner)
        self.calls = [0]  # shared by copies

    def __deepcopy__(self, memo: dict[int, Any]) -> CountsOnItself:
        other = CountsOnItself(copy.deepcopy(self.inner, memo))
        other.calls = self.calls
        return other

    def step(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        self.calls[0] += 1
        y, new = self.inner.step(x, state)
        return y + 1e-3 * self.calls[0], new


@pytest.mark.parametrize(
    ("flaw", "found"),
    [(Forgets, "G1"), (LooksAhead, "causal"), (MixesStreams, "G2"), (CountsOnItself, "G0")],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_flaw_is_found(loaded: LoadedModel, flaw: Callable[[StreamModule], StreamModule], found: str) -> None:
    model = copy.deepcopy(loaded.model)
    model.prefiltering = flaw(model.prefilter)
    result = measured(dataclasses.replace(loaded, model=model))
    assert not result["passed"]
    assert found in broken(result)
    json.dumps(result, allow_nan=False)


def test_the_lanes_of_a_batch_hear_different_sounds() -> None:
    heard = torch.from_numpy(bursts(40 * HOP_SAMPLES, RATE_HZ)).reshape(1, 1, -1)
    lanes = company(heard)
    assert lanes.shape == (LANES, 1, 40 * HOP_SAMPLES)
    assert torch.equal(lanes[:1], heard)
    assert len({float(lane.abs().sum()) for lane in lanes}) == LANES


@pytest.mark.parametrize("samples", [0, 1, 19 * HOP_SAMPLES])
def test_too_little_sound_is_an_error_that_says_how_much_it_takes(loaded: LoadedModel, samples: int) -> None:
    with pytest.raises(SoundError, match=r"too few to verify with\n  -> give at least 20 bins \(0.1 s\)"):
        verify(loaded, ArraySource(np.zeros(samples), RATE_HZ))


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_length_that_is_no_length_is_an_error(loaded: LoadedModel, seconds: float) -> None:
    with pytest.raises(ConfigError, match="seconds of sound"):
        measured(loaded, seconds)


def test_what_is_about_to_be_measured_is_told(loaded: LoadedModel) -> None:
    told: list[str] = []
    verify(loaded, ArraySource(bursts(RATE_HZ, RATE_HZ), RATE_HZ), seconds=0.2, on_check=told.append)
    assert [words[:2] for words in told] == ["G0", "G1", "G1", "G2", "G2", "ca"]
