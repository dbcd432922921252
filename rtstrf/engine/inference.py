"""The inference thread: hops become messages."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from rtstrf.clock import NS_PER_S, RunClock
from rtstrf.config.live import EngineSection
from rtstrf.engine.handover import Handover
from rtstrf.engine.ledger import Hop
from rtstrf.engine.meters import Percentiles
from rtstrf.engine.outlet import Outlet
from rtstrf.engine.parameters import Change, Parameters
from rtstrf.pipeline import Bin, Pipeline
from rtstrf.sound.level import LevelMeter
from rtstrf.wire.message import Flags

# A spectrogram is in the model's own units, as its compression leaves them.
UNITS = {"rates": "Hz", "spectrogram": "a.u.", "onoff": "a.u.", "level": "dB SPL"}


class Inference:
    """Hear hop after hop, publish each at once.

    Parameters
    ----------
    pipeline, outlet, parameters, config, clock, handover
        As the engine made them.
    replayed : bool
        Whether the sound is a recording or synthetic, and messages say so.

    Notes
    -----
    All methods but `listen` and `status` belong to the thread that calls `run`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        outlet: Outlet,
        parameters: Parameters,
        config: EngineSection,
        clock: RunClock,
        handover: Handover,
        replayed: bool,
    ) -> None:
        self._pipeline = pipeline
        self._outlet = outlet
        self._parameters = parameters
        self._config = config
        self._clock = clock
        self._handover = handover
        self._always = Flags.REPLAY if replayed else Flags(0)
        self._hop_ns = round(pipeline.hop_samples * NS_PER_S / pipeline.rate_hz)
        self._warming_bins = round(config.warming_up_ms * 1e6 / self._hop_ns)
        self._meter = LevelMeter()
        self._loads, self._latencies_ms = Percentiles(), Percentiles()
        self._listening_from_ns: int | None = None
        self._deaf = True
        self._next_flags = Flags(0)
        self.next_bin = 0  # the bin that the next hop will make, heard or not
        self._published_to = 0  # bins before this one have been published, or counted as missing
        self._bins_since_start = 0
        self._overloaded = False
        self._bins = self._bins_missing = 0
        self._has_onoff = pipeline.module.has_onoff

    def run(self) -> None:
        """Work until the handover is closed and empty, then mark the end of the run."""
        while (item := self._handover.take()) is not None:
            if isinstance(item, Hop):
                self._hear(item)
            else:
                item()

    def finish(self, bins: int) -> None:
        """Publish the end of the run, after the last hop.

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
        told = {"bin": self.next_bin, "s": self.next_bin * self._pipeline.hop_samples}
        self._outlet.event("reset", **told)
        return told

    def change(self, change: Change) -> dict[str, Any]:
        """Change a live parameter, between two hops."""
        self._parameters.apply(change)
        self._next_flags |= Flags.PARAMETER_CHANGED
        told = {"parameter": change.name, "value": change.value, "bin": self.next_bin}
        self._outlet.event("parameter", **told)
        return told

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
            "overloaded": self._overloaded,
        }

    def _hear(self, hop: Hop) -> None:
        self.next_bin = hop.index + 1
        if self._deaf or (self._listening_from_ns is not None and hop.t_cap_ns <= self._listening_from_ns):
            return  # the bins that pass are missing from the next message on
        gap = hop.index - self._published_to
        flags = self._always | self._take_flags(hop, gap)
        began_ns = time.perf_counter_ns()
        samples = hop.samples_pa
        if self._parameters.gain_db:
            samples = samples * np.float32(10 ** (self._parameters.gain_db / 20))
        heard = self._pipeline.hear(samples)
        level_db_spl = self._meter.push(samples[None])
        t_proc_ns = time.perf_counter_ns() - began_ns
        waiting = len(self._handover)
        # Over at half the limit only, so that a queue about as long as the limit is one overload, not many.
        limit = self._config.overload_hops
        if waiting <= limit // 2 if self._overloaded else waiting >= limit:
            self._overloaded = not self._overloaded
            self._outlet.event("overload", on=self._overloaded, queue=waiting, bin=heard.index)
        if self._overloaded:
            flags |= Flags.OVERLOADED
        self._publish(hop, heard, level_db_spl, {"gap": gap, "flags": int(flags), "t_proc": t_proc_ns, "q": waiting})
        self._loads.add(t_proc_ns / self._hop_ns)
        self._latencies_ms.add((time.monotonic_ns() - hop.t_cap_ns) / 1e6)

    def _take_flags(self, hop: Hop, gap: int) -> Flags:
        """Return what is to be told of a hop, and bring the state in line with it."""
        flags, self._next_flags = self._next_flags, Flags(0)
        if gap:
            self._tell_gap(gap, hop.index)
            self._pipeline.skip(hop.index - self._pipeline.next_bin)
            flags |= Flags.DISCONTINUITY
            if self._config.reset_after_gap:
                self._start_afresh()
                flags, self._next_flags = flags | self._next_flags, Flags(0)
        if hop.loss_begins:
            flags |= Flags.DISCONTINUITY
        if hop.concealed:
            flags |= Flags.CONCEALED
        if self._bins_since_start < self._warming_bins:
            flags |= Flags.WARMING_UP
        self._bins_since_start += 1
        return flags

    def _start_afresh(self) -> None:
        self._pipeline.reset()
        self._bins_since_start = 0
        self._next_flags |= Flags.DISCONTINUITY

    def _publish(self, hop: Hop, heard: Bin, level_db_spl: np.ndarray, told: dict[str, int]) -> None:
        hop_samples = self._pipeline.hop_samples
        header: dict[str, Any] = {
            "i0": heard.index,
            "s0": heard.index * hop_samples,
            "s1": (heard.index + 1) * hop_samples,
            "t_cap": hop.t_cap_ns - self._clock.start_ns,
            "t_raw": hop.t_raw_ns - self._clock.start_ns,
            "load": round(told["t_proc"] / self._hop_ns, 5),
            **told,
        }
        self._outlet.rows("rates", {**header, "unit": UNITS["rates"]}, heard.rates_hz[None])
        rows = {"spectrogram": heard.spectrogram, "onoff": heard.onoff, "level": level_db_spl}
        for kind in self._parameters.topics:
            if kind != "onoff" or self._has_onoff:
                self._outlet.rows(kind, {**header, "unit": UNITS[kind]}, rows[kind][None])
        self._published_to = heard.index + 1
        self._bins += 1

    def _tell_gap(self, bins: int, before: int) -> None:
        self._bins_missing += bins
        self._outlet.event("gap", bins=bins, bin=before)

    def _publish_end(self, bins: int, gap: int) -> None:
        """Publish a message of no bins that says the run is over: the end is known only after the last hop."""
        now_ns = self._clock.now_ns()
        end = bins * self._pipeline.hop_samples
        header: dict[str, Any] = {
            "i0": bins,
            "s0": end,
            "s1": end,
            "t_cap": now_ns,
            "t_raw": now_ns,
            "t_proc": 0,
        }
        header |= {"gap": gap, "flags": int(self._always | Flags.LAST), "load": 0.0, "q": 0, "unit": UNITS["rates"]}
        self._outlet.rows("rates", header, np.empty((0, self._pipeline.loaded.model.out_neurons), dtype=np.float32))
