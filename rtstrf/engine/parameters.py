"""What a client may change while the stream runs, and what it may only read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from rtstrf.config.live import EngineSection, LiveConfig, WireSection
from rtstrf.config.load import Section
from rtstrf.config.triggers import TriggerSection
from rtstrf.errors import ConfigError

# Name on the wire -> the section that checks its value. Everything else stays as it was started.
LIVE: dict[str, tuple[type[EngineSection] | type[WireSection], str]] = {
    "engine.gain_db": (EngineSection, "gain_db"),
    "wire.topics": (WireSection, "topics"),
}
LIVE_OF_TRIGGERS = ("armed", "threshold_hz")  # each as triggers.NAME.armed


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
        self.triggers = {trigger.name: trigger for trigger in config.triggers}

    @property
    def live(self) -> list[str]:
        """Names of what can be changed."""
        return sorted([*LIVE, *(f"triggers.{name}.{field}" for name in self.triggers for field in LIVE_OF_TRIGGERS)])

    def get(self, name: str | None) -> dict[str, Any]:
        """Return one value by its dotted name, or all of them."""
        values = self._config.model_dump(mode="json")
        values["engine"]["gain_db"] = self.gain_db
        values["wire"]["topics"] = list(self.topics)
        values["triggers"] = {name: trigger.model_dump(mode="json") for name, trigger in self.triggers.items()}
        if name is None:
            return {"values": values, "live": self.live}
        found: Any = values
        for part in name.split("."):
            if not isinstance(found, dict) or part not in found:
                raise ConfigError(f"no parameter {name!r}", remedy="get without a name returns all of them")
            found = found[part]
        return {"name": name, "value": found, "live": name in self.live}

    def checked(self, name: str, value: Any) -> Change:
        """Check a change without making it."""
        if name not in self.live:
            self.get(name)  # an unknown name is another mistake than a fixed one
            raise ConfigError(
                f"{name!r} cannot change while the stream runs", remedy=f"live are {', '.join(self.live)}"
            )
        section, field, others = self._place(name)
        try:
            return Change(name, getattr(section.model_validate({**others, field: value}), field))
        except ValidationError as error:
            raise ConfigError(f"{name} cannot be {value!r}: {error.errors()[0]['msg'].lower()}") from None

    def apply(self, change: Change) -> None:
        """Make a checked change."""
        if change.name in LIVE:
            setattr(self, LIVE[change.name][1], change.value)
        else:
            _, trigger, field = change.name.split(".")
            self.triggers[trigger] = self.triggers[trigger].model_copy(update={field: change.value})

    def _place(self, name: str) -> tuple[type[Section], str, dict[str, Any]]:
        """Return the section that checks a parameter, its field there, and the fields beside it."""
        if name in LIVE:
            return *LIVE[name], {}
        _, trigger, field = name.split(".")
        return TriggerSection, field, self.triggers[trigger].model_dump()
