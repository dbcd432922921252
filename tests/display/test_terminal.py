import io
import time

import numpy as np
import pytest
from rich.console import Console

from rtstrf.display import blocks, style
from rtstrf.display.terminal import TerminalView, run
from tests.display.conftest import Stream

SECOND = 1_000_000_000


def console(**options) -> Console:
    told = {"width": 100, "height": 40, "force_terminal": True, "color_system": "truecolor", "legacy_windows": False}
    return Console(file=io.StringIO(), **{**told, **options})


def shown(view: TerminalView) -> str:
    view.console.print(view.picture)
    return view.console.file.getvalue()


def fed(stream: Stream, clock, screen: Console) -> TerminalView:
    view = TerminalView(screen, clock=clock, endpoint="tcp://host:1")
    view.receive([stream.hello(), *stream.bins(0, 2400, clock())])
    return view


def test_in_true_colour_a_rate_has_its_colour_of_the_map(stream, clock):
    view = fed(stream, clock, console())
    loud = np.zeros((2400, 24), np.float32)
    loud[:, 5] = 100.0
    view.receive(Stream("run-2").bins(0, 2400, clock(), rates_hz=loud))
    text = shown(view)
    pixel = int(style.pixels(np.float32([100.0]), style.rates_map(), 0.0, view.picture._rates.high)[0])
    assert f"{pixel >> 16 & 255};{pixel >> 8 & 255};{pixel & 255}" in text


def test_every_line_fits_the_width(stream, clock):
    for width, height in ((100, 40), (60, 24), (40, 13), (30, 8), (200, 60)):
        view = fed(stream, clock, console(width=width, height=height, color_system=None))
        lines = shown(view).splitlines()
        assert max(len(line) for line in lines) < width
        assert len(lines) <= height


def test_labels_name_frequencies_and_depths(stream, clock):
    text = shown(fed(stream, clock, console(color_system=None)))
    labels = [line[:8].strip() for line in text.splitlines()]
    assert {"kHz", "ON OFF", "µm", "1", "16", "200"} <= set(labels)
    assert "test-model" in text
    assert "now" in text


@pytest.mark.parametrize("system", [None, "standard"])
def test_with_few_colours_loud_is_dense(stream, clock, system):
    text = shown(fed(stream, clock, console(color_system=system)))
    assert "█" in text or "▓" in text
    assert "▀" not in text


def test_with_256_colours_half_blocks_are_kept(stream, clock):
    text = shown(fed(stream, clock, console(color_system="256")))
    assert "▀" in text
    assert "38;5;" in text


def test_stale_is_said_in_words(stream, clock):
    view = fed(stream, clock, console(color_system=None))
    clock.pass_s(5)
    assert "nothing received for 5 s" in shown(view)


def test_before_anything_came_it_says_where_it_listens(clock):
    assert "listening to tcp://host:1" in shown(TerminalView(console(), clock=clock, endpoint="tcp://host:1"))


def test_live_drawing_shows_what_came(stream, clock):
    view = TerminalView(console(), clock=clock)
    with view:
        view.receive([stream.hello(), *stream.bins(0, 2400, clock())])
        clock.pass_s(1)
        view.receive(stream.bins(2400, 10, clock()))
    assert "▀" in view.console.file.getvalue()


def test_where_it_is_no_terminal_there_is_one_plain_line_a_second(stream, clock):
    view = TerminalView(Console(file=io.StringIO(), force_terminal=False), clock=clock)
    with view:
        view.receive([stream.hello()])
        for second in range(3):
            for part in range(10):
                view.receive(stream.bins(200 * second + 20 * part, 20, clock()))
                clock.pass_s(0.1)
    lines = view.console.file.getvalue().splitlines()
    assert 3 <= len(lines) <= 5
    assert "\x1b" not in "".join(lines)
    assert all("dB SPL" in line and "Hz" in line for line in lines)


def test_it_ends_with_the_run(stream):
    class Source:
        def __init__(self):
            self.left = [[stream.hello(), *stream.bins(0, 100)], stream.bins(100, 100, flags=128)]

        def poll(self, timeout_s=0.0):
            return self.left.pop(0) if self.left else []

        def close(self):
            self.left = []

    history = run("tcp://host:1", exit_when_last=True, console=console(), client=Source)
    assert history.stop == 200


@pytest.mark.parametrize("kind", ["heartbeat", "event"])
def test_it_ends_with_the_word_of_the_server(stream, kind):
    class Source:
        def __init__(self):
            ended = {"state": "ended"}
            told = stream.message(kind, name="state", **ended, details=ended, t_ns=time.monotonic_ns())
            self.left = [[stream.hello(), *stream.bins(0, 100, time.monotonic_ns())], [told]]

        def poll(self, timeout_s=0.0):
            return self.left.pop(0) if self.left else []

        def close(self):
            pass

    view = io.StringIO()
    plain = Console(file=view, force_terminal=False, width=200)
    assert run("tcp://host:1", exit_when_last=True, console=plain, client=Source).stop == 100
    assert "the run has ended" in view.getvalue()


def test_it_ends_when_the_server_is_gone(stream):
    class Source:
        def __init__(self):
            long_ago_ns = time.monotonic_ns() - 4 * SECOND
            self.left = [[stream.hello(), *stream.bins(0, 100, long_ago_ns)]]

        def poll(self, timeout_s=0.0):
            return self.left.pop(0) if self.left else []

        def close(self):
            pass

    view = io.StringIO()
    plain = Console(file=view, force_terminal=False, width=200)
    assert run("tcp://host:1", exit_when_last=True, console=plain, client=Source).stop == 100
    assert "nothing received for 4 s" in view.getvalue()


def test_channels_are_averaged_where_rows_are_few_and_repeated_where_they_are_many():
    values = np.arange(8, dtype=np.float32)[None]
    np.testing.assert_array_equal(blocks.grouped(values, 4), [[0.5, 2.5, 4.5, 6.5]])
    np.testing.assert_array_equal(blocks.grouped(values, 16)[0], np.repeat(values[0], 2))
