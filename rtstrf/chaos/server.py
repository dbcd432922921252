"""A live session in a process of its own, whose faults are ordered on its standard input.

    python -m rtstrf.chaos.server KEY=VALUE...

Each line is a JSON list, of an order and its values; each is answered by a line of JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rtstrf.chaos.source import ChaosSource
from rtstrf.config.live import LiveConfig
from rtstrf.config.load import load_config
from rtstrf.engine.engine import Engine
from rtstrf.engine.process import real_time_process
from rtstrf.sound.synthetic import NoiseSource


class Orders:
    """What a session can be ordered to do.

    Parameters
    ----------
    engine : Engine
    source : ChaosSource
    """

    def __init__(self, engine: Engine, source: ChaosSource) -> None:
        self._engine = engine
        self._source = source
        self._stall_s = 0.0
        hear = engine.batch.hear

        def slowed(*arguments: Any) -> Any:
            stall_s, self._stall_s = self._stall_s, 0.0
            if stall_s:
                time.sleep(stall_s)
            return hear(*arguments)

        engine.batch.hear = slowed  # type: ignore[method-assign, assignment]

    def carry_out(self, order: str, *values: Any) -> dict[str, Any]:
        """Carry an order out, and return what is to be answered."""
        source = self._source
        orders: dict[str, Callable[..., Any]] = {
            "lose": lambda samples, xruns: source.lose(samples, xruns=xruns),
            "late": source.hold_back,
            "step": source.step_clock,
            "unplug": source.unplug,
            "stall": self._stall,
            "fill_disk": self._fill_disk,
            "make_room": self._make_room,
            "truth": lambda: None,
        }
        told = orders[order](*values)
        return {**self.truth(), **(told or {})}

    def truth(self) -> dict[str, Any]:
        """Return what was injected so far, and where the sound is."""
        return {
            "position": self._source.position,
            "injected": [dataclasses.asdict(each) for each in self._source.injected],
            "now_ns": time.monotonic_ns(),
        }

    def _stall(self, stall_s: float) -> None:
        self._stall_s = stall_s

    def _fill_disk(self, room_bytes: int) -> None:
        """Let no file of this process grow by more than so much: the system refuses as a full disk does."""
        import resource

        folder = Path(str(self._engine.config.record.folder))
        largest = max(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + room_bytes, hard))

    def _make_room(self) -> None:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def main(keys: Sequence[str]) -> None:
    """Run a session until the standard input ends."""
    source = ChaosSource(NoiseSource(gap_ms=0.0))
    config = load_config(LiveConfig, None, ["source.kind=noise", "source.gap_ms=0", *keys])
    engine = Engine(config, source)
    orders = Orders(engine, source)
    with real_time_process(config.engine.threads) as settle:
        engine.start()
        settle()
        try:
            server = engine.server
            facts: dict[str, Any] = {
                "data": server.data_endpoint,
                "control": server.control_endpoint,
                "run": server.run,
            }
            facts |= {"queue_s": config.engine.queue_hops * engine.batch.hop_samples / engine.batch.rate_hz}
            facts |= {"hop_samples": engine.batch.hop_samples, "rate_hz": engine.batch.rate_hz, "pid": os.getpid()}
            facts |= {"start_ns": engine.clock.start_ns}
            facts |= {"conceal_samples": round(config.engine.conceal_ms * source.info.rate_hz / 1000)}
            print(json.dumps(facts), flush=True)
            for line in sys.stdin:
                print(json.dumps(orders.carry_out(*json.loads(line))), flush=True)
        finally:
            engine.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
