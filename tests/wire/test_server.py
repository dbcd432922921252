from __future__ import annotations

import json
import logging
import socket
import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtstrf.errors import ConfigError, WireError
from rtstrf.wire import message
from rtstrf.wire.server import WireServer

PATIENCE_MS = 20_000
FIELDS = {
    "v", "kind", "run", "stream", "seq", "i0", "n", "m", "dtype", "unit", "s0", "s1", "t_cap", "t_raw", "t_pub",
    "t_proc", "gap", "flags", "load", "q",
}  # fmt: skip


@pytest.fixture
def listen(context):
    """Return a function that subscribes with a bare socket."""

    def make(engine, *prefixes: str) -> zmq.Socket:
        subscriber = context.socket(zmq.SUB)
        subscriber.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
        for prefix in prefixes:
            subscriber.setsockopt_string(zmq.SUBSCRIBE, prefix)
        subscriber.connect(engine.server.data_endpoint)
        return subscriber

    return make


@pytest.fixture
def command(context):
    """Return a function that opens a bare control socket."""

    def make(engine, kind: int = zmq.DEALER) -> zmq.Socket:
        dealer = context.socket(kind)
        dealer.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
        dealer.connect(engine.server.control_endpoint)
        return dealer

    return make


def request(cmd: str, identity: str | int = "a", **args) -> bytes:
    return json.dumps({"v": 1, "id": identity, "cmd": cmd, "args": args}).encode()


def receive(subscriber: zmq.Socket) -> message.Message:
    return message.decode(subscriber.recv_multipart())


# --- greeting -------------------------------------------------------------------------------------------------------


def test_whoever_subscribes_is_greeted_and_so_is_the_second(start, listen, monkeypatch):
    monkeypatch.setattr("rtstrf.wire.publisher.HELLO_EVERY_S", 1e6)  # or the next regular one would do
    engine = start()
    for _ in range(3):
        hello = receive(listen(engine, "hello/main/"))
        assert hello.header["model"] == "test"


def test_a_greeting_is_repeated_without_being_asked_for(start, listen, monkeypatch):
    monkeypatch.setattr("rtstrf.wire.publisher.HELLO_EVERY_S", 0.01)
    subscriber = listen(start(), "hello/main/")
    seqs = [receive(subscriber).seq for _ in range(5)]
    assert seqs == list(range(seqs[0], seqs[0] + 5))


def test_whoever_does_not_want_a_greeting_costs_the_others_none(start, listen, command, monkeypatch):
    monkeypatch.setattr("rtstrf.wire.publisher.HELLO_EVERY_S", 1e6)
    monkeypatch.setattr("rtstrf.wire.publisher.HELLO_AT_LEAST_APART_S", 0.0)  # or it would come after this test
    engine = start()
    subscriber, dealer = listen(engine, "hello/"), command(engine)
    receive(subscriber)

    def greetings():
        dealer.send(request("status"))
        return json.loads(dealer.recv())["result"]["seqs"]["hello/main/"]

    greetings()  # one turn of the wire thread: the greeting of the start and that of the subscriber are both out
    before = greetings()
    other = listen(engine, "rates/")
    while not other.poll(10):  # until it is connected
        engine.publish(0)
    other.close(linger=0)
    assert greetings() == before


def test_a_subscriber_to_everything_is_greeted(engine, listen):
    subscriber = listen(engine, "")
    while receive(subscriber).kind != "hello":
        pass


def test_the_greeting_says_where_and_when(engine, listen):
    header = receive(listen(engine, "hello/")).header
    assert header["protocol"] == "rtstrf/1"
    assert header["run"] == engine.server.run
    assert header["endpoints"] == {"data": engine.server.data_endpoint, "control": engine.server.control_endpoint}
    assert header["security"] == {"mechanism": "NULL", "insecure_lan": False}
    assert header["anchor"] == engine.clock.anchor()
    assert 0 < header["t_pub"] < engine.clock.now_ns()


