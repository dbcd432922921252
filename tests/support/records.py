"""Recordings made without an engine: the recorder is told what an engine would tell it."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rtstrf.checkpoints.load import LoadedModel, load_model
from rtstrf.clock import RunClock
from rtstrf.pipeline import Pipeline
from rtstrf.record.recorder import ModelState, Recorder
from rtstrf.sound.source import Block
from tests.support.live import noise

MODEL = "statenet-gru-ns1"


@lru_cache(maxsize=1)
def model() -> LoadedModel:
    """Return the model of these recordings."""
    return load_model(MODEL)


def greeting(rate_hz: int = 48000, **config: Any) -> dict[str, Any]:
    """Return what an engine tells its sinks at the beginning."""
    sidecar = model().sidecar
    return {
        "run": "a" * 32,
        "model": MODEL,
        "weights_sha256": model().weights_sha256,
        "sample_rate_hz": sidecar.sample_rate_hz,
        "hop_samples": sidecar.hop_samples,
        "units": [{"id": unit.id, "depth_um": unit.depth_um} for unit in sidecar.units],
        "config": {"model": MODEL, "wire": {"stream": "main", "topics": []}, "engine": {}, **config},
        "device": {"kind": "cpu", "backend": "eager"},
        "source": {"kind": "noise", "name": "noise", "rate_hz": rate_hz},
        "anchor": RunClock().anchor(),
    }


def header(i0: int, n: int = 1, gap: int = 0, flags: int = 0, **more: Any) -> dict[str, Any]:
    """Return the header of a message of an engine at 48 kHz that keeps up."""
    s1 = 240 * (i0 + n)
    told = {"i0": i0, "s0": 240 * i0, "s1": s1, "t_cap": round(s1 / 48000 * 1e9), "t_raw": 0, "t_proc": 1, "q": 0}
    return {**told, "gap": gap, "flags": flags, **more}


def feed(recorder: Recorder, pipeline: Pipeline, samples: np.ndarray, at_sample: int, block: int = 240) -> None:
    """Tell a recorder of sound from a sample on, and of the rates that come of it."""
    for begin in range(0, len(samples), block):
        part = samples[begin : begin + block]
        recorder.sound(Block(part, time.monotonic_ns()), at_sample + begin)
        for heard in pipeline.push(part):
            recorder.rows("rates", header(heard.index), heard.rates_hz[None])


def make_recording(folder: Path, samples: int = 24000, *, close: bool = True, seals: int = 4) -> Recorder:
    """Record noise in `folder`, in as many parts as there are to be seals, and an event."""
    pipeline = Pipeline(model())

    def give(stream: str, first_bin: int, to: Any) -> None:
        to(ModelState(pipeline.next_bin, 0.0, 0.0, 0, 1, pipeline.runner.snapshot()))

    recorder = Recorder(folder, ask_state=give)
    recorder.open(greeting())
    recorder.stream_comes("main")
    sound = noise(samples)
    for part in np.array_split(np.arange(samples), seals):
        feed(recorder, pipeline, sound[part[0] : part[-1] + 1], int(part[0]))
        recorder.event("mark", 1000, {"label": f"at {part[-1]}", "s": int(part[-1])})
        seal(recorder)
    if close:
        recorder.close()
    return recorder


def seal(recorder: Recorder) -> None:
    """Let a recorder seal what it has now, whatever the time."""
    recorder._sealed_s = 0.0
    recorder.idle()


def abandon(recorder: Recorder) -> None:
    """Leave a recording as a crash leaves it."""
    recorder._close_files()
