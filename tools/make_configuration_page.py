"""Write docs/configuration.md from the configuration itself, so that the page cannot differ from the program.

    python tools/make_configuration_page.py [--check]

With --check nothing is written; the exit code is 1 where the page is out of date.
"""

from __future__ import annotations

import argparse
import sys
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rtstrf.config.live import LiveConfig
from rtstrf.config.sources import SECTIONS

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

HEAD = """\
# Configuration of a live session

This page is written by `python tools/make_configuration_page.py` from the program.

A configuration is a YAML file for `rtstrf live CONFIG`; every key has a default, and `--set a.b=value` overrides one.
`--source KIND` chooses the source; `streams` takes several, each with a `name` and a `source`. Unknown
keys and wrong types are refused, all at once, before anything starts. The folder `configs` has some to
start from. (`rtstrf fit` has its own keys: docs/fitting.md.)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    page = render()
    if args.check:
        return 0 if PAGE.read_text(encoding="utf-8") == page else 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


def render() -> str:
    """Return the text of the page."""
    parts = [HEAD, "## Top level\n", *tables(LiveConfig, "")]
    for kind, section in SECTIONS.items():
        summary = (section.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        parts += [f"## `source` of kind `{kind}`\n", f"{summary}\n", table(section, skip=("kind",))]
    return "\n".join(parts)


def tables(section: type[BaseModel], place: str) -> list[str]:
    """Return the keys of a section as a table, then those of the sections in it, each under a heading of its own."""
    below = {name: found for name, field in section.model_fields.items() if (found := sections_in(field.annotation))}
    parts = [table(section, skip=tuple(below))]
    for name, found in below.items():
        where = f"each of `{place}{name}`" if is_list(section.model_fields[name]) else f"`{place}{name}`"
        for inner in found:
            if inner in SECTIONS.values():  # sources have a place of their own
                continue
            kind = f" of kind `{inner.model_fields['kind'].default}`" if len(found) > 1 else ""
            parts += [f"## {where}{kind}\n", f"{inner.__doc__}\n", *tables(inner, f"{place}{name}.")]
    return parts


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections that a type names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in typing.get_args(annotation) for found in sections_in(part)]


def is_list(field: FieldInfo) -> bool:
    """Tell whether a key holds a list."""
    return typing.get_origin(field.annotation) is tuple


def table(section: type[BaseModel], skip: tuple[str, ...] = ()) -> str:
    """Return the keys of a section as a table."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in section.model_fields.items():
        if name not in skip:
            rows.append(f"| `{name}` | {kind_of(field)} | {default_of(field)} | {meaning_of(field)} |")
    return "\n".join(rows) + "\n"


PLAIN = {
    dict[str, Any]: "keys of its own",
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    type(None): "null",
}


def kind_of(field: FieldInfo) -> str:
    """Return the type as a person would write it."""
    return plain(field.annotation)


def plain(annotation: Any) -> str:
    """Return a type in words; unions are spelled differently by Python 3.10 and later ones."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is tuple:
        return f"list of {plain(parts[0])}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(plain(part) for part in parts)
    return PLAIN[annotation]


def default_of(field: FieldInfo) -> str:
    """Return the default as one would write it in YAML."""
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def meaning_of(field: FieldInfo) -> str:
    """Return what the key means, in one line that fits a table."""
    words = (field.description or "").replace("``", "`").replace("|", "\\|")
    starts_with_a_word = words[1:2].islower()
    return (words[:1].lower() + words[1:] if starts_with_a_word else words).rstrip(".")


if __name__ == "__main__":
    sys.exit(main())
