from pathlib import Path

import numpy as np
import pytest

from rtstrf.display import style
from rtstrf.display.colour_map import as_argb32
from rtstrf.errors import UserError
from tests.display.conftest import BIN_S, UNITS, Stream

pytestmark = pytest.mark.window


def pixels(window) -> np.ndarray:
    """Return what the picture shows, shape (height, width), 0xffRRGGBB."""
    from PyQt6 import QtGui

    image = window.picture.grab().toImage().convertToFormat(QtGui.QImage.Format.Format_RGB32)
    bits = image.constBits()
    bits.setsize(image.sizeInBytes())
    return np.frombuffer(bits, np.uint32).reshape(image.height(), image.bytesPerLine() // 4)[:, : image.width()].copy()


def plot_of(window, panel) -> np.ndarray:
    """Return the pixels of one plot."""
    vb = panel.plot.vb
    rect = vb.mapRectToScene(vb.rect())
    top, bottom, left, right = (round(edge) for edge in (rect.top(), rect.bottom(), rect.left(), rect.right()))
    return pixels(window)[top:bottom, left:right]


def fed(make_window, stream, clock, bins=2400, **options):
    from PyQt6 import QtWidgets

    window = make_window(**options)
    window.receive([stream.hello(), *stream.bins(0, bins, clock())])
    for _ in range(3):
        window.frame()
        QtWidgets.QApplication.processEvents()  # labels have changed the layout
        clock.pass_s(0.3)
    return window


def press(window, *keys: str) -> None:
    from PyQt6 import QtCore, QtTest

    for key in keys:
        QtTest.QTest.keyClick(window, getattr(QtCore.Qt.Key, f"Key_{key}"))
        window.frame()


def texts(window) -> str:
    from PyQt6 import QtWidgets

    return "\n".join(label.text() for label in window.findChildren(QtWidgets.QLabel) if label.isVisible())


def test_before_anything_came_it_says_where_it_listens(make_window):
    window = make_window()
    window.frame()
    assert "tcp://127.0.0.1:5590" in window._overlay.text()
    assert window._overlay.isVisible()


def test_the_overlay_goes_when_rates_come(make_window, stream, clock):
    window = fed(make_window, stream, clock)
    assert not window._overlay.isVisible()
    assert "test-model" in texts(window)


def test_a_spike_is_seen_at_its_time_and_in_the_row_of_its_unit(make_window, stream, clock):
    rates_hz = np.zeros((2000, UNITS), np.float32)
    rates_hz[1000:1010, 5] = 1000.0
    window = make_window(seconds=10.0)
    window.receive([stream.hello(), *stream.bins(0, 2000, clock(), rates_hz=rates_hz)])
    window.picture.traces.clear()
    for _ in range(2):
        window.frame()
        clock.pass_s(0.3)
    plot = plot_of(window, window.picture.population)
    brightest = int(as_argb32(style.rates_map())[-1])
    rows, columns = np.nonzero(plot == brightest)
    row = int(np.flatnonzero(window.picture.population.order.index == 5)[0])
    assert abs((1 - rows.mean() / plot.shape[0]) * UNITS - (row + 0.5)) < 0.5
    assert abs(columns.mean() / plot.shape[1] * 2000 - 1005) < 4


def test_the_image_on_the_screen_is_the_ring_pixel_by_pixel_wherever_its_seam_is(make_window, stream, clock):
    window = fed(make_window, stream, clock)
    window.picture.traces.clear()
    for step in (0, 37, 411):
        if step:
            window.receive(stream.bins(window.history.stop, step, clock()))
        for _ in range(30):
            clock.pass_s(0.05)
            window.frame()
        columns = window.picture.spectrogram.image.columns
        ring = np.roll(columns.pixels, -(columns.start % columns.width), axis=1)
        plot = plot_of(window, window.picture.spectrogram)
        assert plot.shape[1] == columns.width
        shown = plot[(np.arange(columns.rows) * 2 + 1) * plot.shape[0] // (2 * columns.rows)]  # middles of the rows
        # the column at the edge is left out: the axis is drawn over it
        np.testing.assert_array_equal(shown[:, 1:], ring[:, 1:])


def test_while_it_scrolls_only_new_columns_are_drawn(make_window, stream, clock):
    window = fed(make_window, stream, clock)
    image = window.picture.population.image
    before = image.columns.drawn
    for _ in range(20):
        window.receive(stream.bins(window.history.stop, 10, clock()))
        clock.pass_s(0.05)
        window.frame()
    new = (20 * 10 + 60) / image.columns.bins_per_column  # at most; it may have been behind
    assert 0 < image.columns.drawn - before <= new


def test_a_gap_is_grey_in_every_image(make_window, clock):
    from PyQt6 import QtWidgets

    window, stream = make_window(), Stream(spikes=True)
    window.receive([stream.hello(), *stream.bins(0, 1000, clock()), *stream.bins(1200, 1000, clock())])
    for _ in range(2):
        window.frame()
        QtWidgets.QApplication.processEvents()  # the raster takes its place
    gap = 0xFF000000 | int(style.GAP[1:], 16)
    for panel in window.picture.panels:
        plot = plot_of(window, panel)
        middle = plot[:, round(plot.shape[1] * (1 - 1100 / 2000))]
        assert np.mean(middle == gap) > 0.9


def test_the_strip_turns_red_when_it_is_stale_and_says_why(make_window, stream, clock):
    window = fed(make_window, stream, clock)
    assert style.ALARM_BACKGROUND not in window._strip.styleSheet()
    clock.pass_s(4)
    window.frame()
    assert style.ALARM_BACKGROUND in window._strip.styleSheet()
    assert "nothing received" in window._strip.text
    window.receive(stream.bins(2400, 10, clock()))
    clock.pass_s(0.3)
    window.frame()
    assert style.ALARM_BACKGROUND not in window._strip.styleSheet()


def test_paused_the_picture_stands_still_and_the_axis_tells_the_time_in_the_run(make_window, stream, clock):
    window = fed(make_window, stream, clock)
    press(window, "Space")
    before = plot_of(window, window.picture.population)
    window.receive(stream.bins(2400, 300, clock()))
    clock.pass_s(1)
    window.frame()
    np.testing.assert_array_equal(plot_of(window, window.picture.population), before)
    assert window.picture._axis.labelText == "Time in the run (s)"
    assert "behind" in window._strip.text
    press(window, "Space")
    assert window.picture.view.live


def test_one_scrolls_back_a_minute_and_live_again(make_window, stream, clock):
    window = fed(make_window, stream, clock, bins=14000)
    press(window, "Home")
    assert window.picture.view.stop_s <= 10.1
    press(window, "Right")
    assert 12 < window.picture.view.stop_s < 13
    press(window, "End")
    clock.pass_s(0.3)
    window.frame()
    assert abs(window.picture.view.stop_s - 70) < 0.1


def test_scrolled_back_shows_what_was_shown_live(make_window, stream, clock):
    window = fed(make_window, stream, clock, bins=2400)
    press(window, "Space")
    before, edge = plot_of(window, window.picture.population), window.scrolling.edge
    press(window, "Left", "Left", "Right", "Right")
    assert window.scrolling.edge == edge
    np.testing.assert_array_equal(plot_of(window, window.picture.population), before)


def test_plus_and_minus_change_the_time_in_view(make_window, stream, clock):
    window = fed(make_window, stream, clock)
    press(window, "Minus")
    assert window.picture.seconds == 20.0
    press(window, "Plus", "Plus")
    assert window.picture.seconds == 5.0
    assert window.picture.view.span_s == 5.0


def test_a_click_on_a_row_adds_its_unit_and_another_removes_it(make_window, stream, clock, app):
    from PyQt6 import QtCore, QtTest

    window = fed(make_window, stream, clock)
    press(window, "C")
    assert window.picture.traces.chosen == []
    population = window.picture.population
    place = population.plot.vb.mapViewToScene(QtCore.QPointF(-5.0, 10.5)).toPoint()
    unit = int(population.order.index[10])
    for expected in ([unit], []):
        QtTest.QTest.mouseClick(window.picture.viewport(), QtCore.Qt.MouseButton.LeftButton, pos=place)
        app.processEvents()
        assert window.picture.traces.chosen == expected


def test_the_cursor_reads_out_time_frequency_unit_and_rate(make_window, stream, clock):
    window = fed(make_window, stream, clock)
    picture = window.picture
    window._on_hover((picture.population, -3.0, 4.5))
    unit = int(picture.population.order.index[4])
    told = window._title._read_out.text().replace("&nbsp;", " ")
    bin_index = int(np.floor(picture.view.stop_bin - 3.0 / BIN_S))
    rate_hz = window.history.read("rates", bin_index, bin_index + 1)[0, unit]
    assert "−3.000 s" in told
    assert f"unit {unit}" in told
    assert f"{rate_hz:.1f} Hz" in told
    window._on_hover((picture.spectrogram, -3.0, 0.5))
    assert "0.60 kHz" in window._title._read_out.text().replace("&nbsp;", " ")
    assert picture.spectrogram.cursor.isVisible()
    window._on_hover(None)
    assert not picture.spectrogram.cursor.isVisible()


def test_s_saves_a_picture_with_a_time_stamp_and_says_where(make_window, stream, clock, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    window = fed(make_window, stream, clock)
    press(window, "S")
    (path,) = Path(tmp_path).iterdir()
    assert path.name.startswith("rtstrf-20")
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert path.name in window._strip.text


def test_a_picture_that_cannot_be_written_says_so_and_leaves_nothing(make_window, tmp_path):
    window = make_window()
    with pytest.raises(UserError, match="nowhere"):
        window.save_picture(tmp_path / "nowhere" / "a.png")
    (tmp_path / "taken").mkdir()
    with pytest.raises(UserError, match="taken"):
        window.save_picture(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_o_goes_through_the_orders_and_the_axis_names_them(make_window, stream, clock):
    window = fed(make_window, stream, clock)
    labels = []
    for _ in range(3):
        labels.append(window.picture.population.plot.getAxis("left").labelText)
        press(window, "O")
    assert labels == ["Depth (µm)", "Best freq. (kHz)", "Unit"]
    assert window.picture.population.order.name == "depth"


def test_the_help_lists_every_key_and_goes_again(make_window, stream, clock):
    from rtstrf.display.overlay import KEYS

    window = fed(make_window, stream, clock)
    press(window, "Question")
    assert window._overlay.isVisible()
    assert all(what in window._overlay.text() for _, what in KEYS)
    press(window, "Escape")
    assert not window._overlay.isVisible()


def test_a_stream_without_on_and_off_gives_their_place_to_the_others(make_window, clock):
    window = fed(make_window, Stream(onoff=False), clock)
    assert not window.picture.onoff.plot.isVisible()
    assert window.picture.population.plot.isVisible()


def test_all_plots_begin_and_end_at_the_same_pixel(make_window, clock):
    window = fed(make_window, Stream(spikes=True), clock)
    edges = {
        (round(rect.left(), 3), round(rect.right(), 3))
        for rect in (panel.plot.vb.mapRectToScene(panel.plot.vb.rect()) for panel in window.picture.panels)
    }
    assert len(edges) == 1


def test_the_label_of_every_axis_is_in_the_middle_of_its_plot(make_window, stream, clock):
    window = fed(make_window, stream, clock)
    for panel in window.picture.panels:
        label = panel.plot.getAxis("left").label
        middle = label.mapRectToScene(label.boundingRect()).center().y()
        assert abs(middle - panel.plot.vb.sceneBoundingRect().center().y()) < 8


def test_a_new_run_is_shown_from_its_first_bin(make_window, stream, clock):
    window = fed(make_window, stream, clock)
    press(window, "Space")
    other = Stream("run-2")
    window.receive([other.hello(model="second-model"), *other.bins(0, 300, clock())])
    for _ in range(3):
        clock.pass_s(0.3)
        window.frame()
    assert window.picture.view.live
    assert abs(window.picture.view.stop_bin - 300) < 3
    assert "second-model" in texts(window)


def test_more_units_than_pixels_are_shown_too(make_window, stream, clock):
    window = make_window(700, 480)
    rates_hz = np.random.default_rng(1).gamma(1, 20, (500, 800)).astype(np.float32)
    window.receive([stream.hello(), *stream.bins(0, 500, clock(), rates_hz=rates_hz)])
    window.frame()
    plot = plot_of(window, window.picture.population)
    assert len(np.unique(plot[:, -100:])) > 50


def test_a_mark_is_a_line_through_all_panels_at_its_bin(make_window, stream, clock):
    window = fed(make_window, stream, clock, bins=2000)
    before = plot_of(window, window.picture.level)
    window.receive([stream.message("event", name="mark", details={"bin": 1000, "label": "stimulus"}, t_ns=clock())])
    window._draw(force=True)
    after = plot_of(window, window.picture.level)
    changed = np.flatnonzero((before != after).any(axis=0))
    assert abs(changed[0] - before.shape[1] / 2) <= 2


def test_spikes_have_a_raster_with_a_tick_in_the_row_of_the_unit_that_fired(make_window, clock):
    window = fed(make_window, Stream(spikes=True), clock)
    raster = window.picture.raster
    assert raster.plot.isVisible()
    plot = plot_of(window, raster) == as_argb32(style.spikes_map())[-1]
    order = window.picture.population.order.index.tolist()
    height = plot.shape[0] / UNITS
    middles = plot[((np.arange(UNITS) + 0.5) * height).astype(int)[::-1]]  # one line a row, the lowest first
    assert set(np.flatnonzero(middles.any(axis=1))) == {order.index(3), order.index(7)}
    ticks = np.count_nonzero(np.diff(np.flatnonzero(middles[order.index(3)])) > 1) + 1
    assert ticks == pytest.approx(window.picture.seconds / BIN_S / 10, abs=2)  # one spike in ten bins


def test_the_raster_is_sorted_with_the_population(make_window, clock):
    window = fed(make_window, Stream(spikes=True), clock)
    before = plot_of(window, window.picture.raster)
    press(window, "O")
    assert not np.array_equal(plot_of(window, window.picture.raster), before)


def test_the_cursor_reads_how_often_a_unit_fired(make_window, clock):
    window = fed(make_window, Stream(spikes=True), clock)
    raster, order = window.picture.raster, window.picture.population.order.index.tolist()
    for unit, told in ((7, "2 spikes"), (3, "1 spike"), (0, "0 spikes")):
        assert raster.read_out(window.history, window.picture.view, 2000, order.index(unit) + 0.5).endswith(told)


def test_a_stream_without_spikes_has_no_raster(make_window, stream, clock):
    window = fed(make_window, stream, clock)
    assert not window.picture.raster.plot.isVisible()
