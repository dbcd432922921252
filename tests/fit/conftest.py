"""A tiny release in NS1's own layout: a few units that hear a few sounds, written with the release's own libraries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import soundfile

from rtstrf.fit.ns1 import BIN_MS, BINS, sound_path

SHORT_BINS = 200
SHORT_RATE_HZ = 16000
RATE_HZ = 48828
SECONDS = 5


def write_release(root: Path, *, units: int = 3, sounds: int = 4, repeats: int = 3, seed: int = 0) -> Path:
    """Write a release whose units fire with the loudness of the sound, unit n shifted by n bins."""
    rng = np.random.default_rng(seed)
    folder = root / "spikesandwav"
    envelopes = []
    for sound in range(1, sounds + 1):
        path = sound_path(root, sound)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Bursts of noise of 50 to 250 ms: the envelope is what the units follow.
        switches = np.cumsum(rng.integers(10, 50, size=BINS))
        on = (np.searchsorted(switches, np.arange(BINS + 1)) % 2).astype(float)
        envelope = np.repeat(on, RATE_HZ * SECONDS // (BINS + 1) + 1)[: RATE_HZ * SECONDS]
        samples = (envelope * rng.normal(0, 0.2, RATE_HZ * SECONDS)).astype(np.float32)
        with path.open("wb") as file:
            soundfile.write(file, samples, RATE_HZ, format="WAV", subtype="FLOAT")
        envelopes.append(on[:BINS])
    rows = []
    for n in range(units):
        name = f"exp{n}/P01/cluster.{n:02d}.data.mat"
        trials = []
        for on in envelopes:
            rate = np.roll(on, n) * 0.4 + 0.02
            trials.append([np.flatnonzero(rng.random(BINS) < rate) * float(BIN_MS) + 1.0 for _ in range(repeats)])
        write_spikes(folder / name, trials)
        rows.append((name, n, 100.0 * n, 1.5, "Yes", n + 1))
    write_table(root, rows)
    return root


def write_table(root: Path, rows: list[tuple[str, int, float, float, str, int]]) -> None:
    """Write the table of units."""
    fields = [(f, object) for f in ("path", "NrOfElectrodes", "depth", "NoiseRatio", "singleT", "ElectrodeNumber")]
    scipy.io.savemat(root / "MetadataSHEnCneurons.mat", {"neuron": np.array(rows, dtype=fields)})


def write_spikes(path: Path, trials: list[list[np.ndarray]]) -> None:
    """Write one unit's file: data.set(j).repeats(k).t."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sets = np.empty((1, len(trials)), dtype=[("repeats", object)])
    for j, of_sound in enumerate(trials):
        repeats = np.empty((1, len(of_sound)), dtype=[("t", object), ("repeat_id", object)])
        for k, times_ms in enumerate(of_sound):
            repeats[0, k] = (times_ms.reshape(1, -1).astype(np.float32), k + 1)
        sets[0, j]["repeats"] = repeats
    scipy.io.savemat(path, {"data": {"set": sets}})


def write_own(root: Path, *, units: int = 3, sounds: int = 4, repeats: int = 3, seed: int = 0) -> Path:
    """Write short recordings in the layout of one's own: what a fit of a second or two learns from."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    hop = SHORT_RATE_HZ * BIN_MS // 1000
    counts = np.zeros((units, sounds, repeats, SHORT_BINS), dtype=np.uint8)
    names = [f"sound-{s + 1}.wav" for s in range(sounds)]
    for s, name in enumerate(names):
        on = np.searchsorted(np.cumsum(rng.integers(10, 40, size=SHORT_BINS)), np.arange(SHORT_BINS)) % 2
        samples = np.repeat(on, hop) * rng.normal(0, 0.2, hop * SHORT_BINS)
        soundfile.write(root / name, samples.astype(np.float32), SHORT_RATE_HZ, subtype="FLOAT")
        for n in range(units):
            counts[n, s] = rng.random((repeats, SHORT_BINS)) < 0.4 * np.roll(on, n) + 0.02
    depth_um = 100.0 * np.arange(units)
    np.savez(root / "recordings.npz", counts=counts, sounds=names, bin_ms=BIN_MS, depth_um=depth_um, citation="Us")
    return root


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short recordings in the layout of one's own; do not write into it."""
    return write_own(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole tiny release; do not write into it."""
    return write_release(tmp_path_factory.mktemp("release"))
