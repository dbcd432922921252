from __future__ import annotations

import itertools
import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import zmq

from rtstrf.errors import WireError
from rtstrf.wire import host, message
from rtstrf.wire.client import Client
from rtstrf.wire.request import RequestError

PATIENCE_S = 20.0


class FakeServer:
    """A bare XPUB that sends what it is told, right or wrong."""

    def __init__(self, context: zmq.Context) -> None:
        self.socket = context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.RCVTIMEO, int(PATIENCE_S * 1000))
        self.endpoint = f"tcp://127.0.0.1:{self.socket.bind_to_random_port('tcp://127.0.0.1')}"
        self.seqs: dict[str, itertools.count] = {}

    def await_subscriptions(self, count: int) -> None:
        for _ in range(count):
            self.socket.recv()

    def send(self, kind: str, t_pub: int, run: str = "r", **fields) -> None:
        seq = next(self.seqs.setdefault(kind + run, itertools.count()))
        header = {"v": 1, "kind": kind, "run": run, "stream": "main", "seq": seq, **fields, "t_pub": t_pub}
        payload = None
        if kind in message.ARRAY_KINDS:
            header |= {"n": 1, "m": 1, "dtype": "<f4"}
            payload = message.as_payload(np.ones((1, 1)))
        self.socket.send_multipart(message.encode(header, payload))


@pytest.fixture
def fake(context):
    return FakeServer(context)


@pytest.fixture
def follow(fake, closing):
    """Return a function that connects a client to the fake server."""

    def make(**options) -> Client:
        client = closing.enter_context(Client(fake.endpoint, **options))
        fake.await_subscriptions(3 + len(options.get("topics", ("rates",))))
        return client

    return make


# --- receiving ------------------------------------------------------------------------------------------------------


def test_an_iteration_yields_the_rates_and_nothing_else(engine, connect):
    client = connect(engine)
    for i0 in range(5):
        engine.server.event("mark")
        engine.publish(i0)
    assert [each.header["i0"] for each in itertools.islice(client, 5)] == [0, 1, 2, 3, 4]


def test_poll_returns_what_came_of_every_kind_and_waits_no_longer_than_told(engine, connect, gather):
    client = connect(engine)
    engine.server.event("mark")
    engine.publish(0)
    assert {"event", "rates"} <= {m.kind for m in gather(client, lambda all_: any(m.kind == "rates" for m in all_))}
    client.poll(0.0)
    assert client.poll(0.0) == []


def test_no_more_than_max_messages_are_returned_and_the_rest_next_time(engine, connect):
    client = connect(engine)
    for i0 in range(10):
        engine.publish(i0)
    sizes, indices = [], []
    deadline_s = time.monotonic() + PATIENCE_S
    while len(indices) < 10 and time.monotonic() < deadline_s:
        messages = client.poll(0.1, max_messages=3)
        sizes.append(len(messages))
        indices += [m.header["i0"] for m in messages if m.kind == "rates"]
    assert indices == list(range(10))
    assert max(sizes) <= 3


def test_one_stream_or_all_of_them(start, connect, closing, gather):
    engine = start(stream="left")
    every, other = connect(engine), closing.enter_context(Client(engine.server.data_endpoint, stream="right"))
    left = connect(engine, stream="left")
    engine.publish(0)
    for client in (every, left):
        gather(client, lambda all_: any(m.stream == "left" and m.kind == "rates" for m in all_))
    assert other.poll(0.0) == []
    assert other.hello is None


def test_messages_that_come_while_a_greeting_is_awaited_are_kept(fake, follow):
    client = follow()
    fake.send("rates", 1, i0=0)
    fake.send("hello", 2)
    client.wait_hello(PATIENCE_S)
    assert [m.kind for m in client.poll(0.0)] == ["rates", "hello"]


def test_malformed_messages_are_counted_and_do_no_harm(fake, follow, gather):
    client = follow()
    for frames in ([b"rates/main/"], [b"rates/main/", b"{", b""], [b"event/main/", b"\xff"], [b"hello/main/x", b"{}"]):
        fake.socket.send_multipart(frames)
    fake.send("rates", 1, i0=0)
    messages = gather(client, len)
    assert [m.kind for m in messages] == ["rates"]
    assert client.malformed == 4


