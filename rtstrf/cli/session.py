"""What the commands that run an engine share."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

from rtstrf.config.live import LiveConfig, choose_source
from rtstrf.config.load import apply_override, check, read_yaml

if TYPE_CHECKING:
    from rtstrf.wire.server import WireServer


def live_config(path: str | None, source: str | None, overrides: Sequence[str]) -> LiveConfig:
    """Read a live configuration: the file, then `--source`, then each `--set`."""
    values = {} if path is None else read_yaml(Path(path))
    if source is not None:
        choose_source(values, source)
    for override in overrides:
        apply_override(values, override)
    # A source whose options are set without its kind is the one that a configuration has by default.
    if isinstance(values.get("source"), dict):
        values["source"].setdefault("kind", "microphone")
    return check(LiveConfig, values, path or "the configuration")


def view_command(data: str, control: str, *options: str) -> list[str]:
    """Return the command that opens a display: a process of its own, so that drawing never delays a hop.

    Give it a pipe as standard input: it closes when whoever holds the other end is gone, were it by kill -9.
    """
    return [sys.executable, "-m", "rtstrf", "view", data, "--control", control, "--with-parent", *options]


@contextmanager
def key_of_view(server: WireServer) -> Iterator[list[str]]:
    """Return what `view_command` must be told beside the endpoints, where the server lets nobody in without a key."""
    keys = server.guest_keys("view")
    if keys is None:
        yield []
        return
    with TemporaryDirectory(prefix="rtstrf-") as folder:
        path = Path(folder) / "view.key"
        keys.save(path)
        yield ["--keys", str(path)]


def print_summary(status: dict[str, Any], out: TextIO, stream: str | None = None) -> None:
    """Tell in two lines what a session did, or one of its streams."""
    name = "" if stream is None else f"{stream} "
    lost = status["samples_lost"]
    dropped = f", {status['dropped_hops']} hops dropped" if status["dropped_hops"] else ""
    load = f"{100 * status['load_p50']:.1f} % of a hop (p99 {100 * status['load_p99']:.1f} %)"
    latency = f"{status['latency_p50_ms']:.2f} ms (p99 {status['latency_p99_ms']:.2f} ms)"
    print(
        f"{name}{status['state']}: {status['bins']} bins published, {status['bins_missing']} missing, "
        f"{lost} samples lost, {status['xruns']} xruns{dropped}\n"
        f"in the last 10 s computing took {load}; from capture to sending {latency}",
        file=out,
    )
