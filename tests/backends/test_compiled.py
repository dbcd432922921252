"""The step as native code: compiled once, found again, equal to the stage."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rtstrf.backends.compiled import bucket_for, compile_step, compiled_path, compiler
from rtstrf.backends.fingerprint import fingerprint
from rtstrf.errors import ConfigError
from rtstrf.models.derived import fix_derived
from rtstrf.prefilter.adaptrans import AdapTrans
from rtstrf.runner import StepRunner
from rtstrf.stream import leaves
from tests.support.stages import build, sound, stages

needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler here")


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RTSTRF_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(("name", "lanes"), [("SoundToRates-onoff-beside", 1), ("Transformer-layers-sound", 3)])
def test_native_code_equals_the_stage_within_g1(own_cache, name: str, lanes: int) -> None:
    module = build(stages()[name], torch.float32)
    told: list[str] = []
    wanted = StepRunner(module, lanes)
    got = StepRunner(module, lanes, backend="compiled", long_steps=lanes == 1, told=told.append)
    assert got.backend == "compiled"
    assert len(told) == (2 if lanes == 1 else 1)
    hop_samples = module.samples_per_frame
    sounds = sound(module, lanes, 40 + 150, torch.float32)
    x, more = sounds[..., : 40 * hop_samples], sounds[..., 40 * hop_samples :]
    rng = np.random.default_rng(5)
    for number, hop in enumerate(x.split(module.samples_per_frame, dim=-1)):
        active = None if lanes == 1 else rng.random(lanes) < 0.7
        if number == 20:
            wanted.reset(0)
            got.reset(0)
        if number == 30:
            got.restore(0, wanted.snapshot(0))
        for (_, ours), (_, theirs) in zip(leaves(got.step(hop, active)), leaves(wanted.step(hop, active)), strict=True):
            peak = max(1.0, float(theirs.nan_to_num().abs().max()))
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * peak, equal_nan=True)
    for (_, ours), (_, theirs) in zip(leaves(got.step(more)), leaves(wanted.step(more)), strict=True):
        peak = max(1.0, float(theirs.abs().max()))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * peak)
    again: list[str] = []
    assert StepRunner(module, lanes, backend="auto", told=again.append).backend == "compiled"
    assert not again  # it is at hand


def test_another_weight_option_number_of_lanes_or_threads_is_another_program() -> None:
    kept = AdapTrans([0.5, 0.9], kernel_frames=4)
    same = AdapTrans([0.5, 0.9], kernel_frames=4)
    others = [AdapTrans([0.5, 0.8], kernel_frames=4), AdapTrans([0.5, 0.9], kernel_frames=5)]
    assert fingerprint(kept) == fingerprint(same)
    assert len({fingerprint(m) for m in (kept, *others)}) == 3
    assert len({compiled_path(kept, lanes, threads) for lanes in (1, 2) for threads in (1, 2)}) == 4
    before = fingerprint(kept)
    fix_derived(kept)
    assert fingerprint(kept) == before


def test_every_example_has_a_fingerprint_of_its_own() -> None:
    prints = {name: fingerprint(build(make, torch.float32)) for name, make in stages().items()}
    assert len(set(prints.values())) == len(prints)


def test_lanes_go_into_the_smallest_bucket_that_holds_them() -> None:
    assert [bucket_for(lanes) for lanes in (1, 2, 3, 5, 200, 256, 257, 10_000)] == [1, 2, 4, 8, 256, 256, 256, 256]


def test_without_a_compiler_it_says_so_and_leaves_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("RTSTRF_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match="no C\\+\\+ compiler") as caught:
        compile_step(AdapTrans([0.5], kernel_frames=4), 1)
    assert "eager" in (caught.value.remedy or "")
    assert not list(tmp_path.rglob("*"))


@needs_compiler
def test_what_cannot_be_compiled_says_why_and_leaves_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("RTSTRF_CACHE", str(tmp_path))
    broken = tmp_path / "broken-compiler"
    broken.write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr("rtstrf.backends.compiled.sys.executable", str(broken))
    stage = AdapTrans([0.5], kernel_frames=4).eval().requires_grad_(False)
    fix_derived(stage)
    with pytest.raises(ConfigError, match="no space left"):
        compile_step(stage, 1)
    assert [file.name for file in (tmp_path / "compiled").iterdir()] == []
