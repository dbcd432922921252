"""From a YAML file and `--set a.b=c` to a checked configuration, or one message that names every wrong key."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from rtstrf.errors import ConfigError


class Section(BaseModel):
    """A part of a configuration: unknown keys and wrong types are mistakes, and nothing changes once it is read."""

    # Strict: text is no number, and true is not 1. A whole number is a number.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


AnySection = TypeVar("AnySection", bound=Section)


def load_config(section: type[AnySection], path: str | Path | None, overrides: Sequence[str] = ()) -> AnySection:
    """Read a configuration.

    Parameters
    ----------
    section : type
        What it must hold.
    path : str or Path, optional
        A YAML file; without one, all defaults.
    overrides : sequence of str
        Each ``a.b=value``, the value read as YAML; later ones win.

    Raises
    ------
    ConfigError
        If the file cannot be read, a key is unknown, or a value is of the wrong type or out of range; every such key
        is named.

    Examples
    --------
    >>> from rtstrf.config.live import LiveConfig
    >>> load_config(LiveConfig, None, ["wire.stream=booth-1"]).wire.stream
    'booth-1'
    """
    values = {} if path is None else read_yaml(Path(path))
    for override in overrides:
        apply_override(values, override)
    return check(section, values, str(path) if path is not None else "the configuration")


def check(section: type[AnySection], values: dict[str, Any], where: str) -> AnySection:
    """Check a nested dict against a section."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        told = [_tell(section, problem) for problem in error.errors(include_url=False)]
        raise ConfigError(
            f"{where} cannot be used:\n  " + "\n  ".join(told), remedy="docs/configuration.md lists every key"
        ) from None


# PyYAML raises the others where a tag, a date or a number is not what it says, or lists are nested beyond the stack.
NOT_YAML = (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, in which 2e3 is a number and a key that stands twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.MarkedYAMLError(None, None, f"the key {twice!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


# YAML 1.1 takes numbers such as 2e3 and 1e-4 for text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), "-+0123456789"
)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError as error:
        raise ConfigError(
            f"no configuration file {str(path)!r}", remedy="the folder configs has some to start from"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", remedy="give a YAML text file") from error
    except NOT_YAML as error:
        raise ConfigError(f"{path} is not valid YAML: {error}", remedy="correct it there") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path} holds a {type(values).__name__}, not keys with values", remedy="begin with: model: ..."
        )
    return values


def apply_override(values: dict[str, Any], override: str) -> None:
    """Put ``a.b=value`` into a nested dict."""
    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(
            f"{override!r} sets nothing", remedy="write it as key=value, for example source.level_db_spl=65"
        )
    try:
        value = yaml.load(text, _Loader)
    except NOT_YAML as error:
        raise ConfigError(f"the value of {key} is not valid YAML: {text!r}", remedy="put it in quotes") from error
    inner = values
    for name in names[:-1]:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"{key}: {name} is a value, it has no keys below it", remedy="docs/configuration.md lists every key"
            )
    inner[names[-1]] = value


def _tell(section: type[BaseModel], problem: Any) -> str:
    names, model = _walk(section, problem["loc"])
    place = ".".join(names) or "it"
    if problem["type"] == "extra_forbidden":
        return f"{place}: no such key" + (f"; there are {', '.join(model.model_fields)}" if model is not None else "")
    return f"{place}: {problem['msg'].lower()} (given: {repr(problem.get('input'))[:60]})"


def _walk(section: type[BaseModel], location: tuple[Any, ...]) -> tuple[list[str], type[BaseModel] | None]:
    """Return the keys of a location as the user writes them, and the section that holds the last of them.

    Pydantic puts the kind of a section that comes in several kinds into the location, where the user has no key.
    """
    names: list[str] = []
    holder: type[BaseModel] | None = section
    choices: dict[Any, type[BaseModel]] = {}
    below: Any = None
    for part in location:
        if part in choices:
            holder, choices = choices[part], {}
            continue
        names.append(str(part))
        if part == location[-1]:
            break
        if isinstance(part, int):
            below = next(iter(typing.get_args(below)), None)  # what a list holds
        else:
            found = holder.model_fields.get(str(part)) if holder is not None else None
            below = found.annotation if found is not None else None
        inside = list(_sections(below))
        choices = {m.model_fields["kind"].default: m for m in inside if "kind" in m.model_fields}
        holder = inside[0] if len(inside) == 1 else None
    return names, holder


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections that a value may be, those of a list left out."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif typing.get_origin(annotation) in (typing.Annotated, typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            yield from _sections(part)
