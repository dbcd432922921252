"""What a client may change while the stream runs, and what it may only read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from rtstrf.config.live import EngineSection, LiveConfig, WireSection
from rtstrf.errors import ConfigError

# Name on the wire -> the section that checks its value. Everything else stays as it was started.
LIVE: dict[str, tuple[type[EngineSection] | type[WireSection], str]] = {
    "engine.gain_db": (EngineSection, "gain_db"),
    "wire.topics": (WireSection, "topics"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """A checked change of one parameter."""

    name: str
    value: Any


class Parameters:
    """The configuration as it is now.

    Examples
    --------
    >>> parameters = Parameters(LiveConfig())
    >>> parameters.apply(parameters.checked("engine.gain_db", -6))
    >>> parameters.get("engine.gain_db")
    {'name': 'engine.gain_db', 'value': -6.0, 'live': True}
    """

    def __init__(self, config: LiveConfig) -> None:
        self._config = config
        self.gain_db = config.engine.gain_db
        self.topics: tuple[str, ...] = config.wire.topics

    def get(self, name: str | None) -> dict[str, Any]:
        """Return one value by its dotted name, or all of them."""
        values = self._config.model_dump(mode="json")
        values["engine"]["gain_db"] = self.gain_db
        values["wire"]["topics"] = list(self.topics)
        if name is None:
            return {"values": values, "live": sorted(LIVE)}
        found: Any = values
        for part in name.split("."):
            if not isinstance(found, dict) or part not in found:
                raise ConfigError(f"no parameter {name!r}", remedy="get without a name returns all of them")
            found = found[part]
        return {"name": name, "value": found, "live": name in LIVE}

    def checked(self, name: str, value: Any) -> Change:
        """Check a change without making it."""
        if name not in LIVE:
            self.get(name)  # an unknown name is another mistake than a fixed one
            raise ConfigError(f"{name!r} cannot change while the stream runs", remedy=f"live are {', '.join(LIVE)}")
        section, field = LIVE[name]
        try:
            return Change(name, getattr(section.model_validate({field: value}), field))
        except ValidationError as error:
            raise ConfigError(f"{name} cannot be {value!r}: {error.errors()[0]['msg'].lower()}") from None

    def apply(self, change: Change) -> None:
        """Make a checked change."""
        setattr(self, LIVE[change.name][1], change.value)
