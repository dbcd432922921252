"""The `source` section: its keys are the options of the sources themselves, with their types, defaults and words.

A source's constructor is the one place where an option is defined; this file derives from it what a configuration may
say, so that the two cannot differ.
"""

from __future__ import annotations

import inspect
import re
import typing
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, WrapValidator, create_model

from rtstrf.config.load import Section
from rtstrf.plugins import has_plugin, load_plugin
from rtstrf.sound.make import SOURCES
from rtstrf.sound.source import Source

HAS_OWN_CLOCK = ("microphone", "stdin")
NOT_FOR_CONFIGS = ("stream",)  # a Python object, not something one can write in YAML


class SourceSection(Section):
    """Which sound, and its options."""

    kind: str

    def options(self) -> dict[str, Any]:
        """Return the options that the source's constructor takes."""
        return {name: value for name, value in self if name not in ("kind", "speed")}


class PacedSourceSection(SourceSection):
    """A sound without a clock of its own."""

    speed: float | None = Field(
        1.0, gt=0, description="how fast to play it: 1 is real time, null as fast as it can be read"
    )


def section_of(kind: str, source: Any) -> type[SourceSection]:
    """Build the section of one kind of source from the signature and the docstring of its class."""
    hints = typing.get_type_hints(source.__init__)
    words = parameter_docs(source)
    fields: dict[str, Any] = {"kind": (Literal[kind], Field(kind, description="this source"))}
    for name, parameter in inspect.signature(source).parameters.items():
        if name in NOT_FOR_CONFIGS:
            continue
        annotation = str if name == "path" else hints.get(name, Any)
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (annotation, Field(default, description=words.get(name, "")))
    base = SourceSection if kind in HAS_OWN_CLOCK or getattr(source, "live", False) else PacedSourceSection
    return create_model(f"{source.__name__}Section", __base__=base, __doc__=inspect.getdoc(source), **fields)


def parameter_docs(documented: type) -> dict[str, str]:
    """Return what a numpydoc docstring says of each parameter, in one line."""
    text = inspect.getdoc(documented) or ""
    match = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    docs: dict[str, str] = {}
    names: list[str] = []
    for line in (match.group(1) if match else "").splitlines():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.split(":")[0].split(",")]
        else:
            for name in names:
                docs[name] = f"{docs.get(name, '')} {line.strip()}".strip()
    return docs


SECTIONS: dict[str, type[SourceSection]] = {kind: section_of(kind, source) for kind, source in SOURCES.items()}

if typing.TYPE_CHECKING:
    AnySource = SourceSection  # which classes there are is known only when this runs
else:
    AnySource = Annotated[
        typing.Union[tuple(SECTIONS.values())],  # noqa: UP007
        Field(discriminator="kind"),
        WrapValidator(lambda value, handler: _check(value, handler)),
        PlainSerializer(lambda section, info: section.model_dump(mode=info.mode)),
    ]


def is_source(kind: str) -> bool:
    """Return whether there is a source of that kind: one of ours, or a plugin's, which is not imported for this."""
    return kind in SECTIONS or has_plugin("rtstrf.sources", kind)


def make_source(section: SourceSection) -> Source:
    """Build the source that a section describes, not opened yet."""
    made = SOURCES[section.kind] if section.kind in SOURCES else load_plugin("rtstrf.sources", section.kind)
    return made(**section.options())


def _check(value: Any, handler: typing.Callable[[Any], SourceSection]) -> SourceSection:
    """Check a section of a plugin's source by the plugin's own constructor; our own kinds come first."""
    if isinstance(value, SourceSection):
        return value  # checked before
    kind = value.get("kind") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind not in SECTIONS and has_plugin("rtstrf.sources", kind):
        return section_of(kind, load_plugin("rtstrf.sources", kind)).model_validate(value)
    return handler(value)
