"""The guarantees of one model, measured on this machine with real sound: the proof in the user's hands."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.errors import ConfigError, SoundError
from rtstrf.machine import machine_facts
from rtstrf.pipeline import SoundToRates, make_framer
from rtstrf.replay.blocks import BlockSize
from rtstrf.replay.play import replay
from rtstrf.sound.source import Block, Source, SourceInfo
from rtstrf.verify import measure

FORMAT = "rtstrf-verify/1"
BLOCKS: tuple[BlockSize, ...] = (1, 7, 240, 4096, "random")
FEWEST_BINS = 20  # below that, no partition of the sound says much
LANES = 4
LANE_GAINS = (1.0, 0.3, 2.0, 0.03)
LEAK_BOUND = 1e-13  # float64: no rounding hides in it, and a real look-ahead is far above
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def verify(
    loaded: LoadedModel,
    source: Source,
    *,
    seconds: float = 5.0,
    seed: int = 0,
    on_check: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Measure every guarantee of a model.

    Parameters
    ----------
    loaded : LoadedModel
    source : Source
        Sound to measure with; its first `seconds` are used.
    seconds : float
    seed : int
        Of random partitions, lanes and blocks.
    on_check : callable, optional
        Called with what is about to be measured, in words.

    Returns
    -------
    result : dict
        JSON-serialisable: ``passed``, ``guarantees`` (each with ``id``, ``promise``, ``measured``, ``bound`` and
        ``passed``; ``measured`` is relative to the peak, at least 1), ``blocks_sha256``, and what it was
        measured of and on.

    Raises
    ------
    SoundError
        If the sound cannot be read, or has too few bins.
    ConfigError
        If `seconds` is no positive number.

    Examples
    --------
    >>> import rtstrf
    >>> from rtstrf.sound import open_source
    >>> model = rtstrf.load_model("statenet-gru-ns1")
    >>> result = verify(model, open_source("scene"), seconds=0.2)
    >>> result["passed"], [g["id"] for g in result["guarantees"]]
    (True, ['G0', 'G1', 'G1', 'G2', 'G2', 'causal'])
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise ConfigError(f"{seconds:g} seconds of sound", remedy="give a number above 0, such as 5")
    tell = on_check or (lambda words: None)
    sound = _Excerpt(source, seconds)
    heard = _hops(sound, loaded)  # (1, 1, samples), the model's clock
    module = SoundToRates(loaded.model, loaded.sidecar.hz_per_response).eval()
    tell("G0: blocks of 1, 7, 240, 4096 and random samples")
    hashes = {str(n): replay(sound, loaded, block=n, seed=seed, keep_rates=False).rates_sha256 for n in BLOCKS}
    guarantees = [
        {
            "id": "G0",
            "promise": f"the same bits for blocks of {', '.join(hashes)} samples",
            "measured": float(len(set(hashes.values())) - 1),
            "bound": 0.0,
            "unit": "other results",
            "passed": len(set(hashes.values())) == 1,
        }
    ]
    for name, measured, bound, promise in _measures(module, heard, seed, tell):
        guarantees.append(
            {
                "id": name,
                "promise": promise,
                # JSON has no infinity: an error that large is NaN on one side only
                "measured": measured if math.isfinite(measured) else None,
                "bound": bound,
                "unit": "of the peak, at least 1",
                "passed": measured <= bound,
            }
        )
    return {
        "format": FORMAT,
        "passed": all(guarantee["passed"] for guarantee in guarantees),
        "model": loaded.sidecar.name,
        "weights_sha256": loaded.weights_sha256,
        "sound": source.info.name,
        "sound_s": heard.shape[-1] / loaded.sidecar.sample_rate_hz,
        "bins": heard.shape[-1] // loaded.sidecar.hop_samples,
        "seed": seed,
        "verified_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine_facts(),
        "guarantees": guarantees,
        "blocks_sha256": hashes,
    }


def _measures(
    module: SoundToRates, heard: Tensor, seed: int, tell: Callable[[str], None]
) -> Iterator[tuple[str, float, float, str]]:
    """Yield guarantee, error, bound and promise, one after another."""
    for words in DTYPES:
        tell(f"G1: any chunking equals the whole, {words}")
        typed, x = _as(module, heard, words)
        error = max(
            measure.chunking_error(typed, x, np.random.default_rng(seed)),
            measure.snapshot_error(typed, x),
        )
        promise = f"any chunks, and a snapshot half way, give what the whole gives ({words})"
        yield "G1", error, measure.BOUND[DTYPES[words]], promise
    for words in DTYPES:
        tell(f"G2: streams in a batch leave one another alone, {words}")
        typed, x = _as(module, company(heard), words)
        error = max(
            measure.lanes_error(typed, x, np.random.default_rng(seed)),
            measure.batch_error(typed, x, np.random.default_rng(seed)),
        )
        promise = f"a stream in a batch, out of step and beside NaN, gives what it gives alone ({words})"
        yield "G2", error, measure.BOUND[DTYPES[words]], promise
    tell("causality: other sound from a bin on leaves the bins before it")
    typed, x = _as(module, heard, "float64")
    leak = measure.future_leak(typed, x, np.random.default_rng(seed))
    yield "causal", leak, LEAK_BOUND, "no bin depends on sound after its end (float64)"


def _as(module: SoundToRates, x: Tensor, words: str) -> tuple[SoundToRates, Tensor]:
    return copy.deepcopy(module).to(DTYPES[words]), x.to(DTYPES[words])


def company(heard: Tensor) -> Tensor:
    """Return different sounds for the lanes of a batch, (1, 1, n) -> (LANES, 1, n): shifted in time and in level."""
    shift = heard.shape[-1] // LANES
    lanes = [gain * heard.roll(index * shift, dims=-1) for index, gain in enumerate(LANE_GAINS)]
    return torch.cat(lanes)


class _Excerpt(Source):
    """The beginning of a sound, read once and kept: it is heard several times over."""

    def __init__(self, source: Source, seconds: float) -> None:
        with source:
            wanted = max(1, round(seconds * source.info.rate_hz))
            parts: list[np.ndarray] = []
            while sum(map(len, parts)) < wanted:
                block = source.read(wanted - sum(map(len, parts)))
                if block is None:
                    break
                parts.append(block.samples)
        self.samples = np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
        self.info = SourceInfo(
            kind=source.info.kind,
            name=source.info.name,
            rate_hz=source.info.rate_hz,
            channels=source.info.channels,
            full_scale_db_spl=source.info.full_scale_db_spl,
            total_samples=len(self.samples),
        )
        self._at = 0

    def open(self) -> None:
        self._at = 0

    def read(self, max_samples: int, timeout_s: float = 0.1) -> Block | None:
        samples = self.samples[self._at : self._at + max_samples]
        self._at += len(samples)
        return Block(samples, 0) if len(samples) else None

    def close(self) -> None:
        pass


def _hops(sound: _Excerpt, loaded: LoadedModel) -> Tensor:
    """Return the sound as the model hears it, whole hops, (1, 1, samples)."""
    sidecar = loaded.sidecar
    framer = make_framer(sound.info.rate_hz, sidecar.sample_rate_hz, sidecar.hop_samples)
    hops: Sequence[np.ndarray] = [framer.push(sound.samples), framer.flush()]
    heard = np.concatenate(hops).reshape(1, 1, -1)  # (k, hop) -> (1, 1, k hop)
    bins = heard.shape[-1] // sidecar.hop_samples
    if bins < FEWEST_BINS:
        raise SoundError(
            f"{sound.info.name} gives {bins} bins of {sidecar.bin_ms:g} ms, too few to verify with",
            remedy=f"give at least {FEWEST_BINS} bins ({FEWEST_BINS * sidecar.bin_ms / 1e3:g} s) of sound",
        )
    return torch.from_numpy(heard)