def test_a_closed_client_says_so_and_ends_an_iteration(engine, connect):
    client = connect(engine)
    engine.publish(0)
    for _ in client:
        client.close()
    client.close()
    with pytest.raises(WireError, match="closed"):
        client.poll()
    with pytest.raises(WireError, match="closed"):
        client.request("ping")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"topics": ("rate",)}, "no such kind"),
        ({"stream": "a/b"}, "cannot name a stream"),
        ({"on_lag": "ignore"}, "on_lag"),
        ({"data": "127.0.0.1:5590"}, "not an endpoint"),
        ({"control": "localhost"}, "not an endpoint"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_with_a_remedy(options, why):
    with pytest.raises(WireError, match=why) as caught:
        Client(**options)
    assert caught.value.remedy


def test_no_server_is_an_error_that_says_where_and_what_to_do(context):
    free = context.socket(zmq.PUB)
    port = free.bind_to_random_port("tcp://127.0.0.1")
    free.close(linger=0)
    with Client(f"tcp://127.0.0.1:{port}") as client:
        with pytest.raises(WireError, match=f"no server greeted at tcp://127.0.0.1:{port}") as caught:
            client.wait_hello(0.05)
        assert "rtstrf live" in caught.value.remedy
        with pytest.raises(WireError, match="no server greeted"):
            client.request("status", 0.05)
        assert (client.hello, client.run, client.age_s, client.clock_source) == (None, None, None, None)


# --- what was missed ------------------------------------------------------------------------------------------------


def test_lost_messages_and_lost_bins_are_counted(fake, follow, gather):
    client = follow()
    for i0 in (0, 1, 4, 5):
        fake.send("rates", 1, i0=i0)  # numbers run on: the server itself lost bins 2 and 3
    for _ in range(3):
        next(fake.seqs["ratesr"])
    fake.send("rates", 1, i0=9)  # three messages lost on the way
    gather(client, lambda all_: len(all_) == 5)
    assert client.lost == {"rates/main/": 3}
    assert client.bins_lost == 2 + 3


def test_a_new_run_restarts_the_counters_and_is_visible(fake, follow, gather):
    client = follow()
    fake.send("hello", 1, run="r")
    fake.send("rates", 1, i0=0, run="r")
    fake.send("rates", 1, i0=7, run="r")
    gather(client, lambda all_: len(all_) == 3)
    assert client.bins_lost == 6
    fake.send("rates", 1, i0=3, run="s")
    [first] = gather(client, lambda all_: len(all_) == 1)
    assert (first.run, client.run, client.runs_seen) == ("s", "s", ["r", "s"])
    assert (client.lost, client.bins_lost, client.hello, client.heartbeat) == ({}, 0, None, None)


# --- keeping up -----------------------------------------------------------------------------------------------------


def lag_behind(fake: FakeServer, client: Client, gather) -> None:
    """Send 50 bins of long ago and 1 of now, of a server whose clock the client knows to be its own."""
    start_ns = time.monotonic_ns() - 100 * 10**9
    now_ns = time.monotonic_ns() - start_ns
    anchor = {"monotonic_ns": str(start_ns), "utc": ""}
    fake.send("hello", now_ns, machine=host.machine_id(), anchor=anchor)
    gather(client, len)
    assert client.clock_source == "anchor"
    for i0 in range(50):
        fake.send("rates", now_ns - 5 * 10**9, i0=i0)
    fake.send("event", now_ns - 5 * 10**9, name="mark")
    fake.send("rates", time.monotonic_ns() - start_ns, i0=50)
    fake.send("heartbeat", now_ns)


def test_a_client_that_lags_skips_to_the_newest_counts_and_keeps_the_events(fake, follow, gather):
    client = follow()
    lag_behind(fake, client, gather)
    messages = gather(client, lambda all_: any(m.kind == "heartbeat" for m in all_))
    assert [m.header["i0"] for m in messages if m.kind == "rates"][-1] == 50
    assert [m.kind for m in messages].count("event") == 1
    assert client.skipped["rates/main/"] + sum(m.kind == "rates" for m in messages) == 51
    assert client.skipped["rates/main/"] > 0
    assert (client.lost, client.bins_lost) == ({}, 0)


def test_a_client_that_lags_raises_where_it_was_told_to(fake, follow, gather):
    client = follow(on_lag="raise")
    lag_behind(fake, client, gather)
    with pytest.raises(WireError, match=r"\d s after they were sent; the limit is 1 s"):
        gather(client, lambda all_: False)


def test_a_client_that_lags_ends_the_program_where_it_was_told_to(fake, follow, gather):
    client = follow(on_lag="exit")
    lag_behind(fake, client, gather)
    with pytest.raises(SystemExit, match="after they were sent"):
        gather(client, lambda all_: False)


def test_a_client_that_keeps_up_skips_nothing(engine, connect, gather):
    client = connect(engine, on_lag="raise", lag_s=PATIENCE_S)
    for i0 in range(200):
        engine.publish(i0)
        if i0 % 20 == 19:
            gather(client, lambda all_, i0=i0: any(m.header.get("i0") == i0 for m in all_))
    assert (client.lost, client.skipped) == ({}, {})


# --- time -----------------------------------------------------------------------------------------------------------


def test_on_one_machine_the_servers_clock_is_known_from_the_greeting(engine, connect, gather):
    client = connect(engine)
    assert client.clock_source == "anchor"
    before = engine.clock.now_ns()
    assert before <= client.run_time_ns() <= engine.clock.now_ns()
    engine.publish(0, t_cap=engine.clock.now_ns() - 2 * 10**9)
    gather(client, lambda all_: any(m.kind == "rates" for m in all_))
    assert 0 < client.age_s < PATIENCE_S
    assert 2 <= client.sound_age_s < 2 + PATIENCE_S
    assert client.sound_age_s > client.age_s


def test_a_ping_bounds_the_error_by_half_its_round_trip(engine, connect):
    client = connect(engine)
    offset = client.ping()
    true_offset_ns = -engine.clock.start_ns
    assert offset.round_trip_ns > 0
    assert abs(offset.offset_ns - true_offset_ns) <= offset.round_trip_ns / 2 + 1


def test_another_machines_clock_is_known_by_ping_or_relative_to_the_fastest_message(engine, connect, monkeypatch):
    monkeypatch.setattr("rtstrf.wire.knowledge.host", SimpleNamespace(machine_id=lambda: "another"))
    client = connect(engine)
    assert client.clock_source == "least delay"
    client.ping()
    assert client.clock_source == "ping"
    assert abs(client.run_time_ns() - engine.clock.now_ns()) < 10**9


@pytest.mark.parametrize(
    "anchor", [None, {}, {"monotonic_ns": "x"}, {"monotonic_ns": str(10**18)}, {"monotonic_ns": None}]
)
def test_an_anchor_that_cannot_be_true_is_not_believed(fake, follow, gather, anchor):
    client = follow()
    fake.send("hello", 10, machine=host.machine_id(), anchor=anchor)
    gather(client, len)
    assert client.clock_source == "least delay"


def test_silence_is_stale_and_what_waits_unread_is_not(fake, follow, gather):
    client = follow(stale_s=0.05)
    fake.send("event", 1)
    gather(client, len)
    deadline_s = time.monotonic() + PATIENCE_S
    while not client.stale:
        assert time.monotonic() < deadline_s
    fake.send("event", 1)
    while client.stale:
        assert time.monotonic() < deadline_s
    assert client.silence_s == 0


# --- control --------------------------------------------------------------------------------------------------------


def test_requests_go_where_the_greeting_says_and_bring_the_result(engine, connect):
    client = connect(engine)
    assert client.control_endpoint == engine.server.control_endpoint
    assert client.request("set", name="gain", value=2.5) == {"did": "set"}
    assert engine.told == [("set", {"name": "gain", "value": 2.5})]


def test_a_control_endpoint_may_be_given(engine, connect):
    client = connect(engine, control=engine.server.control_endpoint)
    assert client.request("ping") == {"run": engine.server.run}


def test_a_mark_carries_the_clients_own_time(engine, connect):
    before = time.monotonic_ns()
    connect(engine).mark("stimulus on")
    [(cmd, args)] = engine.told
    assert (cmd, args["label"]) == ("mark", "stimulus on")
    assert before <= int(args["t_client"]) <= time.monotonic_ns()


def test_a_refusal_raises_with_the_servers_code_and_hint(engine, connect):
    with pytest.raises(RequestError, match="no such command: 'dance'") as caught:
        connect(engine).request("dance")
    assert caught.value.code == "unknown_command"
    assert "choose from hello, ping" in caught.value.remedy


def test_an_argument_that_cannot_be_sent_is_refused_here(engine, connect):
    with pytest.raises(RequestError, match="cannot be sent"):
        connect(engine).request("set", name="gain", value=float("nan"))
    assert engine.told == []


def test_a_request_is_repeated_under_its_id_until_it_is_answered(context, fake, closing):
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.RCVTIMEO, int(PATIENCE_S * 1000))
    endpoint = f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}"
    client = closing.enter_context(Client(fake.endpoint, endpoint))
    seen = []

    def answer_the_third():
        for _ in range(3):
            identity, data = router.recv_multipart()
            seen.append(json.loads(data)["id"])
            router.send_multipart([identity, b'{"v":1,"id":"another","ok":true,"result":{},"t1":1,"t2":1}'])
            router.send_multipart([identity, b"not JSON"])
        reply = {"v": 1, "id": seen[-1], "ok": True, "result": {"done": 1}, "t1": 1, "t2": 2}
        router.send_multipart([identity, json.dumps(reply).encode()])

    answering = threading.Thread(target=answer_the_third)
    answering.start()
    try:
        assert client.request("reset", PATIENCE_S) == {"done": 1}
    finally:
        answering.join()
    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_a_request_made_before_the_server_is_there_is_answered_when_it_is(context, closing, start):
    free = context.socket(zmq.ROUTER)
    endpoint = f"tcp://127.0.0.1:{free.bind_to_random_port('tcp://127.0.0.1')}"
    free.unbind(endpoint)
    free.close(linger=0)
    client = closing.enter_context(Client("tcp://127.0.0.1:1", endpoint))
    results = []
    asking = threading.Thread(target=lambda: results.append(client.request("reset", PATIENCE_S)))
    asking.start()
    engine = start(control=endpoint)
    asking.join()
    assert results == [{"did": "reset"}]
    assert engine.told == [("reset", {})]


