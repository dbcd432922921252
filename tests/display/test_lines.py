import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtstrf.display import style
from rtstrf.display.lines import line_pixels

HEIGHT = 40
SERIES = arrays(np.float32, st.tuples(st.integers(3, 20), st.just(2)), elements=st.floats(-20, 120, width=32))


def drawn(values, **options):
    return line_pixels(np.float32(values), 0.0, 100.0, HEIGHT, ["#ffffff", "#ff0000"], **options)


def lit(argb: np.ndarray) -> np.ndarray:
    """Return how white each pixel is: its blue part, from 0 to 1."""
    return (argb & 255) / 255


@given(SERIES, st.integers(1, 19))
def test_a_line_drawn_in_parts_is_the_line_drawn_at_once(values, cut):
    cut = min(cut, len(values) - 2)
    parts = np.concatenate([drawn(values[: cut + 1]), drawn(values[cut:])])
    np.testing.assert_array_equal(parts, drawn(values))


@given(st.floats(0, 100))
def test_a_level_line_is_at_its_height(value):
    column = lit(drawn([[value], [value]]))[0]
    centre = (column - column.min()) @ (np.arange(HEIGHT) + 0.5) / (column - column.min()).sum()
    assert abs(centre - (0.7 + value / 100 * (HEIGHT - 1.4))) < 0.1


def test_a_jump_is_drawn_through():
    column = lit(drawn([[0], [100]]))[0]
    assert column[2:-2].min() > 0.6


@given(SERIES)
def test_values_outside_stay_inside_the_picture(values):
    assert (lit(drawn(values[:, :1])).max(axis=1) > 0.2).all()


def test_a_gap_is_shown_as_one_and_the_line_goes_on_after_it():
    columns = drawn([[50], [np.nan], [50], [50]])
    assert set(columns[0].tolist()) == {0xFF000000 | int(style.GAP[1:], 16)}
    assert lit(columns[1]).max() > 0.6  # it straddles two rows


def test_a_fill_reaches_from_the_bottom_to_the_line():
    column = drawn([[50], [50]], fill="#0000ff")[0]
    assert (lit(column)[: HEIGHT // 2 - 2] == 1).all()
    assert (lit(column)[HEIGHT // 2 + 2 :] < 0.1).all()


def test_without_lines_there_is_only_the_ground():
    ground = 0xFF000000 | int(style.PANEL[1:], 16)
    empty = line_pixels(np.zeros((3, 0), np.float32), 0, 1, 5, [])
    assert set(empty.ravel().tolist()) <= {ground, 0xFF000000 | int(style.GAP[1:], 16)}