def test_a_field_of_the_engine_does_not_override_one_of_the_protocol(start, listen):
    engine = start(hello=lambda: {"kind": "ferret", "seq": -1, "run": "mine", "v": 9, "species": "ferret"})
    header = receive(listen(engine, "hello/")).header
    assert (header["v"], header["kind"], header["run"], header["species"]) == (1, "hello", engine.server.run, "ferret")


def test_hello_by_control_greets_everybody_again(engine, listen, command):
    subscriber, dealer = listen(engine, "hello/"), command(engine)
    first = receive(subscriber)
    dealer.send(request("hello"))
    assert json.loads(dealer.recv())["result"]["model"] == "test"
    assert receive(subscriber).seq > first.seq


# --- data -----------------------------------------------------------------------------------------------------------


def test_rates_come_in_order_with_every_header_field(engine, connect, gather):
    client = connect(engine)
    for i0 in range(50):
        assert engine.publish(i0, s0=240 * i0, s1=240 * (i0 + 1), t_raw=1, t_proc=2, load=0.5, q=0)
    messages = [m for m in gather(client, lambda all_: sum(m.kind == "rates" for m in all_) == 50) if m.kind == "rates"]
    for i0, each in enumerate(messages):
        assert set(each.header) == FIELDS
        assert (each.seq, each.header["i0"], each.header["unit"]) == (i0, i0, "Hz")
        np.testing.assert_array_equal(each.array, np.full((1, 3), i0, dtype=np.float32))
        assert each.header["t_cap"] <= each.header["t_pub"]


def test_an_array_may_be_overwritten_once_it_was_submitted(engine, connect, gather):
    client, buffer = connect(engine), np.zeros((1, 119), dtype=np.float32)
    for i0 in range(30):
        buffer[:] = i0
        engine.server.submit("rates", {"i0": i0}, buffer)
    messages = gather(client, lambda all_: sum(m.kind == "rates" for m in all_) == 30)
    for each in messages:
        assert each.kind != "rates" or np.all(each.array == each.header["i0"])


@pytest.mark.parametrize("kind", message.ARRAY_KINDS)
def test_every_kind_of_array_has_its_topic_and_its_own_numbers(engine, connect, gather, kind):
    client = connect(engine, topics=(kind,))
    engine.publish(0, kind="rates")
    engine.publish(0, kind=kind, n=2, m=68)
    [each] = [m for m in gather(client, lambda all_: any(m.array is not None for m in all_)) if m.kind == kind][-1:]
    assert each.topic == f"{kind}/main/"
    if kind != "rates":
        assert (each.seq, each.array.shape) == (0, (2, 68))


@pytest.mark.parametrize(
    ("kind", "header", "payload"),
    [
        ("hello", {}, np.ones((1, 1))),
        ("rate", {}, np.ones((1, 1))),
        ("rates", {}, None),
        ("rates", {}, np.ones(3)),
        ("rates", {"load": float("nan")}, np.ones((1, 1))),
        ("rates", {"i0": 2**53}, np.ones((1, 1))),
        ("rates", {"units": [1, 2]}, np.ones((1, 1))),
    ],
)
def test_a_message_no_client_could_read_is_refused_where_it_is_submitted(engine, kind, header, payload):
    with pytest.raises(WireError):
        engine.server.submit(kind, header, payload)


def test_what_the_queue_cannot_hold_is_dropped_counted_and_missed_by_number(start, connect, gather):
    engine = start(queue_messages=4)
    client = connect(engine)
    engine.publish(0)
    gather(client, lambda all_: any(m.kind == "rates" for m in all_))
    entered, leave = threading.Event(), threading.Event()

    def hold(cmd, args):
        entered.set()
        assert leave.wait(20)
        return {}

    engine.answer = hold  # the wire thread is held here, so that nothing leaves the queue
    asking = threading.Thread(target=client.request, args=("reset", 20.0))
    asking.start()
    assert entered.wait(20)
    queued = [engine.publish(i0) for i0 in range(1, 11)]
    leave.set()
    asking.join()
    assert queued == [True] * 4 + [False] * 6
    assert engine.server.dropped == 6
    gather(client, lambda all_: any(m.header.get("i0") == 4 for m in all_))  # now the queue is empty again
    engine.publish(11)
    gather(client, lambda all_: any(m.header.get("i0") == 11 for m in all_))
    assert client.lost == {"rates/main/": 6}
    assert client.bins_lost == 6
    assert client.request("status")["dropped"] == 6


