"""The `sinks` section of a configuration: plugins that take the stream in this process, each with its own options."""

from __future__ import annotations

import typing
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, WrapValidator, create_model

from rtstrf.config.load import Section
from rtstrf.plugins import load_plugin


class SinkSection(Section):
    """Which sink; the other keys are its own."""

    plugin: str = Field(description="its name, as `rtstrf plugins` lists it; the other keys are its own options")


def _check(value: Any, handler: typing.Callable[[Any], SinkSection]) -> SinkSection:
    """Check the options of a sink with the class that it brings, which is imported for that."""
    if isinstance(value, SinkSection):
        return value  # checked before
    name = value.get("plugin") if isinstance(value, dict) else None
    if not isinstance(name, str):
        return handler(value)  # whose words for it are good
    sink = load_plugin("rtstrf.sinks", name)  # whose ConfigError says more than a list of keys could
    model = create_model(f"{sink.__name__}Section", __base__=(sink.Options, SinkSection))
    return typing.cast(SinkSection, model.model_validate(value))


if typing.TYPE_CHECKING:
    AnySink = SinkSection
else:
    AnySink = Annotated[
        SinkSection, WrapValidator(_check), PlainSerializer(lambda section, info: section.model_dump(mode=info.mode))
    ]
