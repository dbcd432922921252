"""`rtstrf bench replay`: how fast a recording is answered, in chunks of a second and hop by hop from file to file.

A row for each model and way:

offline             the whole sound in one forward pass, as for training
chunks of 1 s       one `StepRunner.step` a second of sound, state carried over
file to npz, hop by hop   `rtstrf replay`: a WAV is read, every hop takes the served path, the rates are written
deepSTRF offline    deepSTRF's own forward pass over the whole sound, same weights, same run, where it is installed

Columns: `times_real_time`, seconds of sound answered in a second, from the median of `repeats`; p50_us ... max_us of
one call (a pass, a chunk, a hop); `max_error` and `max_error_eager` as in `error.py`; `ratio_to_deepstrf`, how many
times as fast as deepSTRF's own forward pass.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtstrf.bench.backends import fastest_for
from rtstrf.bench.conditions import Conditions
from rtstrf.bench.deepstrf import deepstrf_version, twin
from rtstrf.bench.error import WholeReference
from rtstrf.bench.floors import jitter_floor
from rtstrf.bench.models import REFERENCES, measured_model, scene_hops
from rtstrf.bench.spread import spread_us
from rtstrf.bench.telling import Telling
from rtstrf.checkpoints.load import LoadedModel
from rtstrf.extras import require
from rtstrf.pipeline import Pipeline, SoundToRates
from rtstrf.replay.play import replay
from rtstrf.replay.rates_file import write_rates
from rtstrf.runner import StepRunner
from rtstrf.sound.file import FileSource

CHUNK_S = 1.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    sound_s: float
    file_s: float
    repeats: int
    jitter_s: float


QUICK = Effort(sound_s=10.0, file_s=5.0, repeats=5, jitter_s=0.5)
FULL = Effort(sound_s=60.0, file_s=60.0, repeats=9, jitter_s=5.0)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to answer a sound: what runs it, and what it gives for the whole of it, (units, bins), Hz."""

    name: str
    backend: str
    calls: Callable[[], list[int]]  # answers the sound once; returns what each call took, ns
    rates_hz: Callable[[], np.ndarray]


def replay_rows(
    names: Sequence[str], asked: str | None, conditions: Conditions, telling: Telling
) -> list[dict[str, Any]]:
    """Return a row for each model and way, on the backend asked for or the fastest there is."""
    effort = QUICK if conditions.quick else FULL
    rows = []
    for name in names:
        loaded = measured_model(name)
        bin_ns = round(1e6 * loaded.sidecar.bin_ms)
        floor = jitter_floor(effort.jitter_s, effort.jitter_s, bin_ns)
        may = not conditions.quick or name == names[0]
        backend = fastest_for(asked, loaded, 1, conditions.device, may_compile=may, telling=telling)
        head = {"bench": "replay", "mode": "quick" if conditions.quick else "full", "model": name}
        tail = {"threads": conditions.threads, "bin_ms": loaded.sidecar.bin_ms, **floor}
        found = throughput_rows(name, loaded, backend, conditions, effort, telling)
        found.append(file_row(name, loaded, backend, conditions, effort, telling))
        rows += [{**head, **row, **tail} for row in found]
    return rows


def throughput_rows(
    name: str, loaded: LoadedModel, backend: str, conditions: Conditions, effort: Effort, telling: Telling
) -> list[dict[str, Any]]:
    """Return a row for each way through a sound in memory; they take turns, so that all meet the same load."""
    hops = round(1e3 * effort.sound_s / loaded.sidecar.bin_ms)
    with telling.work(f"{name}: preparing {effort.sound_s:.0f} s of sound"):
        sound = torch.from_numpy(scene_hops(loaded, hops)).reshape(1, 1, -1)
        right = WholeReference(loaded, sound)
        ways = [offline(loaded, sound), in_chunks(loaded, sound, backend, conditions.device)]
        if name in REFERENCES and deepstrf_version() is not None:
            ways.append(deepstrf_offline(name, loaded, sound))
        errors = {way.name: right.errors(way.rates_hz()) for way in ways}  # and warm
    taken_s: dict[str, list[float]] = {way.name: [] for way in ways}
    calls_ns: dict[str, list[int]] = {way.name: [] for way in ways}
    with telling.work(f"{name}: {', '.join(way.name for way in ways)}, {effort.repeats} times each"):
        for _ in range(effort.repeats):
            for way in ways:
                began_s = time.perf_counter()
                calls_ns[way.name] += way.calls()
                taken_s[way.name].append(time.perf_counter() - began_s)
    seconds = {way.name: float(np.median(taken_s[way.name])) for way in ways}
    theirs_s = seconds.get("deepSTRF offline")
    return [
        {
            "way": way.name,
            "backend": way.backend,
            "device": "cpu" if way.backend in ("eager, whole", "deepSTRF") else conditions.device,
            "lanes": 1,
            "times_real_time": round(effort.sound_s / seconds[way.name], 1),
            "ratio_to_deepstrf": None if theirs_s is None else round(theirs_s / seconds[way.name], 2),
            **spread_us(np.array(calls_ns[way.name])),
            **errors[way.name],
            "sound_s": effort.sound_s,
            "repeats": effort.repeats,
            "hops": hops * effort.repeats,
        }
        for way in ways
    ]


