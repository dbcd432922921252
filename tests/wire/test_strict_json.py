from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.wire import strict_json

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e308, 1e308) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def depth(value) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(value=st.dictionaries(texts, values, max_size=4))
def test_what_is_within_the_limits_comes_back_equal(value):
    if depth(value) > strict_json.DEPTH_LIMIT:
        return
    assert strict_json.loads_object(strict_json.dumps(strict_json.plain(value))) == value


@given(data=st.binary(max_size=200))
def test_bytes_are_an_object_or_a_value_error(data):
    try:
        value = strict_json.loads_object(data)
    except ValueError:
        return
    assert value == json.loads(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xff{}", "not UTF-8"),
        (b'{"a":', "not JSON"),
        (b"[]", "object was expected"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":-Infinity}', "-Infinity is not JSON"),
        (b'{"a":1e999}', "not finite"),
        (b'{"a":9007199254740992}', "beyond 2"),
        (b'{"a":' + b"9" * 5000 + b"}", "digits|beyond"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"\\ud800":1}', "surrogate"),
        (b'{"a":' + b"[" * 16 + b"]" * 16 + b"}", "too deep"),
        (b'{"a":' + b"[" * 30000 + b"]" * 30000 + b"}", "too deep"),
        (b"[" * 60000, "too deep|not JSON"),
    ],
)
def test_json_beyond_the_limits_is_refused_with_the_reason(data, why):
    with pytest.raises(ValueError, match=why):
        strict_json.loads_object(data)


def test_numpy_scalars_and_tuples_become_plain():
    value = strict_json.plain({"a": (np.float32(0.5), np.int64(3), np.bool_(True)), "b": np.str_("x")})
    assert value == {"a": [0.5, 3, True], "b": "x"}
    assert [type(item) for item in value["a"]] == [float, int, bool]


@pytest.mark.parametrize("value", [math.nan, np.float32("inf"), 2**53, -(2**53), "\ud800"])
def test_a_value_that_would_not_survive_the_wire_is_refused(value):
    with pytest.raises(ValueError):
        strict_json.plain(value)


@pytest.mark.parametrize("value", [b"bytes", {1: 2}, {"a": {3}}, np.zeros(2), object()])
def test_a_type_that_json_does_not_have_is_refused(value):
    with pytest.raises(TypeError):
        strict_json.plain(value)


def test_a_depth_of_nought_allows_scalars_only():
    assert strict_json.plain(1.5, depth_limit=0) == 1.5
    with pytest.raises(ValueError, match="too deep"):
        strict_json.plain([], depth_limit=0)


one_character = st.text(st.characters(), max_size=1)  # of two, JSON could make one
flat_values = st.dictionaries(
    one_character,
    st.none() | st.booleans() | st.integers() | st.floats() | one_character,
    max_size=4,
)


def outcome(make):
    try:
        return make()
    except (TypeError, ValueError) as error:
        return str(error)


@given(value=flat_values)
def test_the_quick_ways_refuse_and_return_what_the_thorough_one_does(value):
    thorough = outcome(lambda: strict_json.plain(value))
    assert outcome(lambda: strict_json.plain_fields(value)) == outcome(
        lambda: {name: strict_json.plain(item, depth_limit=0) for name, item in value.items()}
    )
    if all(not isinstance(item, float) or math.isfinite(item) for item in value.values()):
        read = outcome(lambda: strict_json.loads_object(json.dumps(value).encode()))
        assert read == thorough
