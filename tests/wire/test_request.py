from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.wire.request import (
    COMMANDS,
    REQUIRED,
    RequestError,
    check,
    id_of,
    read_object,
    refusal_of,
    result_of,
    write_reply,
)

GOOD = {"v": 1, "id": "a", "cmd": "mark", "args": {"label": "left"}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def refusal(data: bytes | dict) -> RequestError:
    with pytest.raises(RequestError) as caught:
        check(read_object(data if isinstance(data, bytes) else json.dumps(data).encode()))
    return caught.value


@given(data=st.binary(max_size=300))
def test_random_bytes_are_refused(data):
    assert refusal(data).code in ("bad_json", "bad_request")


@given(field=st.sampled_from(["v", "id", "cmd", "args", "more"]), value=json_values)
def test_a_request_with_anything_in_one_field_is_good_or_refused(field, value):
    data = json.dumps({**GOOD, field: value}).encode()
    try:
        request = check(read_object(data))
    except RequestError:
        assert refusal(data).remedy
    else:
        assert {"v": 1, "id": request.id, "cmd": request.cmd, "args": request.args} == {**GOOD, field: value}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"x" * 65537, "too_large"),
        (b"[1]", "bad_json"),
        (b'{"v":1,"id":"a","cmd":"ping","args":' + b"[" * 20000, "bad_json"),
        ({**GOOD, "v": 2}, "bad_request"),
        ({**GOOD, "v": True}, "bad_request"),
        ({**GOOD, "v": 1.0}, "bad_request"),
        ({**GOOD, "id": ""}, "bad_request"),
        ({**GOOD, "id": "x" * 129}, "bad_request"),
        ({**GOOD, "id": 1.5}, "bad_request"),
        ({**GOOD, "cmd": "nope"}, "unknown_command"),
        ({**GOOD, "cmd": ["mark"]}, "unknown_command"),
        ({**GOOD, "reply_to": "b"}, "bad_request"),
        ({**GOOD, "args": []}, "bad_arguments"),
        ({**GOOD, "args": {}}, "bad_arguments"),
        ({**GOOD, "args": {"label": 5}}, "bad_arguments"),
        ({**GOOD, "args": {"label": "x" * 257}}, "bad_arguments"),
        ({**GOOD, "args": {"label": "a", "colour": "red"}}, "bad_arguments"),
        ({**GOOD, "cmd": "stop", "args": {"label": "a"}}, "bad_arguments"),
        ({**GOOD, "cmd": "start", "args": {"at": True}}, "bad_arguments"),
        ({**GOOD, "cmd": "set", "args": {"name": "gain"}}, "bad_arguments"),
    ],
)
def test_each_fault_has_its_code_and_a_hint(request_, code):
    error = refusal(request_)
    assert error.code == code
    assert error.remedy


@pytest.mark.parametrize("cmd", [cmd for cmd in COMMANDS if cmd not in REQUIRED])
def test_a_command_that_needs_no_arguments_may_leave_them_out(cmd):
    assert check({"v": 1, "id": 3, "cmd": cmd}).args == {}


@pytest.mark.parametrize("value", [None, True, 2, 0.5, "x", [1], {"a": 1}])
def test_set_takes_any_value(value):
    assert check({**GOOD, "cmd": "set", "args": {"name": "gain", "value": value}}).args["value"] == value


def test_an_unreadable_id_is_answered_as_null():
    reply = json.loads(write_reply(id_of({"id": [1]}), refusal_of(RequestError("bad_request", "x", remedy="y")), 1, 2))
    assert reply == {
        "v": 1, "id": None, "ok": False,
        "error": {"code": "bad_request", "message": "x", "hint": "y"}, "t1": 1, "t2": 2,
    }  # fmt: skip


def test_a_reply_carries_the_result_and_both_times():
    assert json.loads(write_reply(7, result_of({"a": 1}), 10, 12)) == {
        "v": 1, "id": 7, "ok": True, "result": {"a": 1}, "t1": 10, "t2": 12,
    }  # fmt: skip
