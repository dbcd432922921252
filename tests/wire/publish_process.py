"""A server in a process of its own, to be killed: publishes a bin every 5 ms and prints its run when it is up."""

from __future__ import annotations

import itertools
import sys
import time

import numpy as np

from rtstrf.wire.server import WireServer


class RunClock:
    def __init__(self) -> None:
        self.start_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        return time.monotonic_ns() - self.start_ns

    def anchor(self) -> dict[str, str]:
        return {"monotonic_ns": str(self.start_ns), "utc": "2026-01-01T00:00:00Z"}


def main(data: str, control: str) -> None:
    clock = RunClock()
    server = WireServer(
        data,
        control,
        clock=clock,
        hello=lambda: {"model": "test"},
        status=lambda: {"state": "running"},
        handle=lambda cmd, args: {"did": cmd},
    )
    with server:
        print(server.run, server.data_endpoint, server.control_endpoint, flush=True)
        for i0 in itertools.count():
            server.submit("rates", {"i0": i0, "unit": "Hz", "t_cap": clock.now_ns()}, np.ones((1, 119), np.float32))
            time.sleep(0.005)


if __name__ == "__main__":
    main(*sys.argv[1:])
