"""Every key of a live session's configuration."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from rtstrf.config.load import Section
from rtstrf.config.sources import SECTIONS, AnySource
from rtstrf.errors import ConfigError

OptionalTopic = Literal["spectrogram", "onoff", "level"]


class WireSection(Section):
    """Where the stream can be read and steered."""

    data: str = Field("tcp://127.0.0.1:5590", description="endpoint that publishes; port 0 takes a free one")
    control: str = Field("tcp://127.0.0.1:5591", description="endpoint that answers requests; port 0 takes a free one")
    stream: str = Field("main", description="name of the stream, the second part of every topic")
    topics: tuple[OptionalTopic, ...] = Field(
        ("spectrogram", "onoff", "level"), strict=False, description="what to publish beside the rates, for displays"
    )
    queue_messages: int = Field(1024, ge=16, description="messages that may wait for the network thread")
    insecure_lan: bool = Field(
        False, description="allow endpoints that other machines can reach, unencrypted and open to anybody"
    )

    @field_validator("topics")
    @classmethod
    def _each_once(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(topics)) != len(topics):
            raise ValueError("each topic once")
        return topics


class EngineSection(Section):
    """How sound is handed from thread to thread, and what happens when some of it is lost."""

    block_samples: int = Field(240, ge=1, le=1_000_000, description="samples read at a time from a paced source")
    queue_hops: int = Field(
        400, ge=2, description="hops that may wait for the model; a live source loses what exceeds it"
    )
    overload_hops: int = Field(8, ge=1, description="waiting hops from which messages carry the flag OVERLOADED")
    conceal_ms: float = Field(100.0, ge=0, description="longest loss that is filled with zeros; a longer one is a gap")
    reset_after_gap: bool = Field(True, description="start the model's state afresh after a gap")
    warming_up_ms: float = Field(500.0, ge=0, description="how long after a start messages carry the flag WARMING_UP")
    gain_db: float = Field(
        0.0, ge=-120, le=120, description="added to the level of the sound; can be set while it runs"
    )
    keep_sound: str | None = Field(
        None, description="a file to keep the sound in as it was heard (float WAV in pascals), to replay it exactly"
    )
    autostart: bool = Field(True, description="begin at once; otherwise wait for start on the control endpoint")
    threads: int = Field(1, ge=1, description="threads of one model step; 1 has the least jitter for one stream")


class LiveConfig(Section):
    """A live session: a sound, a model, and where the rates go."""

    model: str = Field(
        "statenet-gru-ns1", description="a bundled model by name, the folder of a checkpoint, or OWNER/NAME on the hub"
    )
    device: str = Field("cpu", description="where the model runs: cpu, cuda, cuda:1")
    source: AnySource = Field(
        default_factory=lambda: SECTIONS["microphone"](kind="microphone"), description="the sound"
    )
    wire: WireSection = Field(default_factory=WireSection, description="the network")
    engine: EngineSection = Field(default_factory=EngineSection, description="threads, queues and losses")


def choose_source(values: dict[str, Any], kind: str) -> None:
    """Let ``--source KIND`` replace the source section of a configuration, unless it is of that kind already."""
    if kind not in SECTIONS:
        raise ConfigError(f"no source {kind!r}", remedy=f"one of {', '.join(SECTIONS)}")
    section = values.get("source")
    if not (isinstance(section, dict) and section.get("kind") == kind):
        values["source"] = {"kind": kind}