def test_a_backlog_reaches_a_subscriber_that_reads_without_a_loss(start, connect, gather):
    engine = start()
    client = connect(engine)
    entered, leave = threading.Event(), threading.Event()

    def hold(cmd, args):
        entered.set()
        assert leave.wait(20)
        return {}

    engine.answer = hold
    asking = threading.Thread(target=client.request, args=("reset", 20.0))
    asking.start()
    assert entered.wait(20)
    assert all([engine.publish(i0, m=119) for i0 in range(1000)])  # 15 times what ZeroMQ holds for a subscriber
    leave.set()
    asking.join()
    messages = gather(client, lambda all_: any(m.header.get("i0") == 999 for m in all_))
    assert client.lost == {}
    assert sum(m.kind == "rates" for m in messages) == 1000


def test_a_subscriber_that_does_not_read_delays_nobody_and_costs_no_memory(engine, context, connect, gather):
    stalled = context.socket(zmq.SUB)
    stalled.setsockopt(zmq.RCVHWM, 1)
    stalled.setsockopt(zmq.RCVBUF, 4096)
    stalled.subscribe("rates/")
    stalled.connect(engine.server.data_endpoint)
    client = connect(engine)
    block = np.zeros((100, 119), dtype=np.float32)
    sent = 0
    deadline_s = time.monotonic() + 20
    while sent < 600 and time.monotonic() < deadline_s:  # 28 MB, of which the stalled one can hold a fraction
        assert engine.server.submit("rates", {"i0": 100 * sent}, block)
        sent += 1
        if sent % 20 == 0:
            gather(client, lambda all_, last=100 * (sent - 1): any(m.header.get("i0") == last for m in all_))
    assert sent == 600
    assert client.lost == {}
    assert engine.server.dropped == 0
    held = 0
    while stalled.poll(200):
        held += len(stalled.recv_multipart()) == 3
    assert 0 < held < 600


# --- heartbeat and events -------------------------------------------------------------------------------------------


def test_a_heartbeat_comes_in_silence_with_the_state_of_engine_and_server(engine, connect, gather):
    client = connect(engine)
    engine.publish(0)
    beats = [
        m for m in gather(client, lambda all_: sum(m.kind == "heartbeat" for m in all_) >= 2) if m.kind == "heartbeat"
    ]
    header = beats[-1].header
    assert (header["state"], header["clients"], header["dropped"]) == ("running", 1, 0)
    assert header["seqs"]["rates/main/"] == 0
    assert header["memory_bytes"] > 1_000_000
    assert client.heartbeat == header
    assert beats[-1].seq == beats[-2].seq + 1


def test_clients_are_counted_as_they_come_and_go(engine, connect):
    first, second = connect(engine), connect(engine)
    assert first.request("status")["clients"] == 2
    second.close()
    deadline_s = time.monotonic() + 20
    while first.request("status")["clients"] != 1:
        assert time.monotonic() < deadline_s


def test_a_status_that_fails_is_told_and_the_heart_beats_on(start, connect, gather, caplog):
    def fail():
        raise RuntimeError("no status today")

    with caplog.at_level(logging.CRITICAL, logger="rtstrf.wire.publisher"):
        client = connect(start(status=fail))
        gather(client, lambda all_: sum(m.kind == "heartbeat" for m in all_) >= 2)
    assert client.heartbeat["state"] == "unknown"
    assert "no status today" in client.heartbeat["fault"]


def test_a_greeting_that_fails_does_not_silence_the_stream(start, listen, caplog):
    broken = []

    def hello():
        if not broken:
            broken.append(1)
            raise RuntimeError("not yet")
        return {"model": "test"}

    engine = start(hello=hello)
    assert receive(listen(engine, "hello/")).header["model"] == "test"
    assert "goes on after a fault" in caplog.text


