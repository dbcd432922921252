"""A recording run again: the recorded sound through the model, message by message, against the recorded rates.

What was done to the sound and to the state is done again where it was done: losses as zeros, gaps, resets, changes of
gain, and as many bins in a step as there were in each message.
"""

from __future__ import annotations

import hashlib
import platform
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, Field, ValidationError

from rtstrf.checkpoints.load import LoadedModel, load_model
from rtstrf.engine.realtime import deadline_thread
from rtstrf.errors import ConfigError, RecordError, StreamError
from rtstrf.pipeline import SoundToRates
from rtstrf.record.rebuild import Hops, resume_point
from rtstrf.record.recording import CHECK, Event, Facts, RecordedStream, Recording
from rtstrf.runner import StepRunner
from rtstrf.verify.measure import BOUND

PART_SAMPLES = 48_000


@dataclass(frozen=True, slots=True)
class Rerun:
    """How a stream that was run again compares with the record.

    Attributes
    ----------
    stream : str
    bins, units : int
        Compared.
    not_rerun_bins : int
        Recorded bins that cannot be run again, since the record does not hold the sound or the state before them.
    gaps, resets, gain_changes, chunks : int
        Done again; a chunk is a message of several bins.
    recorded_sha256, rerun_sha256 : str
        Of the rates that were compared, (bins, units) float32 little-endian in C order.
    largest_hz : float
        The largest difference; infinity where one side is not a number.
    at_bin, at_unit : int or None
        Where it is; None where there is none.
    peak_hz : float
        Of the recorded rates.
    made_by, rerun_by : dict
        What computed: ``device``, ``torch``, ``backend`` and so on.
    """

    stream: str
    bins: int
    units: int
    not_rerun_bins: int
    gaps: int
    resets: int
    gain_changes: int
    chunks: int
    recorded_sha256: str
    rerun_sha256: str
    largest_hz: float
    at_bin: int | None
    at_unit: int | None
    peak_hz: float
    made_by: dict[str, Any]
    rerun_by: dict[str, Any]

    @property
    def identical(self) -> bool:
        """Whether every bit is the same."""
        return self.recorded_sha256 == self.rerun_sha256

    @property
    def relative(self) -> float:
        """The largest difference as a part of the peak, at least 1 (as G1 counts)."""
        return self.largest_hz / max(1.0, self.peak_hz)

    @property
    def within_g1(self) -> bool:
        """Whether it is as close as any two ways of computing the same must be."""
        return self.relative <= BOUND[torch.float32]


@deadline_thread()  # rounding is that of the thread that was recorded
def rerun(
    recording: Recording,
    stream: str,
    loaded: LoadedModel,
    *,
    device: str | None = None,
    backend: str | None = None,
    threads: int = 1,
    on_progress: Callable[[float], None] | None = None,
) -> Rerun:
    """Run a stream of a recording again, and compare.

    Parameters
    ----------
    recording : Recording
    stream : str
        One of `recording.streams`.
    loaded : LoadedModel
        The model that was recorded (`model_of`), or another one to compare.
    device, backend : str, optional
        Where and how to compute; by default as it was recorded, where that can be had here, else eagerly on the CPU.
    threads : int
        Threads of a compiled step.
    on_progress : callable, optional
        Called with the part done, from 0 to 1.

    Raises
    ------
    RecordError
        If the record contradicts itself, or holds nothing to compare.
    ConfigError
        If the model has other units or bins.
    """
    recorded = recording.streams[stream]
    greeting = recording.manifest.greeting
    _check_model(recording, loaded)
    engine = _Again(recording, recorded, loaded, device, backend, threads)
    compared = _Compared(recorded.rates_hz.shape[1])
    messages = recorded.messages
    starts = np.cumsum(messages["n"]) - messages["n"]
    for number in range(len(messages)):
        n = int(messages["n"][number])
        row = int(starts[number])
        heard = engine.message(number)
        if heard is not None:
            compared.add(int(messages["i0"][number]), recorded.rates_hz[row : row + n], heard)
        elif n:
            compared.not_rerun_bins += n
        if on_progress is not None:
            on_progress((number + 1) / len(messages))
    if not compared.bins:
        raise RecordError(
            f"{recording.folder.name} holds no bins of {stream} that can be run again",
            remedy="see what it holds with: rtstrf record info",
        )
    return Rerun(
        stream=stream,
        bins=compared.bins,
        units=recorded.rates_hz.shape[1],
        not_rerun_bins=compared.not_rerun_bins,
        gaps=engine.done["gap"],
        resets=engine.done["reset"],
        gain_changes=engine.done["gain"],
        chunks=engine.done["chunk"],
        recorded_sha256=compared.recorded.hexdigest(),
        rerun_sha256=compared.rerun.hexdigest(),
        largest_hz=compared.largest_hz,
        at_bin=compared.at_bin,
        at_unit=compared.at_unit,
        peak_hz=compared.peak_hz,
        made_by=dict(greeting.device),
        rerun_by=_facts_of(engine.runner),
    )


