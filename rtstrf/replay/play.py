"""One sound through the served path, exactly as it would be heard live, and every hop of it timed.

source ─► block ─► framer ─► hop ─► model ─► rates
          as a driver        one at a time, never as a batch
"""

from __future__ import annotations

import hashlib
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.engine.realtime import deadline_thread
from rtstrf.errors import SoundError
from rtstrf.pipeline import Pipeline
from rtstrf.replay.blocks import BlockSize, block_sizes, check_block
from rtstrf.runner import usable_device
from rtstrf.sound.level import LevelMeter
from rtstrf.sound.pace import Paced
from rtstrf.sound.source import Source, SourceInfo
from rtstrf.stream import Delay

Pace = Literal["fast", "real"]

FIRST_BINS = 2**16  # room for rates at first, where the source does not tell its length


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay gave and what it took.

    Attributes
    ----------
    source : SourceInfo
    source_samples : int
        Samples heard, on the source's clock.
    sample_rate_hz, hop_samples : int
        The model's clock.
    bins : int
        Whole bins; what is left of the sound after the last one (`tail_s`) is no bin.
    rates_sha256 : str
        Of all rates, (bins, units) float32 little-endian in C order; the same however the sound is cut into blocks.
    rates_hz : ndarray, shape (bins, units), float32, or None
        None where they were not to be kept.
    level_db_spl : ndarray, shape (bins,), float32, or None
        Level of each bin as the model heard it; kept with the rates.
    compute_ns : ndarray, shape (bins,), int64
        Computing time: the hop through the model, and the bin's share of framing and resampling.
    delivered_ns : ndarray, shape (bins,), int64
        Monotonic clock when the rates of the bin were there.
    latency_ns : ndarray, shape (bins,), int64, or None
        Capture of the last sample of the block that completed the bin, to its rates; None unless in real time.
    block_wait_ms : float
        Longest time for which a bin that could have been computed waited for the rest of its block.
    wall_s : float
        From the first block to the last rates.
    delays : tuple of Delay
        What each stage adds apart from computing, the driver's block included.
    block : int or "random"
    pace : {"fast", "real"}
    device : str
    backend : str
        What computed in fact (`rtstrf.backends`).
    """

    source: SourceInfo
    source_samples: int
    sample_rate_hz: int
    hop_samples: int
    bins: int
    rates_sha256: str
    rates_hz: np.ndarray | None
    level_db_spl: np.ndarray | None
    compute_ns: np.ndarray
    delivered_ns: np.ndarray
    latency_ns: np.ndarray | None
    block_wait_ms: float
    wall_s: float
    delays: tuple[Delay, ...]
    block: BlockSize
    pace: Pace
    device: str
    backend: str

    @property
    def bin_s(self) -> float:
        """Width of a bin."""
        return self.hop_samples / self.sample_rate_hz

    @property
    def sound_s(self) -> float:
        """Length of the sound."""
        return self.source_samples / self.source.rate_hz

    @property
    def tail_s(self) -> float:
        """Length of the end of the sound that made no whole bin."""
        return max(0.0, self.sound_s - self.bins * self.hop_samples / self.sample_rate_hz)

    @property
    def t_s(self) -> np.ndarray:
        """End of each bin in seconds of sound, shape (bins,), float64, from the sample count."""
        return np.arange(1, self.bins + 1, dtype=np.int64) * self.hop_samples / self.sample_rate_hz


@deadline_thread()  # rounding is that of a live session
def replay(
    source: Source,
    loaded: LoadedModel,
    *,
    block: BlockSize | None = None,
    pace: Pace = "fast",
    seed: int = 0,
    device: str = "cpu",
    backend: str = "eager",
    keep_rates: bool = True,
    on_progress: Callable[[int], None] | None = None,
) -> Replayed:
    """Hear a sound from its start to its end, block by block and hop by hop, as the live engine would.

    Parameters
    ----------
    source : Source
        A sound without a clock of its own; it is opened and closed here.
    loaded : LoadedModel
    block : int or "random", optional
        Samples the driver delivers at a time, on the source's clock; by default one bin.
    pace : {"fast", "real"}
        As fast as it is read, or in real time; only real time shows the latency that a client will see.
    seed : int
        Of random block sizes.
    device : str
        Where the model runs: ``"cpu"``, ``"cuda"``, ``"cuda:1"``...
    backend : {"eager", "auto", "traced", "compiled", "cuda-graph"}
        How a hop is computed (`rtstrf.backends.choose.choose_backend`).
    keep_rates : bool
        Keep the rates and levels; without them, memory is flat but for 24 bytes of timing a bin.
    on_progress : callable, optional
        Called with the samples heard so far after each block that completed a bin, outside what is timed.

    Returns
    -------
    replayed : Replayed

    Raises
    ------
    SoundError
        If the sound cannot be read to its end, or is shorter than one bin.
    ConfigError
        If the block size, the device or the backend cannot be used.

    Examples
    --------
    >>> import rtstrf
    >>> from rtstrf.sound import open_source
    >>> model = rtstrf.load_model("statenet-gru-ns1")
    >>> by_7, by_480 = (replay(open_source("tone", duration_s=0.1), model, block=n) for n in (7, 480))
    >>> by_7.rates_hz.shape, by_7.rates_sha256 == by_480.rates_sha256
    ((20, 119), True)
    """
    usable_device(device)
    pipeline = Pipeline(loaded, source_rate_hz=source.info.rate_hz, device=device, backend=backend)
    pipeline.runner.warm_up()
    rate_hz, hop = pipeline.rate_hz, pipeline.hop_samples
    size_of_block = max(1, round(source.info.rate_hz * hop / rate_hz)) if block is None else check_block(block)
    room = (_expected_bins(source.info, rate_hz, hop), len(loaded.sidecar.units)) if keep_rates else None
    notes = _Notes(pipeline, room)
    heard_samples = captured_ns = 0
    with Paced(source, speed=1.0 if pace == "real" else None) as paced:
        began_ns = time.monotonic_ns()
        for size in block_sizes(size_of_block, seed):
            read = _read_some(paced, size)
            if read is None:
                break
            samples, captured_ns = read
            heard_samples += len(samples)
            if notes.hear(samples, captured_ns, heard_samples) and on_progress is not None:
                on_progress(heard_samples)
        notes.hear(None, captured_ns, heard_samples)
        wall_s = (time.monotonic_ns() - began_ns) / 1e9
    if not notes.bins:
        raise SoundError(
            f"{source.info.name} is shorter than one bin: {heard_samples} samples at {source.info.rate_hz} Hz, "
            f"and a bin is {1e3 * hop / rate_hz:g} ms",
            remedy="give a longer sound",
        )
    block_wait_ms = 1e3 * notes.longest_wait_samples / source.info.rate_hz
    driver = [Delay("driver: until its block is whole", wait_ms=block_wait_ms)] if block_wait_ms else []
    return Replayed(
        source=source.info,
        source_samples=heard_samples,
        sample_rate_hz=rate_hz,
        hop_samples=hop,
        bins=notes.bins,
        rates_sha256=notes.sha256.hexdigest(),
        rates_hz=None if notes.rates is None else notes.rates[: notes.bins],
        level_db_spl=np.frombuffer(notes.level_db_spl, dtype=np.float32) if keep_rates else None,
        compute_ns=np.frombuffer(notes.compute_ns, dtype=np.int64),
        delivered_ns=np.frombuffer(notes.delivered_ns, dtype=np.int64),
        latency_ns=np.frombuffer(notes.latency_ns, dtype=np.int64) if pace == "real" else None,
        block_wait_ms=block_wait_ms,
        wall_s=wall_s,
        delays=(*driver, *pipeline.delays()),
        block=size_of_block,
        pace=pace,
        device=device,
        backend=pipeline.runner.backend,
    )


class _Notes:
    """The pipeline, and what is written down of each bin: in arrays that grow without an object a bin."""

    def __init__(self, pipeline: Pipeline, room: tuple[int, int] | None) -> None:
        self.pipeline = pipeline
        self.sha256 = hashlib.sha256()
        self.rates = None if room is None else np.empty(room, dtype=np.float32)  # (bins expected, units)
        self.compute_ns, self.delivered_ns, self.latency_ns = array("q"), array("q"), array("q")
        self.level_db_spl = array("f")
        self.longest_wait_samples = 0
        self.bins = 0
        self._meter = LevelMeter()
        self._framing_ns = 0  # since the last bin: many small blocks make one hop

    def hear(self, samples: np.ndarray | None, captured_ns: int, heard_samples: int) -> int:
        """Hear a block, or the end of the sound (None), and return how many bins came of it."""
        framer = self.pipeline.framer
        began_ns = time.monotonic_ns()
        hops = framer.flush() if samples is None else framer.push(samples)
        self._framing_ns += time.monotonic_ns() - began_ns
        if not len(hops):
            return 0
        share_ns = self._framing_ns // len(hops)
        self._framing_ns = 0
        rates = []
        for hop in hops:
            before_ns = time.monotonic_ns()
            rates.append(self.pipeline.hear(hop).rates_hz)
            after_ns = time.monotonic_ns()
            self.compute_ns.append(after_ns - before_ns + share_ns)
            self.delivered_ns.append(after_ns)
            self.latency_ns.append(after_ns - captured_ns)
        # Only now, so that writing down one bin does not delay the next of the same block.
        for index, (hop, rates_hz) in enumerate(zip(hops, rates, strict=True), start=self.bins):
            self._keep(index, hop, rates_hz)
            if samples is not None:
                waited = heard_samples - framer.source_samples_needed(index)
                self.longest_wait_samples = max(self.longest_wait_samples, waited)
        self.bins += len(hops)
        return len(hops)

    def _keep(self, index: int, hop: np.ndarray, rates_hz: np.ndarray) -> None:
        self.sha256.update(rates_hz.astype("<f4").tobytes())
        if self.rates is None:
            return
        if index == len(self.rates):
            self.rates = np.concatenate([self.rates, np.empty_like(self.rates)])
        self.rates[index] = rates_hz
        self.level_db_spl.append(float(self._meter.push(hop[None])[0]))


def _read_some(source: Source, size: int) -> tuple[np.ndarray, int] | None:
    """Return the next samples, at least one and at most `size`, and when the last was captured; None at the end."""
    while True:
        block = source.read(size, timeout_s=1.0)
        if block is None:
            return None
        if len(block.samples):
            return block.samples, block.t_ns


def _expected_bins(info: SourceInfo, rate_hz: int, hop_samples: int) -> int:
    """Return about how many bins will come, never 0."""
    if info.total_samples is None:
        return FIRST_BINS
    return max(1, -(-info.total_samples * rate_hz // (info.rate_hz * hop_samples)))
