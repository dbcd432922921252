"""Many streams on one server."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
import zmq

from rtstrf.errors import WireError
from rtstrf.wire import message
from rtstrf.wire.request import RequestError
from rtstrf.wire.server import WireServer
from rtstrf.wire.streams import Streams

PATIENCE_MS = 20_000


@pytest.fixture
def listen(context):
    def make(engine, *prefixes: str) -> zmq.Socket:
        subscriber = context.socket(zmq.SUB)
        subscriber.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
        subscriber.setsockopt(zmq.RCVHWM, 100_000)
        subscriber.connect(engine.server.data_endpoint)
        for prefix in prefixes:  # in this order, the greeting last
            subscriber.setsockopt_string(zmq.SUBSCRIBE, prefix)
        return subscriber

    return make


def receive(subscriber: zmq.Socket) -> message.Message:
    return message.decode(subscriber.recv_multipart())


def until(client, gather, *wanted: tuple[str, str]) -> list[message.Message]:
    return gather(client, lambda all_: {(m.kind, m.stream) for m in all_} >= set(wanted))


def test_each_stream_has_its_own_greeting_numbers_state_and_events(start, connect, gather):
    engine = start(stream="left")
    engine.server.add_stream("right", hello=lambda: {"model": "other"}, status=lambda: {"state": "stopped"})
    client = connect(engine)
    until(client, gather, ("hello", "left"), ("hello", "right"))
    assert {name: hello["model"] for name, hello in client.hellos.items()} == {"left": "test", "right": "other"}
    row = np.ones((1, 2), np.float32)
    for i0 in range(3):
        engine.server.submit("rates", {"i0": i0}, row)
    engine.server.submit("rates", {"i0": 7}, row, stream="right")
    engine.server.event("mark", label="left ear")
    engine.server.event("mark", stream="right", label="right ear")
    came = gather(client, lambda all_: sum(m.kind in ("rates", "event") for m in all_) == 6)
    assert [(m.stream, m.seq, m.header["i0"]) for m in came if m.kind == "rates"] == [
        ("left", 0, 0), ("left", 1, 1), ("left", 2, 2), ("right", 0, 7),
    ]  # fmt: skip
    assert [(m.stream, m.seq, m.header["number"], m.header["details"]) for m in came if m.kind == "event"] == [
        ("left", 0, 0, {"label": "left ear"}),
        ("right", 0, 0, {"label": "right ear"}),
    ]
    beats = [m for m in until(client, gather, ("heartbeat", "left"), ("heartbeat", "right")) if m.kind == "heartbeat"]
    assert {m.stream: m.header["state"] for m in beats} == {"left": "running", "right": "stopped"}
    seqs = client.request("status", stream="right")["seqs"]
    assert (seqs["rates/right/"], seqs["event/right/"]) == (0, 0)
    assert all(topic.endswith("/right/") for topic in seqs)
    assert (client.lost, client.bins_lost, client.run) == ({}, 0, engine.server.run)


def test_a_client_of_one_stream_hears_nothing_of_the_others_and_commands_it_only(start, connect, gather):
    engine = start(stream="left")
    engine.server.add_stream("right")
    client = connect(engine, stream="right")
    row = np.ones((1, 2), np.float32)
    engine.server.submit("rates", {"i0": 0}, row, stream="left")
    engine.server.submit("rates", {"i0": 0}, row, stream="right")
    came = until(client, gather, ("rates", "right"), ("heartbeat", "right"))
    assert {m.stream for m in came} == {"right"}
    client.request("reset")
    client.mark("tone")
    client.request("set", name="gain", value=1)
    client.request("shutdown")
    assert [(cmd, args.get("stream")) for cmd, args in engine.told] == [
        ("reset", "right"), ("mark", "right"), ("set", "right"), ("shutdown", None),
    ]  # fmt: skip
    assert client.hello["stream"] == "right"


def test_a_client_that_named_no_stream_names_none_to_the_engine(start, connect):
    engine = start()
    engine.server.add_stream("second")
    connect(engine).request("reset")
    assert engine.told == [("reset", {})]


def test_whoever_waits_for_a_stream_is_greeted_when_it_is_added(start, listen):
    engine = start()
    early, everything = listen(engine, "hello/late/"), listen(engine, "hello/")
    assert receive(everything).stream == "main"
    engine.server.add_stream("late", hello=lambda: {"model": "late"})
    assert receive(early).header["model"] == "late"
    while receive(everything).stream != "late":
        pass


def test_whoever_subscribes_to_one_stream_costs_the_others_no_greeting(start, listen, connect, monkeypatch):
    monkeypatch.setattr("rtstrf.wire.publisher.HELLO_EVERY_S", 1e6)
    monkeypatch.setattr("rtstrf.wire.publisher.HELLO_AT_LEAST_APART_S", 0.0)
    engine = start()
    engine.server.add_stream("other")
    client = connect(engine)
    before = client.request("status", stream="other")["seqs"].get("hello/other/", -1)
    for _ in range(3):
        assert receive(listen(engine, "hello/main/")).stream == "main"
    after = client.request("status", stream="other")["seqs"].get("hello/other/", -1)
    assert after - before <= 1  # that to the client itself may have come in between
    assert client.request("status")["seqs"]["hello/main/"] >= 3


def test_a_stream_that_is_removed_says_so_and_is_silent_then(start, connect, gather):
    engine = start()
    engine.server.add_stream("guest")
    client = connect(engine)
    until(client, gather, ("heartbeat", "guest"))
    assert engine.server.streams == ["main", "guest"]
    row = np.ones((1, 1), np.float32)
    engine.server.submit("rates", {"i0": 0}, row, stream="guest")
    engine.server.remove_stream("guest")
    assert engine.server.streams == ["main"]
    came = until(client, gather, ("rates", "guest"), ("event", "guest"))
    assert [m.header["name"] for m in came if m.kind == "event"] == ["removed"]
    assert not engine.server.submit("rates", {"i0": 1}, row, stream="guest")
    beats = gather(client, lambda all_: sum((m.kind, m.stream) == ("heartbeat", "main") for m in all_) == 3)
    assert sum((m.kind, m.stream) == ("heartbeat", "guest") for m in beats) <= 1
    with pytest.raises(RequestError) as caught:
        client.request("reset", stream="guest")
    assert caught.value.code == "unknown_stream"
    assert engine.told == []


def test_a_name_that_comes_back_goes_on_with_its_numbers_so_that_no_client_sees_them_repeat(start, connect, gather):
    engine = start()
    row = np.ones((1, 1), np.float32)
    client = connect(engine)
    for i0 in range(3):
        engine.server.add_stream("lane", hello=lambda i0=i0: {"visit": i0})
        engine.server.submit("rates", {"i0": i0}, row, stream="lane")
        engine.server.remove_stream("lane")
    came = gather(client, lambda all_: sum(m.stream == "lane" and m.kind in ("rates", "event") for m in all_) == 6)
    assert [m.seq for m in came if m.kind == "rates"] == [0, 1, 2]
    assert [m.header["number"] for m in came if m.kind == "event"] == [0, 1, 2]
    assert client.lost == {}


def test_hello_by_control_lists_the_streams_and_greets_for_the_one_named(start, connect):
    engine = start()
    engine.server.add_stream("second", hello=lambda: {"model": "second model"})
    client = connect(engine)
    reply = client.request("hello")
    assert (reply["model"], reply["stream"], reply["streams"]) == ("test", "main", ["main", "second"])
    reply = client.request("hello", stream="second")
    assert (reply["model"], reply["stream"]) == ("second model", "second")
    for cmd in ("hello", "status", "events", "reset"):
        with pytest.raises(RequestError) as caught:
            client.request(cmd, stream="third")
        assert caught.value.code == "unknown_stream"
    assert engine.told == []


def test_events_of_a_stream_can_be_read_again(start, connect):
    engine = start()
    engine.server.add_stream("second")
    client = connect(engine)
    engine.server.event("mark", stream="second", label="b")
    engine.server.event("mark", label="a")
    for stream, label in (("second", "b"), ("main", "a")):
        [event] = client.request("events", stream=stream)["events"]
        assert (event["number"], event["details"]) == (0, {"label": label})


def test_a_server_may_begin_without_a_stream(start, command_of, gather, closing):
    engine = start(stream=None)
    reply = command_of(engine, "hello")
    assert (reply["result"]["streams"], reply["result"]["run"]) == ([], engine.server.run)
    assert command_of(engine, "status")["error"]["code"] == "unknown_stream"
    with pytest.raises(WireError, match="no first one"):
        engine.server.event("state")
    engine.server.add_stream("only")
    assert command_of(engine, "status", stream="only")["ok"]


@pytest.fixture
def command_of(context):
    def ask(engine, cmd: str, **args):
        dealer = context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
        dealer.connect(engine.server.control_endpoint)
        dealer.send_json({"v": 1, "id": 1, "cmd": cmd, "args": args})
        return json.loads(dealer.recv())

    return ask


@pytest.mark.parametrize("name", ["", "a/b", "x" * 65, "späť"])
def test_a_name_that_cannot_be_a_topic_is_refused(engine, name):
    with pytest.raises(WireError, match="cannot name a stream"):
        engine.server.add_stream(name)


def test_a_name_is_given_once_and_an_unknown_one_is_an_error(engine):
    with pytest.raises(WireError, match="already"):
        engine.server.add_stream("main")
    with pytest.raises(WireError, match="no stream 'other'"):
        engine.server.submit("rates", {"i0": 0}, np.ones((1, 1)), stream="other")
    with pytest.raises(WireError, match="no stream 'other'"):
        engine.server.remove_stream("other")


def test_a_thousand_streams_are_greeted_and_heard_without_a_loss(start, listen):
    engine = start(stream="0", hold_messages=8192)
    for number in range(1, 1000):
        engine.server.add_stream(str(number))
    subscriber = listen(engine, "rates/", "event/", "hello/")
    greeted = set()
    while len(greeted) < 1000:
        greeted.add(receive(subscriber).stream)
    row = np.ones((4, 8), np.float32)
    for i0 in (0, 4):
        for number in range(1000):
            assert engine.server.submit("rates", {"i0": i0}, row, stream=str(number))
    heard = []
    while len(heard) < 2000:
        each = receive(subscriber)
        if each.kind == "rates":
            heard.append((each.header["i0"], int(each.stream)))
    assert heard == [(i0, number) for i0 in (0, 4) for number in range(1000)]
    assert engine.server.dropped == 0


def test_a_message_nobody_listens_to_costs_its_number_only(engine, connect, gather):
    row = np.ones((1, 1), np.float32)
    for i0 in range(5):
        engine.server.submit("rates", {"i0": i0}, row)
    client = connect(engine)
    engine.server.submit("rates", {"i0": 5}, row)
    came = gather(client, lambda all_: any(m.kind == "rates" for m in all_))
    assert [m.seq for m in came if m.kind == "rates"][-1] == 5
    assert client.lost == {}


def test_streams_come_and_go_while_others_are_published(start, connect, gather):
    engine = start()
    client = connect(engine, topics=("rates",))
    row = np.ones((1, 4), np.float32)

    def come_and_go(name: str) -> None:
        for i0 in range(20):
            engine.server.add_stream(name)
            engine.server.submit("rates", {"i0": i0}, row, stream=name)
            engine.server.remove_stream(name)

    threads = [threading.Thread(target=come_and_go, args=(f"lane{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for i0 in range(100):
        engine.server.submit("rates", {"i0": i0}, row)
    for thread in threads:
        thread.join()
    gather(client, lambda all_: sum(m.kind == "rates" for m in all_) == 180)
    assert client.lost == {}


def test_a_name_is_found_until_it_is_removed():
    streams = Streams("0f", dict, dict)
    stream = streams.add("a")
    assert streams.get("a") is streams.find("a") is stream
    streams.remove("a")
    assert (streams.get("a"), "a" in streams, stream.present) == (None, False, False)
    assert streams.add("a") is stream
    with pytest.raises(WireError):
        streams.get("b")


def test_a_server_without_streams_is_made_and_stopped(engine):
    never = WireServer(stream=None, clock=engine.clock, hello=dict, status=dict, handle=lambda cmd, args: {})
    assert (never.stream, never.streams) == (None, [])
    never.stop()