def offline(loaded: LoadedModel, sound: Tensor) -> Way:
    """One forward pass over all of it."""
    module = SoundToRates(loaded.model, loaded.sidecar.hz_per_response).eval()

    def rates_hz() -> np.ndarray:
        with torch.inference_mode():
            return module(sound)["rates_hz"][0].numpy()

    return Way("offline", "eager, whole", lambda: _timed(rates_hz), rates_hz)


def in_chunks(loaded: LoadedModel, sound: Tensor, backend: str, device: str) -> Way:
    """A second of sound at a time, state carried over."""
    module = SoundToRates(loaded.model, loaded.sidecar.hz_per_response)
    runner = StepRunner(module, device=device, backend=backend, long_steps=True)
    chunks = [chunk.contiguous().numpy() for chunk in sound.split(round(CHUNK_S * loaded.sidecar.sample_rate_hz), -1)]

    def step(chunk: np.ndarray) -> np.ndarray:
        return runner.step(torch.from_numpy(chunk))["rates_hz"][0].cpu().numpy()

    def calls() -> list[int]:
        runner.reset()
        taken = []
        for chunk in chunks:
            before_ns = time.perf_counter_ns()
            step(chunk)
            taken.append(time.perf_counter_ns() - before_ns)
        return taken

    def rates_hz() -> np.ndarray:
        runner.reset()
        return np.concatenate([step(chunk).copy() for chunk in chunks], axis=-1)

    return Way("chunks of 1 s", runner.backend, calls, rates_hz)


def deepstrf_offline(name: str, loaded: LoadedModel, sound: Tensor) -> Way:
    """deepSTRF's forward pass over all of it, the same weights."""
    module = twin(name, loaded)

    def rates_hz() -> np.ndarray:
        with torch.inference_mode():
            return module(sound)[0, :, 0].numpy() * loaded.sidecar.hz_per_response

    return Way("deepSTRF offline", "deepSTRF", lambda: _timed(rates_hz), rates_hz)


def file_row(
    name: str, loaded: LoadedModel, backend: str, conditions: Conditions, effort: Effort, telling: Telling
) -> dict[str, Any]:
    """Return the row of the served path from a sound file to a file of rates."""
    hops = scene_hops(loaded, round(1e3 * effort.file_s / loaded.sidecar.bin_ms))
    right = WholeReference(loaded, torch.from_numpy(hops).reshape(1, 1, -1))
    with tempfile.TemporaryDirectory() as folder, telling.work(f"{name}: {effort.file_s:.0f} s from file to npz"):
        path = Path(folder) / "sound.wav"
        soundfile = require("soundfile", "sound")
        soundfile.write(path, hops.reshape(-1), loaded.sidecar.sample_rate_hz, subtype="FLOAT")
        walls_s, compute_ns = [], []
        for _ in range(max(2, effort.repeats // 3)):
            began_s = time.perf_counter()
            replayed = replay(FileSource(path), loaded, device=conditions.device, backend=backend)
            with (Path(folder) / "rates.npz").open("wb") as file:
                write_rates(file, replayed, loaded)
            walls_s.append(time.perf_counter() - began_s)
            compute_ns.append(replayed.compute_ns)
    assert replayed.rates_hz is not None
    bin_ns = round(1e6 * loaded.sidecar.bin_ms)
    return {
        "way": "file to npz, hop by hop",
        "backend": replayed.backend,
        "device": conditions.device,
        "lanes": 1,
        "times_real_time": round(effort.file_s / float(np.median(walls_s)), 1),
        "ratio_to_deepstrf": None,
        **spread_us(np.concatenate(compute_ns)),
        **right.errors(replayed.rates_hz.T),
        "sound_s": effort.file_s,
        "repeats": len(walls_s),
        "hops": len(hops) * len(walls_s),
        "missed_deadlines": int(np.count_nonzero(np.concatenate(compute_ns) > bin_ns)),
        "algorithmic_delay_ms": round(sum(d.wait_ms + d.group_delay_ms for d in Pipeline(loaded).delays()), 4),
    }


def _timed(call: Callable[[], Any]) -> list[int]:
    before_ns = time.perf_counter_ns()
    call()
    return [time.perf_counter_ns() - before_ns]
