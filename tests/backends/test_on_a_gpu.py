"""The CUDA graph on a real GPU: equal to eager there and on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rtstrf.runner import StepRunner
from tests.backends.test_backends import NAMES, assert_same
from tests.support.stages import build, sound, stages

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU that torch can use here")

LANES, HOPS = 5, 24


@pytest.mark.parametrize("lanes", [1, LANES])
@pytest.mark.parametrize("name", NAMES)
def test_a_replayed_graph_equals_eager_on_the_cpu(name: str, lanes: int) -> None:
    module = build(stages()[name], torch.float32)
    wanted, got = StepRunner(module, lanes), StepRunner(module, lanes, device="cuda", backend="auto")
    assert got.backend == "cuda-graph"
    rng = np.random.default_rng(7)
    for number, hop in enumerate(sound(module, lanes, HOPS, torch.float32).split(module.samples_per_frame, dim=-1)):
        active = None if number % 2 else rng.random(lanes) < 0.7
        y, reference = got.step(hop.clone(), active), wanted.step(hop.clone(), active)
        assert_same(y, reference)
        if number == 8:
            wanted.reset(0)
            got.reset(0)
        if number == 16:
            got.restore(lanes - 1, wanted.snapshot(0))
            wanted.restore(lanes - 1, wanted.snapshot(0))


def test_eager_on_the_gpu_equals_the_cpu() -> None:
    module = build(stages()["SoundToRates-adapting"], torch.float32)
    wanted, got = StepRunner(module, LANES), StepRunner(module, LANES, device="cuda")
    x = sound(module, LANES, HOPS, torch.float32)
    assert_same({k: v.cpu() for k, v in got.step(x).items()}, wanted.step(x))