def test_a_request_nobody_answered_in_time_is_not_delivered_later(context, fake, closing):
    free = context.socket(zmq.ROUTER)
    endpoint = f"tcp://127.0.0.1:{free.bind_to_random_port('tcp://127.0.0.1')}"
    free.unbind(endpoint)
    free.close(linger=0)
    client = closing.enter_context(Client(fake.endpoint, endpoint))
    with pytest.raises(WireError, match="no answer to 'shutdown'") as caught:
        client.request("shutdown", 0.1)
    assert "check that the server runs" in caught.value.remedy
    late = context.socket(zmq.ROUTER)
    late.setsockopt(zmq.RCVTIMEO, int(PATIENCE_S * 1000))
    late.bind(endpoint)
    with pytest.raises(WireError, match="no answer to 'ping'"):
        client.request("ping", 0.5)
    assert json.loads(late.recv_multipart()[-1])["cmd"] == "ping"


# --- a server that dies ---------------------------------------------------------------------------------------------


def test_a_server_killed_and_restarted_is_found_again_with_its_new_run(start_process, closing, gather):
    first = start_process("publish_process.py", "tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
    run, data, control = first.stdout.readline().split()
    client = closing.enter_context(Client(data))
    client.wait_hello(PATIENCE_S)
    gather(client, lambda all_: sum(m.kind == "rates" for m in all_) > 20)
    assert client.run == run
    assert client.request("reset") == {"did": "reset"}
    first.kill()
    first.wait()
    second = start_process("publish_process.py", data, control)
    new_run = second.stdout.readline().split()[0]
    up_s = time.monotonic()
    gather(client, lambda all_: any(m.kind == "rates" and m.run == new_run for m in all_))
    print(f"found again {time.monotonic() - up_s:.3f} s after the server was up")
    assert client.runs_seen == [run, new_run]
    client.wait_hello(PATIENCE_S)
    assert client.hello["run"] == new_run
    assert client.request("reset", PATIENCE_S) == {"did": "reset"}
    assert not client.stale