def model_of(recording: Recording, name: str | None = None) -> LoadedModel:
    """Load the model of a recording, or the one that is named in its place.

    Raises
    ------
    CheckpointError
        If it cannot be found.
    ConfigError
        If the recorded model has other weights now; a model that is named is not held to them.
    """
    greeting = recording.manifest.greeting
    loaded = load_model(name or greeting.config.model)
    if name is None and loaded.weights_sha256 != greeting.weights_sha256:
        raise ConfigError(
            f"the model {greeting.model!r} has other weights ({loaded.weights_sha256[:12]}...) than were recorded "
            f"({greeting.weights_sha256[:12]}...)",
            remedy="name the checkpoint that was recorded with --model, or this one to compare the two",
        )
    return loaded


class _Again:
    """What the engine did for one stream, done again message by message."""

    def __init__(
        self,
        recording: Recording,
        recorded: RecordedStream,
        loaded: LoadedModel,
        device: str | None,
        backend: str | None,
        threads: int,
    ) -> None:
        greeting = recording.manifest.greeting
        wire, engine = greeting.config.wire, greeting.config.engine
        self._recorded = recorded
        self._reset_after_gap = engine.reset_after_gap
        self._states, self._before = _what_happened(recording.events, recorded)
        first = next(iter(self._states.values()), None)
        self._lanes = first.lanes if first is not None else 1
        self._lane = first.lane if first is not None else 0
        module = SoundToRates(loaded.model, loaded.sidecar.hz_per_response, show_onoff="onoff" in wire.topics)
        self.runner = _runner(module, self._lanes, greeting.device, device, backend, threads)
        rates = (recorded.source_rate_hz, greeting.sample_rate_hz, greeting.hop_samples)
        self._hop_samples = greeting.hop_samples
        conceal = round(engine.conceal_ms * recorded.source_rate_hz / 1000)
        self._hops = Hops(_parts(recorded, conceal, rates), *rates)
        self._gain_db = self._own_gain_db = 0.0
        self._knows_state = False
        self._end: int | None = None  # bin after the last message
        self.done: Counter[str] = Counter()

    def message(self, number: int) -> np.ndarray | None:
        """Return the rates of a message, (n, units); None where the record does not say enough, or it has no bins."""
        table = self._recorded.messages
        i0, n, gap = (int(table[column][number]) for column in ("i0", "n", "gap"))
        for event in self._before.get(number, ()):
            self._happens(event)
        if self._end is not None and i0 - gap != self._end:
            self._knows_state = False  # messages are missing in the record: who knows how they were heard
        self._end = i0 + n
        if not n:
            return None
        state = self._states.get(i0)
        if state is not None:
            self._restore(state)
        if not self._knows_state:
            return None
        if gap:
            self.done["gap"] += 1
            if self._reset_after_gap:
                self.runner.reset(self._lane)
        hops = [self._hops.take(index) for index in range(i0, i0 + n)]
        sound = [hop for hop in hops if hop is not None]
        if len(sound) < n:
            self._knows_state = False
            return None
        self.done["chunk"] += n > 1
        return self._hear(np.stack(sound))

    def _happens(self, event: Event) -> None:
        if event.name == "reset":
            self.done["reset"] += 1
            self.runner.reset(self._lane)
        elif event.name == "parameter" and event.details.get("parameter") == "engine.gain_db":
            self.done["gain"] += 1
            self._gain_db = self._own_gain_db + _said(event, _Gain).value
        elif event.name in ("record.hole", "record.missed"):
            self._knows_state = False

    def _restore(self, state: _State) -> None:
        self._gain_db, self._own_gain_db = state.gain_db, state.stream_gain_db
        try:
            self.runner.restore(self._lane, self._recorded.state(state.bin))
        except StreamError as error:
            raise ConfigError(
                "the recorded state belongs to another model",
                remedy="name the checkpoint that was recorded with --model",
            ) from error
        self._knows_state = True

    def _hear(self, hops: np.ndarray) -> np.ndarray:
        sound = hops * np.float32(10 ** (self._gain_db / 20)) if self._gain_db else hops
        if self._lanes == 1:
            out = self.runner.step(torch.from_numpy(sound).reshape(1, 1, -1))
        else:  # arrays of the same shape as then, since rounding depends on it
            wide = np.zeros((self._lanes, 1, sound.size), dtype=np.float32)
            wide[self._lane, 0] = sound.reshape(-1)
            active = torch.zeros(self._lanes, dtype=torch.bool)
            active[self._lane] = True
            out = self.runner.step(torch.from_numpy(wide), active)
        return np.ascontiguousarray(out["rates_hz"][self._lane].float().cpu().numpy().T)


