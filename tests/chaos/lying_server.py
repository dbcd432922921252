"""A server that keeps silent about its losses: which lie it tells is in RTSTRF_TEST_LIE."""

from __future__ import annotations

import os
import sys
from typing import Any

from rtstrf.chaos.server import main
from rtstrf.engine.capture import Capture
from rtstrf.engine.inference import Inference
from rtstrf.engine.outlet import Outlet
from rtstrf.sound.source import Block


def tell_no_loss() -> None:
    event = Outlet.event

    def silent(self: Outlet, name: str, **details: Any) -> None:
        if name != "loss":
            event(self, name, **details)

    Outlet.event = silent  # type: ignore[method-assign]


def swallow_losses() -> None:
    """Hear what follows a loss as if nothing were missing."""
    take = Capture._take

    def swallow(self: Capture, block: Block) -> None:
        take(self, Block(block.samples, block.t_ns))

    Capture._take = swallow  # type: ignore[method-assign]


def tell_no_gap() -> None:
    rows = Outlet.rows

    def silent(self: Outlet, kind: str, header: dict[str, Any], array: Any) -> None:
        rows(self, kind, {**header, "gap": 0}, array)

    Outlet.rows = silent  # type: ignore[method-assign]


def mark_nothing() -> None:
    take = Inference._take_flags

    def silent(self: Inference, hop: Any, gap: int) -> Any:
        return take(self, hop, gap) & ~2

    Inference._take_flags = silent  # type: ignore[method-assign]


if __name__ == "__main__":
    globals()[os.environ["RTSTRF_TEST_LIE"]]()
    main(sys.argv[1:])
