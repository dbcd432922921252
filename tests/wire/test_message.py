from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rtstrf.errors import WireError
from rtstrf.wire import strict_json
from rtstrf.wire.message import ARRAY_KINDS, KINDS, Flags, as_payload, decode, encode, split_topic, topic_of

HEADER = {
    "v": 1, "kind": "rates", "run": "0f", "stream": "main", "seq": 7, "i0": 41, "unit": "Hz", "s0": 9840, "s1": 10320,
    "t_cap": 215000000, "t_raw": 215000100, "t_proc": 150000, "gap": 0, "flags": 16, "load": 0.03, "q": 0, "n": 2,
    "m": 3, "dtype": "<f4", "t_pub": 215400000,
}  # fmt: skip
RATES = np.array([[0.0, 1.5, 120.0], [2.0, 0.25, 1e-3]], dtype=np.float32)

streams = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
naturals = st.integers(0, 2**53 - 1)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    kind=st.sampled_from(ARRAY_KINDS),
    stream=streams,
    seq=naturals,
    i0=naturals,
    extra=st.dictionaries(texts.map(lambda name: f"x_{name}"), st.one_of(scalars, texts), max_size=5),
    array=hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9)),
)
def test_an_array_arrives_as_it_was_sent(kind, stream, seq, i0, extra, array):
    n, m = array.shape
    header = {**HEADER, **extra, "kind": kind, "stream": stream, "seq": seq, "i0": i0, "n": n, "m": m}
    frames = encode(strict_json.plain(header), as_payload(array))
    message = decode(frames, 5)
    assert (message.kind, message.stream, message.seq, message.t_recv_ns) == (kind, stream, seq, 5)
    assert message.header == header
    assert message.array.shape == (n, m)
    assert message.array.tobytes() == array.tobytes()  # bit for bit, NaN included
    assert not message.array.flags.writeable


@given(
    frames=st.lists(st.binary(max_size=60), max_size=4), topic=st.sampled_from([b"rates/main/", b"event/main/", b""])
)
def test_whatever_comes_from_the_network_is_a_message_or_a_wire_error(frames, topic):
    for candidate in (frames, [topic, *frames]):
        with pytest.raises(WireError):
            decode(candidate)


@given(
    field=st.sampled_from(["v", "kind", "run", "stream", "seq", "i0", "n", "m", "dtype", "t_pub"]),
    value=st.one_of(
        st.none(), st.booleans(), texts, st.floats(allow_nan=False), st.integers(max_value=-1), st.just([])
    ),
)
def test_a_header_field_of_the_wrong_type_or_value_is_refused(field, value):
    if (value == HEADER[field] and type(value) is type(HEADER[field])) or (field == "run" and isinstance(value, str)):
        return
    frames = [b"rates/main/", json.dumps({**HEADER, field: value}).encode(), as_payload(RATES)]
    with pytest.raises(WireError):
        decode(frames)


@pytest.mark.parametrize("field", ["v", "kind", "run", "stream", "seq", "i0", "n", "m", "dtype", "t_pub"])
def test_a_header_without_a_field_a_client_relies_on_is_refused(field):
    header = {name: value for name, value in HEADER.items() if name != field}
    with pytest.raises(WireError):
        decode([b"rates/main/", strict_json.dumps(header), as_payload(RATES)])


def test_the_frames_of_a_rates_message_are_these_bytes():
    assert encode(HEADER, as_payload(RATES)) == [
        b"rates/main/",
        b'{"v":1,"kind":"rates","run":"0f","stream":"main","seq":7,"i0":41,"unit":"Hz","s0":9840,"s1":10320,'
        b'"t_cap":215000000,"t_raw":215000100,"t_proc":150000,"gap":0,"flags":16,"load":0.03,"q":0,"n":2,"m":3,'
        b'"dtype":"<f4","t_pub":215400000}',
        bytes.fromhex("000000000000c03f0000f042000000400000803e6f12833a"),
    ]


@pytest.mark.parametrize("payload", [b"", b"\0" * 20, b"\0" * 25])
def test_a_payload_of_the_wrong_length_is_refused_with_both_lengths(payload):
    with pytest.raises(WireError, match=f"{len(payload)} bytes where 2 bins of 3 make 24"):
        decode([b"rates/main/", strict_json.dumps(HEADER), payload])


def test_an_event_with_a_payload_and_rates_without_one_are_refused():
    event = strict_json.dumps({**HEADER, "kind": "event"})
    with pytest.raises(WireError, match="does not have"):
        decode([b"event/main/", event, b""])
    with pytest.raises(WireError, match="without a payload"):
        decode([b"rates/main/", strict_json.dumps(HEADER)])


def test_another_version_of_the_protocol_is_named():
    with pytest.raises(WireError, match="version 2; this client reads 1"):
        decode([b"rates/main/", strict_json.dumps({**HEADER, "v": 2}), as_payload(RATES)])


def test_an_integer_that_a_double_does_not_hold_is_refused():
    data = strict_json.dumps({**HEADER, "s1": 2**53})
    with pytest.raises(WireError, match="2\\*\\*53"):
        decode([b"rates/main/", data, as_payload(RATES)])


@given(kind=st.sampled_from(KINDS), stream=streams, other=streams)
def test_a_subscription_to_one_stream_matches_no_other(kind, stream, other):
    assert topic_of(kind, other).startswith(topic_of(kind, stream)) == (stream == other)


@given(kind=st.sampled_from(KINDS), stream=streams)
def test_a_topic_can_be_taken_apart_again(kind, stream):
    assert split_topic(topic_of(kind, stream).encode()) == (kind, stream)


@pytest.mark.parametrize("stream", ["", "a/b", "é", "x" * 65, "main\n"])
def test_a_stream_that_cannot_be_a_topic_is_refused(stream):
    with pytest.raises(WireError, match="cannot name a stream"):
        topic_of("rates", stream)


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(WireError, match="choose from rates"):
        topic_of("rate", "main")


@pytest.mark.parametrize("array", [np.ones(3), np.ones((1, 1, 1)), np.ones((1, 1), complex), np.array([["a"]])])
def test_an_array_that_is_not_bins_by_units_of_real_numbers_is_refused(array):
    with pytest.raises(WireError, match="cannot be sent"):
        as_payload(array)


def test_a_transposed_array_is_sent_in_c_order():
    assert as_payload(RATES.T.copy().T) == as_payload(RATES)


def test_flags_are_the_bits_of_the_protocol():
    expected = [1, 2, 4, 8, 16, 32, 64, 128]
    assert [flag.value for flag in Flags] == expected
    assert decode(encode(HEADER, as_payload(RATES))).flags == Flags.REPLAY
