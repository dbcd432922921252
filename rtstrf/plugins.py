"""What other installed packages add: found by entry points, imported only where it is used or listed.

    group                 name in the configuration       what it is
    rtstrf.sources        source.kind                     a subclass of rtstrf.sound.source.Source
    rtstrf.models         _model_class of a checkpoint    a subclass of rtstrf.models.model.AuditoryModel
    rtstrf.front_ends     wav2spec of a sidecar           a subclass of rtstrf.stream.StreamModule
    rtstrf.sinks          sinks[].plugin                  a subclass of rtstrf.sinks.sink.Sink with its Options
    rtstrf.actions        triggers[].action.plugin        a function of an event's details

A plugin that does not load is named with its package and what it raised, and touches nothing but those who ask for it.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rtstrf.errors import ConfigError

# What an entry point of each group must be; named, not imported, since some need torch.
BASES: dict[str, tuple[str, str] | None] = {
    "rtstrf.sources": ("rtstrf.sound.source", "Source"),
    "rtstrf.models": ("rtstrf.models.model", "AuditoryModel"),
    "rtstrf.front_ends": ("rtstrf.stream", "StreamModule"),
    "rtstrf.sinks": ("rtstrf.sinks.sink", "Sink"),
    "rtstrf.actions": None,  # any function
}


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry point of an installed package.

    Attributes
    ----------
    group, name : str
    target : str
        ``module:attribute``.
    package : str
        Name and version of the distribution, empty where it has no metadata.
    """

    group: str
    name: str
    target: str
    package: str

    @property
    def words(self) -> str:
        """The plugin, as a person would name it."""
        return f"the plugin {self.name!r} ({self.target}{f', of {self.package}' if self.package else ''})"


def find_plugins(group: str | None = None) -> list[Plugin]:
    """Return what is installed, of one group or of all, in order of group and name; nothing of it is imported.

    Examples
    --------
    >>> all(plugin.group == "rtstrf.sinks" for plugin in find_plugins("rtstrf.sinks"))
    True
    """
    groups = list(BASES) if group is None else [group]
    return [_told(entry) for each in groups for entry in sorted(entry_points(group=each), key=lambda e: e.name)]


def has_plugin(group: str, name: str) -> bool:
    """Return whether a plugin of that name is installed."""
    return bool(entry_points(group=group, name=name))


def load_plugin(group: str, name: str) -> Any:
    """Import a plugin and check that it is what its group asks for.

    Parameters
    ----------
    group : {"rtstrf.sources", "rtstrf.models", "rtstrf.front_ends", "rtstrf.sinks", "rtstrf.actions"}
    name : str

    Returns
    -------
    plugin : class or function

    Raises
    ------
    ConfigError
        If there is none, or more than one, of that name; if importing it fails; or if it is something else. The message
        names the plugin and its package.
    """
    found = list(entry_points(group=group, name=name))
    # The same package may be found twice, installed and in a source tree.
    targets = {entry.value for entry in found}
    if not found:
        there = [plugin.name for plugin in find_plugins(group)]
        raise ConfigError(
            f"no plugin {name!r} of the group {group} is installed",
            remedy=f"installed are {', '.join(there)}" if there else "none is: `rtstrf plugins` lists them",
        )
    if len(targets) > 1:
        owners = ", ".join(sorted(_told(entry).package or entry.value for entry in found))
        raise ConfigError(f"several packages have a plugin {name!r}: {owners}", remedy="uninstall all but one of them")
    plugin = _told(found[0])
    try:
        loaded = found[0].load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module does when it is imported
        raise ConfigError(
            f"{plugin.words} cannot be loaded: {type(error).__name__}: {error}",
            remedy="mend or uninstall its package",
        ) from error
    wrong = _what_is_wrong(group, loaded)
    if wrong is not None:
        raise ConfigError(f"{plugin.words} is {wrong}", remedy="ask its author: docs/plugins.md has the contract")
    return loaded


def _what_is_wrong(group: str, loaded: Any) -> str | None:
    base = BASES[group]
    if base is None:
        return None if callable(loaded) else f"a {type(loaded).__name__}, and not a function"
    module, name = base
    needed = getattr(importlib.import_module(module), name)
    if not (isinstance(loaded, type) and issubclass(loaded, needed)):
        return f"{loaded!r}, and not a subclass of {module}.{name}"
    missing = sorted(getattr(loaded, "__abstractmethods__", ()))
    if missing:
        return f"a {name} that lacks {', '.join(missing)}"
    if group == "rtstrf.sinks":
        from rtstrf.config.load import Section

        options = getattr(loaded, "Options", None)
        if not (inspect.isclass(options) and issubclass(options, Section)):
            return f"a {name} without a class Options, a subclass of rtstrf.config.load.Section"
    return None


def _told(entry: EntryPoint) -> Plugin:
    dist = entry.dist
    package = f"{dist.metadata['Name']} {dist.version}" if dist is not None else ""
    return Plugin(entry.group, entry.name, entry.value, package)
