"""The `record` section of a configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from rtstrf.config.load import Section


class RecordSection(Section):
    """Whether and where the session is recorded (docs/recording.md)."""

    folder: str | None = Field(
        None, description="a folder that takes recordings, each in a folder of its own; null: nothing can be recorded"
    )
    topics: tuple[Literal["spectrogram", "onoff", "level", "spikes"], ...] = Field(
        (), strict=False, description="what to record beside sound, rates and events, of what `wire.topics` publishes"
    )
    autostart: bool = Field(
        True, description="record from the beginning; otherwise wait for record.start on the control endpoint"
    )

    @field_validator("topics")
    @classmethod
    def _each_once(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(topics)) != len(topics):
            raise ValueError("each topic once")
        return topics