class _Compared:
    """What is known of the difference so far."""

    def __init__(self, units: int) -> None:
        self.recorded, self.rerun = hashlib.sha256(), hashlib.sha256()
        self.bins = self.not_rerun_bins = 0
        self.largest_hz = self.peak_hz = 0.0
        self.at_bin: int | None = None
        self.at_unit: int | None = None
        self._units = units

    def add(self, i0: int, recorded_hz: np.ndarray, rerun_hz: np.ndarray) -> None:
        self.bins += len(recorded_hz)
        was, now = recorded_hz.astype("<f4").tobytes(), rerun_hz.astype("<f4").tobytes()
        self.recorded.update(was)
        self.rerun.update(now)
        finite = recorded_hz[np.isfinite(recorded_hz)]
        if finite.size:
            self.peak_hz = max(self.peak_hz, float(np.abs(finite).max()))
        if was == now:
            return
        with np.errstate(invalid="ignore"):
            apart = np.abs(recorded_hz.astype(np.float64) - rerun_hz.astype(np.float64))
        same = (recorded_hz == rerun_hz) | (np.isnan(recorded_hz) & np.isnan(rerun_hz))
        apart = np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
        worst = int(apart.argmax())
        if apart.flat[worst] > self.largest_hz:
            self.largest_hz = float(apart.flat[worst])
            self.at_bin, self.at_unit = i0 + worst // self._units, worst % self._units


class _State(BaseModel):
    """What the record says of the model's state before a bin."""

    bin: int = Field(ge=0, lt=2**53)
    gain_db: float = Field(ge=-1000, le=1000)
    stream_gain_db: float = Field(ge=-1000, le=1000)
    lane: int = Field(ge=0)
    lanes: int = Field(ge=1, le=8192)


class _Gain(BaseModel):
    """What the record says of a change of gain."""

    value: float = Field(ge=-1000, le=1000)


def _what_happened(events: list[Event], recorded: RecordedStream) -> tuple[dict[int, _State], dict[int, list[Event]]]:
    """Return the states of a stream by their bins, and what else bears on its rates by the message that it precedes."""
    states: dict[int, _State] = {}
    before: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.stream not in (None, recorded.name):
            continue
        if event.name == "record.state":
            state = _said(event, _State)
            if state.lane >= state.lanes:
                raise RecordError(f"lane {state.lane} of {state.lanes}", remedy=CHECK)
            states[state.bin] = state
        else:
            before[event.before_message.get(recorded.name, 0)].append(event)
    return states, before


def _said(event: Event, model: type[Facts]) -> Facts:
    """Return the details of an event, checked."""
    try:
        return model.model_validate(event.details)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
        raise RecordError(f"the event {event.name} does not say all it must: {places}", remedy=CHECK) from None


def _parts(
    recorded: RecordedStream, conceal_samples: int, rates: tuple[int, int, int]
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the recorded sound in order, zeros where it was lost, with its position on the source's clock.

    Of a loss so long that its middle is in no bin, only the ends are given.
    """
    period = resume_point(1, *rates).sample
    keep = 2 * (period + recorded.source_rate_hz)
    row = 0
    for at_sample, count, lost, _ in recorded.blocks.rows.tolist():
        begins = at_sample - lost
        ends = (
            [(begins, at_sample)]
            if lost <= max(2 * keep, conceal_samples)
            else [(begins, begins + keep), (at_sample - keep, at_sample)]
        )
        for first, end in ends:
            for at in range(first, end, PART_SAMPLES):
                yield at, np.zeros(min(PART_SAMPLES, end - at), dtype=np.float32)
        yield at_sample, np.asarray(recorded.sound_pa[row : row + count])
        row += count


def _check_model(recording: Recording, loaded: LoadedModel) -> None:
    greeting, sidecar = recording.manifest.greeting, loaded.sidecar
    recorded = (greeting.sample_rate_hz, greeting.hop_samples, len(greeting.units))
    own = (sidecar.sample_rate_hz, sidecar.hop_samples, loaded.model.out_neurons)
    if own != recorded:
        raise ConfigError(
            "the model hears {} Hz in hops of {} samples and has {} units; ".format(*own)
            + "recorded were {} Hz, {} samples and {} units".format(*recorded),
            remedy="name the checkpoint that was recorded with --model",
        )


def _runner(
    module: SoundToRates, lanes: int, made_by: dict[str, Any], device: str | None, backend: str | None, threads: int
) -> StepRunner:
    """Return what computes as it was recorded, or as is asked for; eagerly on the CPU where the former is not here."""
    recorded = (str(made_by.get("kind", "cpu")), str(made_by.get("backend", "eager")))
    try:
        wanted = (device or recorded[0], backend or recorded[1])
        return StepRunner(module, lanes, device=wanted[0], backend=wanted[1], threads=threads)
    except ConfigError:
        if device is not None or backend is not None:
            raise
        return StepRunner(module, lanes, threads=threads)


def _facts_of(runner: StepRunner) -> dict[str, Any]:
    """Return what computes, in the words of the greeting."""
    on_cpu = runner.device.type == "cpu"
    name = platform.processor() or platform.machine() if on_cpu else torch.cuda.get_device_name(runner.device)
    return {"kind": str(runner.device), "name": name, "torch": torch.__version__, "backend": runner.backend}
