"""A made stream, and Qt without a screen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from rtstrf.display.history import History
from rtstrf.errors import MissingExtraError

BIN_S = 0.005
BANDS, UNITS = 10, 24
BANDS_HZ = np.geomspace(600, 20000, BANDS)
UNIT_TABLE = [
    {"id": str(unit), "depth_um": 100.0 + 30 * ((unit * 7) % UNITS), "best_frequency_hz": 500.0 * (unit + 1)}
    for unit in range(UNITS)
]


@dataclass
class Made:
    """A message made here."""

    kind: str
    header: dict[str, Any]
    array: np.ndarray | None = None
    t_recv_ns: int = 0


@dataclass
class Stream:
    """Makes the messages of one run, as a server would send them."""

    run: str = "run-1"
    onoff: bool = True
    spikes: bool = False
    stream: str = "main"
    seqs: dict[str, int] = field(default_factory=dict)

    def message(self, kind: str, array: np.ndarray | None = None, t_ns: int = 0, **fields: Any) -> Made:
        """Return one message with the next number of its kind."""
        seq = self.seqs[kind] = self.seqs.get(kind, -1) + 1
        header = {"v": 1, "kind": kind, "run": self.run, "stream": self.stream, "seq": seq, "t_pub": 0, **fields}
        return Made(kind, header, array, t_ns)

    def hello(self, **fields: Any) -> Made:
        """Return the greeting."""
        told = {
            "model": "test-model",
            "source": {"kind": "scene", "name": "built-in"},
            "bin_s": BIN_S,
            "units": UNIT_TABLE,
            "bands_hz": BANDS_HZ.tolist(),
            "guarantees": {"passed": True, "guarantees": [{"id": "G0", "passed": True}]},
        }
        return self.message("hello", **{**told, **fields})

    def bins(self, i0: int, n: int, t_ns: int = 0, rates_hz: np.ndarray | None = None, flags: int = 0) -> list[Made]:
        """Return one message a topic for bins [i0, i0 + n): sound in every second 100 bins."""
        at = np.arange(i0, i0 + n)
        loud = ((at // 100) % 2).astype(np.float32)[:, None]
        arrays = {
            "level": 30 + 40 * loud,
            "spectrogram": -8 + 9 * loud * np.linspace(0.3, 1, BANDS, dtype=np.float32),
            "onoff": np.hstack([loud * np.ones(BANDS), (1 - loud) * np.ones(BANDS)]),
            "rates": loud * np.linspace(0, 80, UNITS) if rates_hz is None else rates_hz,
        }
        if not self.onoff:
            del arrays["onoff"]
        if self.spikes:
            # Two slots; unit 3 fires once in every tenth bin, unit 7 twice in every twentieth.
            fired = np.full((n, 2, UNITS), -1.0)
            fired[at % 10 == 0, 0, 3] = 17
            fired[at % 20 == 0, :, 7] = (5, 200)
            arrays["spikes"] = fired.reshape(n, -1)
        fields = {"i0": i0, "n": n, "t_cap": 0, "t_pub": 1_500_000, "load": 0.2, "flags": flags, "slots": 2}
        return [self.message(kind, rows.astype(np.float32), t_ns, **fields) for kind, rows in arrays.items()]


@pytest.fixture
def stream() -> Stream:
    """Return a stream of one run."""
    return Stream()


@pytest.fixture
def history(stream: Stream) -> History:
    """Return 12 s of the stream, with its greeting."""
    history = History()
    history.extend([stream.hello(), *stream.bins(0, 2400)])
    return history


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.ns = 1_000_000_000

    def __call__(self) -> int:
        return self.ns

    def pass_s(self, seconds: float) -> None:
        """Let some time pass."""
        self.ns += round(seconds * 1e9)


@pytest.fixture
def clock() -> Clock:
    """Return a clock that is set by hand."""
    return Clock()


@pytest.fixture(scope="session")
def app() -> Iterator[Any]:
    """Return a QApplication that needs no screen."""
    from rtstrf.display import qt

    told = os.environ.get("QT_QPA_PLATFORM")
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    try:
        yield qt.application()
    except MissingExtraError as error:
        pytest.skip(f"Qt does not load here: {error.what}")
    finally:
        if told is None:
            del os.environ["QT_QPA_PLATFORM"]
        else:
            os.environ["QT_QPA_PLATFORM"] = told


@pytest.fixture
def make_window(app: Any, clock: Clock) -> Iterator[Callable[..., Any]]:
    """Return a maker of windows by the clock that is set by hand; they are closed at the end."""
    from rtstrf.display.window import Window

    windows = []

    def make(width: int = 900, height: int = 700, **options: Any) -> Window:
        window = Window("tcp://127.0.0.1:5590", clock=clock, **options)
        windows.append(window)
        window.resize(width, height)
        window.show()
        app.processEvents()
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()
    app.processEvents()