def test_events_are_published_in_order_and_can_be_read_again(engine, connect, gather):
    client = connect(engine)
    engine.server.event("state", new="running")
    engine.server.event("mark", label="left", x=np.float32(0.5))
    events = [
        m.header for m in gather(client, lambda all_: sum(m.kind == "event" for m in all_) == 2) if m.kind == "event"
    ]
    assert [(e["number"], e["name"], e["details"]) for e in events] == [
        (0, "state", {"new": "running"}),
        (1, "mark", {"label": "left", "x": 0.5}),
    ]
    answer = client.request("events", since=1)
    assert [e["name"] for e in answer["events"]] == ["mark"]
    assert (answer["oldest"], answer["next"]) == (0, 2)
    assert 0 <= answer["events"][0]["t"] <= events[1]["t_pub"]


# --- control --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.REQ])
def test_a_request_from_either_kind_of_socket_is_answered(engine, command, kind):
    asker = command(engine, kind)
    asker.send(request("mark", 17, label="left"))
    reply = json.loads(asker.recv())
    assert (reply["id"], reply["ok"], reply["result"]) == (17, True, {"did": "mark"})
    assert 0 < reply["t1"] <= reply["t2"] < engine.clock.now_ns()
    assert engine.told == [("mark", {"label": "left"})]


def test_a_slow_command_is_answered_when_it_is_done_and_holds_up_nobody(engine, command, connect, gather):
    future: Future[dict] = Future()
    engine.answer = lambda cmd, args: future if cmd == "start" else {}
    slow, client = command(engine), connect(engine)
    slow.send(request("start", at=5))
    client.request("reset")
    engine.publish(0)
    gather(client, lambda all_: any(m.kind == "rates" for m in all_))
    assert not slow.poll(0)
    future.set_result({"started": True})
    assert json.loads(slow.recv())["result"] == {"started": True}


def test_a_request_sent_twice_is_executed_once(engine, command):
    dealer = command(engine)
    for _ in range(2):
        dealer.send(request("reset"))
    assert [json.loads(dealer.recv())["ok"] for _ in range(2)] == [True, True]
    assert engine.told == [("reset", {})]


def test_a_refusal_by_the_engine_reaches_the_client_with_its_remedy(engine, command):
    def refuse(cmd, args):
        raise ConfigError("gain is 99", remedy="choose 0 to 10")

    engine.answer = refuse
    dealer = command(engine)
    dealer.send(request("set", name="gain", value=99))
    assert json.loads(dealer.recv())["error"] == {"code": "refused", "message": "gain is 99", "hint": "choose 0 to 10"}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bad_json"),
        (b"{}", "bad_request"),
        (b"\xff\xfe", "bad_json"),
        (b"[" * 60_000, "bad_json"),
        (b'{"v":1,"id":"a","cmd":"mark","args":{"label":"' + b"x" * 70_000 + b'"}}', "too_large"),
        (b'{"v":1,"id":"a","cmd":"format_disk"}', "unknown_command"),
        (b'{"v":1,"id":"a","cmd":"events","args":{"since":"x"}}', "bad_arguments"),
    ],
)
def test_a_bad_request_gets_an_error_reply_and_changes_nothing(engine, command, data, code):
    dealer = command(engine)
    dealer.send(data)
    assert json.loads(dealer.recv())["error"]["code"] == code
    assert engine.told == []


def test_a_request_of_several_frames_is_refused(engine, command):
    dealer = command(engine)
    dealer.send_multipart([b"a", b"b", request("reset")])
    assert json.loads(dealer.recv())["error"]["code"] == "bad_json"
    assert engine.told == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(frames=st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_random_frames_into_control_are_answered_and_the_server_lives(engine, command, frames):
    dealer = command(engine)
    dealer.send_multipart(frames)
    assert json.loads(dealer.recv_multipart()[-1])["ok"] is False
    dealer.send(request("ping"))
    assert json.loads(dealer.recv())["result"] == {"run": engine.server.run}
    dealer.close(linger=0)
    assert engine.told == []


def test_a_megabyte_hangs_up_on_its_sender_only(engine, command):
    rude, polite = command(engine), command(engine)
    rude.send(b"x" * 2_000_000)
    polite.send(request("ping"))
    assert json.loads(polite.recv())["ok"]


def test_bytes_that_are_no_zeromq_at_all_do_no_harm(engine, command):
    for endpoint in (engine.server.data_endpoint, engine.server.control_endpoint):
        with socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2]))) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
    dealer = command(engine)
    dealer.send(request("ping"))
    assert json.loads(dealer.recv())["ok"]


