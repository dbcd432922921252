"""What a configuration asks for: its triggers, and the sinks of its plugins."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rtstrf.config.sinks import SinkSection
from rtstrf.config.triggers import TriggerSection
from rtstrf.errors import ConfigError, RtstrfError
from rtstrf.plugins import load_plugin
from rtstrf.sinks.sink import Sink
from rtstrf.sinks.trigger import Tell, Trigger


def make_sinks(
    triggers: Sequence[TriggerSection],
    sinks: Sequence[SinkSection],
    tell: Tell,
    live: Callable[[str], TriggerSection],
) -> list[Sink]:
    """Build triggers and sinks, none of them opened yet.

    Parameters
    ----------
    triggers, sinks : sequence of section
    tell : Tell
        Where triggers tell of what they do.
    live : callable
        ``live(name)`` returns a trigger's section as it is now.

    Raises
    ------
    ConfigError
        If a plugin cannot be loaded or made.
    """
    made: list[Sink] = [Trigger(section, tell, lambda name=section.name: live(name)) for section in triggers]  # type: ignore[misc]
    return made + [_make_sink(section) for section in sinks]  # first what must be quick


def _make_sink(section: SinkSection) -> Sink:
    """Build the sink of a plugin; what its constructor raises bears its name."""
    sink = load_plugin("rtstrf.sinks", section.plugin)
    try:
        return sink(section)
    except RtstrfError:
        raise
    except Exception as error:
        raise ConfigError(
            f"the sink {section.plugin!r} cannot be made: {type(error).__name__}: {error}",
            remedy="correct its options, or leave it out of the configuration",
        ) from error
