import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.display.greeting import Unit
from rtstrf.display.unit_order import available_orders, default_units, order_units, unit_text
from rtstrf.errors import ConfigError


@given(st.lists(st.floats(0, 2000), min_size=1, max_size=200))
def test_the_surface_of_cortex_is_at_the_top_and_every_unit_has_one_row(depths):
    units = [Unit(str(index), depth_um=depth) for index, depth in enumerate(depths)]
    order = order_units(units, len(units), "depth")
    assert sorted(order.index.tolist()) == list(range(len(units)))
    assert np.all(np.diff(np.array(depths)[order.index]) <= 0)
    assert all(0 <= row <= len(units) for row, _ in order.ticks)


def test_depth_ticks_stand_where_the_rows_pass_that_depth():
    depths = np.arange(0, 1000, 10.0)
    order = order_units([Unit(str(depth), depth_um=depth) for depth in depths], len(depths))
    for row, text in order.ticks:
        below, above = depths[order.index[: int(row)]], depths[order.index[int(row) :]]
        assert np.all(below > float(text))
        assert np.all(above <= float(text))
    assert [text for _, text in order.ticks] == ["800", "600", "400", "200", "0"]


def test_low_frequencies_are_at_the_bottom():
    units = [Unit(str(index), best_frequency_hz=hz) for index, hz in enumerate((8000.0, 500.0, 2000.0))]
    order = order_units(units, 3)
    assert order.name == "frequency"
    assert order.index.tolist() == [1, 2, 0]


def test_auto_is_depth_then_frequency_then_the_order_of_the_model():
    both = [Unit("a", depth_um=1.0, best_frequency_hz=1.0)]
    assert available_orders(both) == ["depth", "frequency", "model"]
    assert order_units([Unit("a"), Unit("b")], 2).name == "model"


def test_a_table_of_another_length_than_the_rates_is_not_trusted():
    assert order_units([Unit("a", depth_um=1.0)], 5).index.tolist() == [0, 1, 2, 3, 4]


def test_an_unknown_order_names_those_there_are():
    with pytest.raises(ConfigError, match=r"(?s)'size'.*depth"):
        order_units([], 3, "size")


def test_the_first_traces_are_the_best_predicted_of_each_third():
    units = [Unit(str(index), depth_um=100.0 * index, cc_norm=[0.1, 0.9, 0.5][index % 3]) for index in range(9)]
    assert default_units(units, 9) == [1, 4, 7]
    assert default_units([], 9) == [7, 4, 1]
    assert default_units([], 0) == []


def test_a_unit_is_named_with_its_place():
    assert unit_text([Unit("12", depth_um=350.0)], 0) == "unit 12, 350 µm"
    assert unit_text([Unit("u", best_frequency_hz=2500.0)], 0) == "u, 2.5 kHz"
    assert unit_text([], 4) == "unit 4"
    long = [Unit("recording57/P01-cluster3", depth_um=-50.0)]
    assert unit_text(long, 0) == "unit 0, −50 µm"
    assert unit_text(long, 0, full=True) == "unit 0, −50 µm (recording57/P01-cluster3)"