# --- beginning and end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken", ["data", "control"])
def test_a_port_in_use_is_named_with_a_way_out_and_nothing_is_left_running(start, taken):
    first = start()
    threads = threading.active_count()
    port = getattr(first.server, f"{taken}_endpoint").rpartition(":")[2]
    with pytest.raises(WireError, match=f"port {port}.*in use") as caught:
        start(**{taken: f"tcp://127.0.0.1:{port}"})
    assert f"--set wire.{taken}=" in caught.value.remedy
    assert threading.active_count() == threads


def test_an_address_of_another_machine_cannot_be_bound(start):
    with pytest.raises(WireError, match="cannot bind data"):
        start(data="tcp://192.0.2.7:5590", insecure_lan=True)


def test_beyond_loopback_is_refused_before_anything_is_opened(start):
    with pytest.raises(WireError, match="insecure-lan"):
        start(control="tcp://*:0")


def test_with_insecure_lan_the_wildcard_is_bound_and_the_greeting_says_so(start, context):
    engine = start(data="tcp://0.0.0.0:0", control="tcp://0.0.0.0:*", insecure_lan=True)
    subscriber = context.socket(zmq.SUB)
    subscriber.subscribe("hello/")
    subscriber.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
    subscriber.connect(engine.server.data_endpoint.replace("0.0.0.0", "127.0.0.1"))
    assert receive(subscriber).header["security"]["insecure_lan"] is True


def test_a_stopped_server_has_sent_what_was_queued_and_leaves_no_thread(start, connect, gather):
    engine = start()
    client = connect(engine)
    for i0 in range(40):
        engine.publish(i0, n=1000, m=119, flags=128 if i0 == 39 else 0)  # 19 MB, more than any buffer on the way holds
    engine.server.stop()
    engine.server.stop()
    assert "rtstrf-wire" not in [thread.name for thread in threading.enumerate()]
    assert not engine.publish(40)
    messages = gather(client, lambda all_: any(m.flags & message.Flags.LAST for m in all_))
    assert client.lost == {}
    assert sum(m.kind == "rates" for m in messages) == 40


def test_a_stopped_servers_ports_are_free_again(start):
    first = start()
    first.server.stop()
    again = start(data=first.server.data_endpoint, control=first.server.control_endpoint)
    assert again.server.data_endpoint == first.server.data_endpoint
    assert again.server.run != first.server.run


def test_a_shutdown_by_control_is_answered_before_the_server_is_gone(engine, command):
    def shut_down(cmd, args):
        engine.server.stop()  # on the wire thread itself
        return {"bye": True}

    engine.answer = shut_down
    dealer = command(engine)
    dealer.send(request("shutdown"))
    assert json.loads(dealer.recv())["result"] == {"bye": True}
    engine.server.stop()


def test_requests_not_done_are_answered_when_the_server_stops(engine, command):
    waiting = threading.Event()

    def start_later(cmd, args):
        waiting.set()
        return Future()

    engine.answer = start_later
    dealer = command(engine)
    dealer.send(request("start"))
    assert waiting.wait(20)
    engine.server.stop()
    assert json.loads(dealer.recv())["error"]["code"] == "stopping"


def test_a_server_starts_once_and_one_that_was_never_started_can_be_stopped(engine):
    with pytest.raises(WireError, match="started before"):
        engine.server.start()
    never = WireServer(clock=engine.clock, hello=dict, status=dict, handle=lambda cmd, args: {})
    never.stop()
    assert not never.submit("rates", {"i0": 0}, np.ones((1, 1)))
    with pytest.raises(WireError, match="started before"):
        never.start()
