"""Frames per second of the display: 256 units and 10 s of 5 ms bins in view, fed at the pace of the sound.

Run it with a screen (or under Xvfb), or with QT_QPA_PLATFORM=offscreen:

    python benchmarks/display.py [--units 256] [--seconds 10] [--run-s 10] [--size 1600x1000]

Prints the time of a frame on the processor (new columns, and painting all that changed) as p50, p99 and the greatest,
the frames per second that were shown, and the bins taken in.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rtstrf.display import qt

BIN_S = 0.005
BANDS = 34


@dataclass
class Made:
    """A message made here."""

    kind: str
    header: dict[str, Any]
    array: np.ndarray | None = None
    t_recv_ns: int = field(default_factory=time.monotonic_ns)


def bins(units: int, i0: int, n: int, random: np.random.Generator) -> list[Made]:
    """Return one message a topic for n bins."""
    arrays = {
        "level": random.normal(60, 5, (n, 1)),
        "spectrogram": random.normal(-3, 2, (n, BANDS)),
        "onoff": np.maximum(random.normal(-1, 1, (n, 2 * BANDS)), 0),
        "rates": random.gamma(0.3, 20, (n, units)),
    }
    header = {
        "run": "benchmark",
        "stream": "main",
        "i0": i0,
        "seq": i0 // max(n, 1),
        "t_cap": 0,
        "t_pub": 10**6,
        "load": 0.1,
    }
    return [Made(kind, {**header, "kind": kind}, rows.astype(np.float32)) for kind, rows in arrays.items()]


def main() -> None:
    """Run and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--run-s", type=float, default=10.0)
    parser.add_argument("--size", default="1600x1000")
    args = parser.parse_args()
    app = qt.application()
    from rtstrf.display.window import Window

    random = np.random.default_rng(1)
    window = Window("benchmark", seconds=args.seconds)
    window.resize(*(int(side) for side in args.size.split("x")))
    hello = {"kind": "hello", "run": "benchmark", "bin_s": BIN_S, "bands_hz": np.geomspace(500, 20000, BANDS).tolist()}
    hello["units"] = [{"id": str(unit), "depth_um": 10.0 * unit} for unit in range(args.units)]
    first = int(args.seconds / BIN_S)
    window.receive([Made("hello", hello), *bins(args.units, 0, first, random)])
    window.show()
    next_bin, times_ms, shown = first, [], window.frames

    ready = [bins(args.units, i0, 1, random) for i0 in range(first, first + int(args.run_s * 1.5 / BIN_S))]

    def feed() -> None:
        nonlocal next_bin
        due = min(first + int((time.perf_counter() - start_s) / BIN_S), first + len(ready))
        for i0 in range(next_bin, due):
            window.receive(ready[i0 - first])
        next_bin = max(next_bin, due)

    def timed_frame() -> None:
        begun_s, before = time.perf_counter(), window.frames
        window.frame()
        app.sendPostedEvents()  # paints what the frame changed
        if window.frames > before:
            times_ms.append((time.perf_counter() - begun_s) * 1000)

    window.before_frame = feed
    window._timer.timeout.disconnect()
    window._timer.timeout.connect(timed_frame)
    start_s = time.perf_counter()
    from PyQt6 import QtCore

    QtCore.QTimer.singleShot(int(args.run_s * 1000), app.quit)
    window.start()
    app.exec()
    elapsed_s = time.perf_counter() - start_s
    p50, p99 = np.percentile(times_ms, [50, 99])
    print(
        json.dumps(
            {
                "platform": app.platformName(),
                "size": args.size,
                "units": args.units,
                "bins_in_view": first,
                "frames_per_s": round((window.frames - shown) / elapsed_s, 1),
                "frame_p50_ms": round(float(p50), 2),
                "frame_p99_ms": round(float(p99), 2),
                "frame_max_ms": round(max(times_ms), 2),
                "bins_taken_in": next_bin - first,
            }
        )
    )


if __name__ == "__main__":
    main()
