"""Many sounds side by side, several hops of each in one step: for sounds to be computed, not latencies to be known.

sounds ─► lanes ─► a step over all of them ─► rates of each
          as one ends, the next takes its place
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.engine.batch import Batch
from rtstrf.engine.realtime import deadline_thread
from rtstrf.errors import ConfigError, SoundError
from rtstrf.pipeline import delays_from_sound, make_framer
from rtstrf.replay.play import Replayed
from rtstrf.sound.level import LevelMeter
from rtstrf.sound.source import Source

HOPS_A_STEP = 64
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64", ".opus")


@deadline_thread()  # rounding is that of a live session
def replay_batch(
    sources: Sequence[Source],
    loaded: LoadedModel,
    *,
    lanes: int = 16,
    device: str = "cpu",
    backend: str = "eager",
    on_progress: Callable[[int], None] | None = None,
) -> list[Replayed]:
    """Hear several sounds, each from its start to its end, side by side.

    Parameters
    ----------
    sources : sequence of Source
        Sounds without a clock of their own; each is opened and closed here.
    loaded : LoadedModel
    lanes : int
        Sounds that are heard at the same time.
    device, backend : str
        As for `rtstrf.replay.play.replay`.
    on_progress : callable, optional
        Called with the bins made so far, of all sounds, after each step.

    Returns
    -------
    replays : list of Replayed
        In the order of the sounds. Rates equal those of each sound alone within G1 and G2, 1e-5 of their peak. The
        computing time of a bin is its share of the steps; there is no latency to be told.

    Raises
    ------
    SoundError
        If a sound cannot be read to its end, or is shorter than one bin.

    Examples
    --------
    >>> import rtstrf
    >>> from rtstrf.sound import open_source
    >>> tones = [open_source("tone", frequency_hz=f, duration_s=0.1) for f in (500.0, 1000.0, 2000.0)]
    >>> [heard.rates_hz.shape for heard in replay_batch(tones, rtstrf.load_model("statenet-gru-ns1"), lanes=2)]
    [(20, 119), (20, 119), (20, 119)]
    """
    if lanes < 1:
        raise ConfigError(f"{lanes} lanes", remedy="give 1 or more")
    batch = Batch(loaded, max(1, min(lanes, len(sources))), device=device, backend=backend)
    waiting = list(enumerate(sources))[::-1]
    heard: dict[int, Replayed] = {}
    active: list[_Lane] = []
    bins = 0
    try:
        while waiting or active:
            while waiting and batch.free_lanes:
                number, source = waiting.pop()
                active.append(_Lane(number, source, batch, device))
            together: dict[int, list[_Lane]] = defaultdict(list)
            for lane in active:
                hops = lane.next_hops()
                together[hops].append(lane)
            for lane in together.pop(0, []):
                active.remove(lane)
                heard[lane.number] = lane.finish()
                batch.release(lane.lane)
            for hops, group in together.items():
                _step(batch, group)
                bins += hops * len(group)
            if on_progress is not None:
                on_progress(bins)
    finally:
        for lane in active:
            lane.source.close()
    return [heard[number] for number in range(len(sources))]


def _step(batch: Batch, group: list[_Lane]) -> None:
    began_ns = time.monotonic_ns()
    out = batch.hear([lane.lane for lane in group], [lane.hops for lane in group])
    ended_ns = time.monotonic_ns()
    for lane, each in zip(group, out, strict=True):
        lane.note(each["rates_hz"], ended_ns, (ended_ns - began_ns) // (len(group) * len(lane.hops)))


class _Lane:
    """One sound in its lane, and what is written down of it."""

    def __init__(self, number: int, source: Source, batch: Batch, device: str) -> None:
        self.number = number
        self.source = source
        self.lane = batch.admit()
        self.hops = np.empty((0, batch.hop_samples), dtype=np.float32)
        self._batch = batch
        self._device = device
        self._framer = make_framer(source.info.rate_hz, batch.rate_hz, batch.hop_samples)
        self._block = max(1, round(source.info.rate_hz * batch.hop_samples * HOPS_A_STEP / batch.rate_hz))
        self._made = self.hops  # hops beyond those of this step
        self._ended = False
        self._samples = 0
        self._meter = LevelMeter()
        self._rates: list[np.ndarray] = []
        self._levels: list[np.ndarray] = []
        self._compute_ns: list[np.ndarray] = []
        self._delivered_ns: list[np.ndarray] = []
        self._began_ns = time.monotonic_ns()
        source.open()

    def next_hops(self) -> int:
        """Read on until a step is full or the sound has ended, and return how many hops there are for it."""
        while len(self._made) < HOPS_A_STEP and not self._ended:
            block = self.source.read(self._block, timeout_s=1.0)
            if block is None:
                self._ended = True
                made = self._framer.flush()
            else:
                self._samples += len(block.samples)
                made = self._framer.push(block.samples)
            self._made = np.concatenate([self._made, made])
        self.hops, self._made = self._made[:HOPS_A_STEP], self._made[HOPS_A_STEP:]
        return len(self.hops)

    def note(self, rates_hz: np.ndarray, delivered_ns: int, compute_ns: int) -> None:
        """Write down what a step gave."""
        self._rates.append(rates_hz)
        self._levels.append(self._meter.push(self.hops).astype(np.float32))
        self._compute_ns.append(np.full(len(rates_hz), compute_ns, dtype=np.int64))
        self._delivered_ns.append(np.full(len(rates_hz), delivered_ns, dtype=np.int64))

    def finish(self) -> Replayed:
        """Close the source and return what was heard."""
        self.source.close()
        batch, info = self._batch, self.source.info
        bin_s = batch.hop_samples / batch.rate_hz
        if not self._rates:
            raise SoundError(
                f"{info.name} is shorter than one bin: {self._samples} samples at {info.rate_hz} Hz, "
                f"and a bin is {1e3 * bin_s:g} ms",
                remedy="give a longer sound",
            )
        rates_hz = np.concatenate(self._rates)
        return Replayed(
            source=info,
            source_samples=self._samples,
            sample_rate_hz=batch.rate_hz,
            hop_samples=batch.hop_samples,
            bins=len(rates_hz),
            rates_sha256=hashlib.sha256(rates_hz.astype("<f4").tobytes()).hexdigest(),
            rates_hz=rates_hz,
            level_db_spl=np.concatenate(self._levels),
            compute_ns=np.concatenate(self._compute_ns),
            delivered_ns=np.concatenate(self._delivered_ns),
            latency_ns=None,
            block_wait_ms=0.0,
            wall_s=(time.monotonic_ns() - self._began_ns) / 1e9,
            delays=tuple(delays_from_sound(batch.module, self._framer, bin_s)),
            block=self._block,
            pace="fast",
            device=self._device,
            backend=batch.runner.backend,
        )


def sounds_in(names: Iterable[str]) -> list[str]:
    """Return which of these names are sounds, by their suffix, in order.

    Examples
    --------
    >>> sounds_in(["notes.txt", "b.flac", "A.WAV"])
    ['A.WAV', 'b.flac']
    """
    return sorted(name for name in names if name.lower().endswith(SUFFIXES))
