"""Every key of a live session's configuration."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from rtstrf.config.load import Section
from rtstrf.config.record import RecordSection
from rtstrf.config.sinks import AnySink
from rtstrf.config.sources import SECTIONS, AnySource, is_source
from rtstrf.config.spikes import SpikesSection
from rtstrf.config.triggers import TriggerSection
from rtstrf.errors import ConfigError

OptionalTopic = Literal["spectrogram", "onoff", "level", "spikes"]


class WireSection(Section):
    """Where the stream can be read and steered."""

    data: str = Field("tcp://127.0.0.1:5590", description="endpoint that publishes; port 0 takes a free one")
    control: str = Field("tcp://127.0.0.1:5591", description="endpoint that answers requests; port 0 takes a free one")
    stream: str = Field("main", description="name of the stream, the second part of every topic")
    topics: tuple[OptionalTopic, ...] = Field(
        ("spectrogram", "onoff", "level"), strict=False, description="what to publish beside the rates"
    )
    queue_messages: int = Field(1024, ge=16, description="messages that may wait for the network thread")
    hold_messages: int = Field(
        320,
        ge=64,
        description="messages of each stream held for a client that does not read, before it loses them",
    )
    keys: str | None = Field(
        None, description="a folder made by rtstrf keys: everything is encrypted, and only clients allowed there get in"
    )
    insecure_lan: bool = Field(
        False, description="allow endpoints that other machines can reach, unencrypted and open to anybody"
    )

    @field_validator("topics")
    @classmethod
    def _each_once(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(topics)) != len(topics):
            raise ValueError("each topic once")
        return topics


class OverloadSection(Section):
    """What is done, step by step, when sound comes faster than it is computed; each step is an event."""

    rungs: tuple[Literal["chunks", "shed"], ...] = Field(
        ("chunks", "shed"),
        strict=False,
        description="what is tried before sound is dropped: several hops in one step of the model, and optional topics "
        "left out",
    )
    chunks_from_hops: int = Field(
        8, ge=1, description="waiting hops from which messages carry OVERLOADED and several hops go into one step"
    )
    shed_from_hops: int = Field(40, ge=1, description="waiting hops from which only the rates are published")
    most_hops_a_step: int = Field(
        16, ge=1, le=256, description="hops in one step, at most; rounded down to a power of two"
    )
    keep_hops: int = Field(4, ge=0, description="newest hops that are kept when a full queue is dropped")
    calm_hops: int = Field(
        100, ge=1, description="hops heard with at most half as many waiting before a step is taken back"
    )

    @model_validator(mode="after")
    def _in_order(self) -> OverloadSection:
        if self.shed_from_hops < self.chunks_from_hops:
            raise ValueError("shed_from_hops is not below chunks_from_hops")
        return self


class EngineSection(Section):
    """How sound is handed from thread to thread, and what happens when some of it is lost."""

    block_samples: int = Field(240, ge=1, le=1_000_000, description="samples read at a time from a paced source")
    queue_hops: int = Field(
        400, ge=2, description="hops that may wait for the model; when there are more, a live source loses the oldest"
    )
    overload: OverloadSection = Field(
        default_factory=OverloadSection, description="what is done when more and more hops wait"
    )
    conceal_ms: float = Field(100.0, ge=0, description="longest loss that is filled with zeros; a longer one is a gap")
    reset_after_gap: bool = Field(True, description="start the model's state afresh after a gap")
    on_source_lost: Literal["wait", "end"] | None = Field(
        None,
        description="what to do when the sound fails: wait until it is back, or end; by default wait for a microphone, "
        "end for a file",
    )
    warming_up_ms: float = Field(500.0, ge=0, description="how long after a start messages carry the flag WARMING_UP")
    gain_db: float = Field(
        0.0, ge=-120, le=120, description="added to the level of the sound; can be set while it runs"
    )
    autostart: bool = Field(True, description="begin at once; otherwise wait for start on the control endpoint")
    spare_lanes: int = Field(0, ge=0, le=4096, description="streams that can be added while it runs")
    threads: int = Field(1, ge=1, description="threads of one model step; 1 has the least jitter for one stream")
    affinity: tuple[int, ...] | None = Field(
        None,
        strict=False,
        min_length=1,
        description="cores that the threads which capture and compute may run on, such as [1]; by default all",
    )
    priority: int | None = Field(
        None,
        ge=1,
        le=99,
        description="real-time priority (SCHED_FIFO) of these threads; where it is not permitted the greeting and an "
        "event say so",
    )


class StreamSection(Section):
    """One of several streams of a session."""

    name: str = Field(description="the second part of its topics")
    source: AnySource = Field(description="its sound")
    gain_db: float = Field(0.0, ge=-120, le=120, description="added to the level of its sound")


class LiveConfig(Section):
    """A live session: a sound, a model, and where the rates go."""

    model: str = Field(
        "statenet-gru-ns1", description="a bundled model by name, the folder of a checkpoint, or OWNER/NAME on the hub"
    )
    device: str = Field("cpu", description="where the model runs: cpu, cuda, cuda:1")
    backend: Literal["auto", "eager", "traced", "compiled", "cuda-graph"] = Field(
        "auto", description="how a hop is computed; auto: on a GPU cuda-graph, on a CPU what rtstrf compile has made, "
        "otherwise traced",
    )  # fmt: skip
    source: AnySource = Field(
        default_factory=lambda: SECTIONS["microphone"](kind="microphone"), description="the sound"
    )
    streams: tuple[StreamSection, ...] = Field(
        (), strict=False, description="several sounds at once, each a stream of its own, in place of source"
    )
    wire: WireSection = Field(default_factory=WireSection, description="the network")
    engine: EngineSection = Field(default_factory=EngineSection, description="threads, queues and losses")
    spikes: SpikesSection = Field(default_factory=SpikesSection, description="spikes drawn from the rates")
    record: RecordSection = Field(default_factory=RecordSection, description="recording the session")
    triggers: tuple[TriggerSection, ...] = Field(
        (), strict=False, description="what happens when rates cross a threshold"
    )
    sinks: tuple[AnySink, ...] = Field((), strict=False, description="plugins that take the stream in this process")

    @field_validator("triggers")
    @classmethod
    def _each_name_once(cls, triggers: tuple[TriggerSection, ...]) -> tuple[TriggerSection, ...]:
        if len({trigger.name for trigger in triggers}) != len(triggers):
            raise ValueError("each name of a trigger once")
        return triggers

    @model_validator(mode="after")
    def _records_what_is_published(self) -> LiveConfig:
        missing = [topic for topic in self.record.topics if topic not in self.wire.topics]
        if missing:
            raise ValueError(f"record.topics has {missing[0]}, and wire.topics has not")
        return self

    @model_validator(mode="after")
    def _streams_or_source(self) -> LiveConfig:
        names = [stream.name for stream in self.streams]
        if len(set(names)) != len(names):
            raise ValueError("each name of a stream once")
        if self.streams and "source" in self.model_fields_set:
            raise ValueError("give source or streams, not both")
        return self


def choose_source(values: dict[str, Any], kind: str) -> None:
    """Let ``--source KIND`` replace the source section of a configuration, unless it is of that kind already."""
    if not is_source(kind):
        raise ConfigError(f"no source {kind!r}", remedy=f"one of {', '.join(SECTIONS)}")
    section = values.get("source")
    if not (isinstance(section, dict) and section.get("kind") == kind):
        values["source"] = {"kind": kind}
