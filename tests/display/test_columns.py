import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.display.columns import ColumnRing, peaks
from rtstrf.display.history import Ring

WIDTH, BINS, CHANNELS = 24, 400, 3
STEPS = st.lists(st.integers(-40, 40), min_size=1, max_size=20)
BINS_PER_COLUMN = st.floats(0.2, 6.0)


def filled() -> Ring:
    ring = Ring(BINS, CHANNELS)
    ring.write(0, np.random.default_rng(1).integers(0, 1000, (BINS, CHANNELS)).astype(np.float32))
    return ring


def painted(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values * 7, nan=9).astype(np.uint32)


def view_of(columns: ColumnRing) -> np.ndarray:
    view = np.zeros_like(columns.pixels)
    for source, at, count in columns.pieces(since=-(10**6)):
        view[:, at : at + count] = columns.pixels[:, source : source + count]
    return view


@given(STEPS, BINS_PER_COLUMN)
@settings(max_examples=60)
def test_however_one_scrolls_the_view_is_as_if_drawn_at_once(steps, bins_per_column):
    ring, stop = filled(), 50
    scrolled = ColumnRing(CHANNELS, WIDTH, bins_per_column)
    for step in steps:
        stop += step
        scrolled.show(stop, ring, painted)
    at_once = ColumnRing(CHANNELS, WIDTH, bins_per_column)
    at_once.show(stop, ring, painted)
    np.testing.assert_array_equal(view_of(scrolled), view_of(at_once))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_while_time_passes_every_column_is_drawn_once(steps):
    ring, columns = filled(), ColumnRing(CHANNELS, WIDTH, 1.7)
    columns.show(40, ring, painted)
    stop = 40
    for step in steps:
        stop += step
        columns.show(stop, ring, painted)
    assert columns.drawn == WIDTH + sum(steps)


@given(BINS_PER_COLUMN, st.integers(1, 300))
def test_a_complete_column_needs_no_bin_that_has_not_come(bins_per_column, next_bin):
    columns = ColumnRing(1, WIDTH, bins_per_column)
    stop = columns.last_complete(next_bin)
    assert columns.bins_of(stop - 1, stop)[1][0] <= next_bin
    assert columns.bins_of(stop, stop + 1)[1][0] >= next_bin


@given(BINS_PER_COLUMN)
def test_every_bin_is_in_a_column(bins_per_column):
    first, past = ColumnRing(1, WIDTH, bins_per_column).bins_of(0, 200)
    assert first[0] == 0
    assert np.all(first[1:] <= past[:-1])


def test_a_column_is_the_maximum_of_its_bins():
    ring = filled()
    columns = ColumnRing(CHANNELS, WIDTH, 2.5)
    values = columns.resample(2, 4, ring)
    np.testing.assert_array_equal(values[0], ring.read(5, 7).max(axis=0))
    np.testing.assert_array_equal(values[1], ring.read(7, 10).max(axis=0))


@given(st.floats(0.05, 40.0), st.integers(60, 339), st.floats(-60.0, 200.0))
def test_a_response_of_one_bin_is_seen_at_its_height_at_every_phase_and_zoom(bins_per_column, at, ground):
    height = np.float32(ground + 37.5)
    ring = Ring(BINS, 1)
    values = np.full((BINS, 1), ground, np.float32)
    values[at] = height
    ring.write(0, values)
    column = int(at / bins_per_column)
    shown = ColumnRing(1, WIDTH, bins_per_column).resample(max(column - 3, 0), column + 3, ring)
    assert np.nanmax(shown) == height


@given(st.integers(1, 300), st.integers(1, 120), st.data())
def test_fewer_columns_keep_the_height_of_every_bin(bins, columns, data):
    at = data.draw(st.integers(0, bins - 1))
    rows = np.zeros((bins, 2), np.float32)
    rows[at, 1] = 80
    shown = peaks(rows, columns)
    assert shown.shape == (min(bins, columns), 2)
    assert shown.max(axis=0).tolist() == [0, 80]
    assert abs(int(shown[:, 1].argmax()) / len(shown) - at / bins) <= 1 / len(shown)


def test_a_column_with_a_missing_bin_is_missing():
    ring = Ring(BINS, 1)
    ring.write(0, np.ones((4, 1), np.float32))
    ring.write(5, np.ones((5, 1), np.float32))
    assert np.isnan(ColumnRing(1, 2, 5.0).resample(0, 2, ring)[:, 0]).tolist() == [True, False]


def test_high_channels_are_at_the_top():
    ring = Ring(4, 2)
    ring.write(0, np.tile(np.float32([[1, 2]]), (4, 1)))
    columns = ColumnRing(2, 4, 1.0)
    columns.show(4, ring, lambda values: values.astype(np.uint32))
    assert columns.pixels[:, 0].tolist() == [2, 1]


def test_columns_before_the_first_bin_are_not_shown():
    columns = ColumnRing(CHANNELS, WIDTH, 1.0)
    columns.show(10, filled(), painted)
    shown = sum(count for _, _, count in columns.pieces(since=0))
    assert shown == 10
    assert next(at for _, at, _ in columns.pieces(since=0)) == WIDTH - 10
