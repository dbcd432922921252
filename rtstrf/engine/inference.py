"""One stream on the inference thread: from its hops to what is published of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from rtstrf.clock import NS_PER_S, RunClock
from rtstrf.config.live import EngineSection
from rtstrf.engine.batch import Batch, Heard
from rtstrf.engine.handover import HopQueue
from rtstrf.engine.ledger import Hop
from rtstrf.engine.meters import Percentiles
from rtstrf.engine.outlet import Outlet
from rtstrf.engine.overload import LEVELS, Ladder
from rtstrf.engine.parameters import Change, Parameters
from rtstrf.engine.portion import Portion
from rtstrf.engine.spiking import Spiking
from rtstrf.record.recorder import ModelState
from rtstrf.sound.level import LevelMeter
from rtstrf.wire.message import Flags

# A spectrogram is in the model's own units, as its compression leaves them.
UNITS = {"rates": "Hz", "spectrogram": "a.u.", "onoff": "a.u.", "level": "dB SPL"}


# As numbers: an IntFlag costs most of a microsecond each time it is joined to another.
DISCONTINUITY, CONCEALED, WARMING_UP = int(Flags.DISCONTINUITY), int(Flags.CONCEALED), int(Flags.WARMING_UP)
OVERLOADED, PARAMETER_CHANGED = int(Flags.OVERLOADED), int(Flags.PARAMETER_CHANGED)


class Inference:
    """Take a stream's hops, and publish what the model makes of them.

    Parameters
    ----------
    batch : Batch
    lane : int
        The stream's own in it.
    queue : HopQueue
    outlet, parameters, spiking, config, clock
        As the engine made them.
    replayed : bool
        Whether the sound is a recording or synthetic, and messages say so.
    patient : bool
        Whether the source waits for the model: then no backlog is an overload.
    gain_db : float
        Added to the level of the sound, beside the parameter of all streams.

    Notes
    -----
    All methods but `listen`, `ask_state` and `status` belong to the inference thread.
    """

    def __init__(
        self,
        batch: Batch,
        lane: int,
        queue: HopQueue,
        outlet: Outlet,
        parameters: Parameters,
        spiking: Spiking,
        config: EngineSection,
        clock: RunClock,
        *,
        replayed: bool,
        patient: bool,
        gain_db: float = 0.0,
    ) -> None:
        self.lane = lane
        self._batch = batch
        self._queue = queue
        self._outlet = outlet
        self._parameters = parameters
        self._spiking = spiking
        self._config = config
        self._clock = clock
        self._always = int(Flags.REPLAY) if replayed else 0
        self._patient = patient
        self._gain_db = gain_db
        self._hop_ns = round(batch.hop_samples * NS_PER_S / batch.rate_hz)
        self._warming_bins = round(config.warming_up_ms * 1e6 / self._hop_ns)
        self._meter = LevelMeter()
        self._loads, self._latencies_ms = Percentiles(), Percentiles()
        self._ladder = Ladder(config.overload, config.queue_hops)
        self._dropped_told = 0
        self._heard_since = 0  # hops, since the ladder was last asked
        self._listening_from_ns: int | None = None
        self._deaf = True
        self._next_flags = 0
        self.next_bin = 0  # the bin that the next hop will make, heard or not
        self._published_to = 0  # bins before this one have been published, or counted as missing
        self._bins_since_start = 0
        self._bins = self._bins_missing = 0
        self._has_onoff = batch.module.has_onoff
        self._states_asked: deque[tuple[int, Callable[[ModelState], None]]] = deque()

    # --- from hops to rows ------------------------------------------------------------------------------------------

    def take(self) -> Portion | None:
        """Return what is to be computed next, its flags told and the state in line with them; None if nothing is."""
        most = 1
        if not self._patient:
            self._follow_overload(len(self._queue) - 1)
            most = self._ladder.hops_a_step(len(self._queue))
        hops = self._queue.take(most)
        if not hops:
            return None
        self.next_bin = hops[-1].index + 1
        self._heard_since += len(hops)
        hops = self._listened_to(hops)
        if not hops:
            return None  # the bins that pass are missing from the next message on
        if self._states_asked:
            self._give_states(hops[0].index)
        gap = hops[0].index - self._published_to
        flags = self._always | self._take_flags(hops[0], gap)
        self._bins_since_start += len(hops)
        return Portion(hops, self._sound(hops), gap, flags)

    def publish(self, portion: Portion, heard: Heard, computing_ns: int) -> None:
        """Publish what the model made of a portion.

        Parameters
        ----------
        portion : Portion
        heard : dict of ndarray
            What `Batch.hear` returned for it.
        computing_ns : int
            What computing it took, whatever else was computed with it.
        """
        hops, hop_samples = portion.hops, self._batch.hop_samples
        first, last = hops[0], hops[-1]
        load = computing_ns / (self._hop_ns * len(hops))
        header: dict[str, Any] = {
            "i0": first.index,
            "s0": first.index * hop_samples,
            "s1": (last.index + 1) * hop_samples,
            "t_cap": last.t_cap_ns - self._clock.start_ns,
            "t_raw": last.t_raw_ns - self._clock.start_ns,
            "load": round(load, 5),
            "gap": portion.gap,
            "flags": portion.flags,
            "t_proc": computing_ns,
            "q": len(self._queue),
        }
        self._outlet.rows("rates", {**header, "unit": UNITS["rates"]}, heard["rates_hz"])
        for kind in self._parameters.topics:
            if kind == "spikes":  # never left out: a client counts on them as on the rates
                spikes = self._spiking.draw(heard["rates_hz"], first.index)
                self._outlet.rows(kind, {**header, **self._spiking.header}, spikes)
            elif self._ladder.sheds or (kind == "onoff" and not self._has_onoff):
                continue
            else:
                rows = self._meter.push(portion.sound_pa)[:, None] if kind == "level" else heard[kind]
                self._outlet.rows(kind, {**header, "unit": UNITS[kind]}, rows)
        self._published_to = last.index + 1
        self._bins += len(hops)
        now_ns = time.monotonic_ns()
        for hop in hops:
            self._loads.add(load)
            self._latencies_ms.add((now_ns - hop.t_cap_ns) / 1e6)

    def finish(self, bins: int) -> None:
        """Publish the end of the stream, after its last hop.

        Parameters
        ----------
        bins : int
            Whole bins that the sound had in all; those after the last one published are told as missing.
        """
        bins = max(bins, self._published_to)
        gap = bins - self._published_to
        if gap:
            self._tell_gap(gap, bins)
        self._publish_end(bins, gap)

    # --- commands ---------------------------------------------------------------------------------------------------

    def listen(self, from_ns: int | None) -> None:
        """Begin with the first hop that ends after `from_ns` on the monotonic clock, or with the next one."""
        self._listening_from_ns = from_ns
        self._deaf = False

    def deafen(self) -> None:
        """Let sound pass unheard until the next `listen`."""
        self._deaf = True

    def reset_by_client(self) -> dict[str, Any]:
        """Forget the sound so far, between two hops."""
        self._start_afresh()
        told = {"bin": self.next_bin, "s": self.next_bin * self._batch.hop_samples}
        self._outlet.event("reset", **told)
        return told

    def flag_next(self, flags: Flags) -> None:
        """Let the next message bear flags."""
        self._next_flags |= int(flags)

    def changed(self, change: Change) -> dict[str, Any]:
        """Tell that a live parameter was changed, between two hops."""
        self._next_flags |= PARAMETER_CHANGED
        told = {"parameter": change.name, "value": change.value, "bin": self.next_bin}
        self._outlet.event("parameter", **told)
        return told

    def ask_state(self, first_bin: int, give: Callable[[ModelState], None]) -> None:
        """Have `give` called with the state before the first bin that is heard from that one on; from any thread."""
        self._states_asked.append((first_bin, give))

    def status(self) -> dict[str, Any]:
        """Return what changes; read from other threads."""
        load_p50, load_p99 = self._loads.of(50, 99)
        latency_p50, latency_p99 = self._latencies_ms.of(50, 99)
        return {
            "bins": self._bins,
            "bins_missing": self._bins_missing,
            "load_p50": round(load_p50, 5),
            "load_p99": round(load_p99, 5),
            "latency_p50_ms": round(latency_p50, 4),
            "latency_p99_ms": round(latency_p99, 4),
            "overloaded": self._ladder.level > 0,
            "overload": LEVELS[self._ladder.level],
            "overload_steps": self._ladder.steps_up,
            "queue": len(self._queue),
            "dropped_hops": self._queue.dropped_hops,
        }

    # --- parts ------------------------------------------------------------------------------------------------------

    def _follow_overload(self, waiting: int) -> None:
        dropped = self._queue.dropped_hops - self._dropped_told
        for step in self._ladder.follow(waiting, heard=self._heard_since, dropped=dropped > 0):
            told = self._ladder.told(step, dropped)
            self._outlet.event("overload", **told, queue=waiting, bin=self.next_bin)
        self._dropped_told += dropped
        self._heard_since = 0

    def _listened_to(self, hops: list[Hop]) -> list[Hop]:
        if self._deaf:
            return []
        if self._listening_from_ns is None:
            return hops
        return [hop for hop in hops if hop.t_cap_ns > self._listening_from_ns]

    def _sound(self, hops: list[Hop]) -> np.ndarray:
        sound = hops[0].samples_pa[None] if len(hops) == 1 else np.stack([hop.samples_pa for hop in hops])
        gain_db = self._gain_db + self._parameters.gain_db
        return sound * np.float32(10 ** (gain_db / 20)) if gain_db else sound

    def _give_states(self, index: int) -> None:
        """Give the state before a bin, on which its gap has not told yet, to those who asked for it."""
        asked = [self._states_asked.popleft() for _ in range(len(self._states_asked))]
        self._states_asked.extend(each for each in asked if each[0] > index)
        given = [give for first_bin, give in asked if first_bin <= index]
        if not given:
            return
        gain_db, snapshot = self._gain_db + self._parameters.gain_db, self._batch.runner.snapshot(self.lane)
        for give in given:
            give(ModelState(index, gain_db, self._gain_db, self.lane, self._batch.lanes, snapshot))

    def _take_flags(self, hop: Hop, gap: int) -> int:
        """Return what is to be told of a hop, and bring the state in line with it."""
        flags, self._next_flags = self._next_flags, 0
        if gap:
            self._tell_gap(gap, hop.index)
            flags |= DISCONTINUITY
            if self._config.reset_after_gap:
                self._start_afresh()
                flags, self._next_flags = flags | self._next_flags, 0
        if hop.loss_begins:
            flags |= DISCONTINUITY
        if hop.concealed:
            flags |= CONCEALED
        if self._ladder.level:
            flags |= OVERLOADED
        if self._bins_since_start < self._warming_bins:
            flags |= WARMING_UP
        return flags

    def _start_afresh(self) -> None:
        self._batch.reset(self.lane)
        self._bins_since_start = 0
        self._next_flags |= DISCONTINUITY

    def _tell_gap(self, bins: int, before: int) -> None:
        self._bins_missing += bins
        self._outlet.event("gap", bins=bins, bin=before)

    def _publish_end(self, bins: int, gap: int) -> None:
        """Publish a message of no bins that says the run is over: the end is known only after the last hop."""
        now_ns = self._clock.now_ns()
        end = bins * self._batch.hop_samples
        header: dict[str, Any] = {
            "i0": bins,
            "s0": end,
            "s1": end,
            "t_cap": now_ns,
            "t_raw": now_ns,
            "t_proc": 0,
        }
        header |= {"gap": gap, "flags": self._always | int(Flags.LAST), "load": 0.0, "q": 0, "unit": UNITS["rates"]}
        self._outlet.rows("rates", header, np.empty((0, self._batch.loaded.model.out_neurons), dtype=np.float32))
