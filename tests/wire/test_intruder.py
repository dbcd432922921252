"""Nobody is let in unasked: real intruders against a real server with keys; each must leave with nothing."""

from __future__ import annotations

import json
import socket
import time

import numpy as np
import pytest
import zmq

from rtstrf.errors import WireError
from rtstrf.wire.allow_list import ServerKeys
from rtstrf.wire.client import Client
from rtstrf.wire.keys import ClientKeys, KeyPair
from rtstrf.wire.request import RequestError

PATIENCE_MS = 20_000
SECRET_HZ = 1234.5


class Fortress:
    """A server with keys, one client that may read and one that may command."""

    def __init__(self, start, folder):
        self.keys = ServerKeys.make(folder)
        self.reader = ClientKeys.make("display", self.keys.pair.public)
        self.writer = ClientKeys.make("rig", self.keys.pair.public)
        self.keys.allow("display", self.reader.pair.public, "read-only")
        self.keys.allow("rig", self.writer.pair.public, "read-write")
        self.engine = start(keys=self.keys.folder)
        self.data, self.control = self.engine.server.data_endpoint, self.engine.server.control_endpoint

    def publish(self):
        self.engine.server.submit("rates", {"i0": 0}, np.full((1, 50), SECRET_HZ, np.float32))
        self.engine.server.event("mark", label="secret")


@pytest.fixture
def fortress(start, tmp_path):
    return Fortress(start, tmp_path / "keys")


@pytest.fixture
def enter(fortress, closing):
    def make(keys, **options) -> Client:
        return closing.enter_context(Client(fortress.data, fortress.control, keys=keys, **options))

    return make


def stranger(server: str) -> ClientKeys:
    return ClientKeys.make("stranger", server)


def test_an_allowed_client_reads_and_the_greeting_says_how_it_is_secured(fortress, enter, gather):
    client = enter(fortress.reader)
    hello = client.wait_hello(20)
    assert hello["security"] == {
        "mechanism": "CURVE", "insecure_lan": False, "clients_allowed": {"read-only": 1, "read-write": 1},
    }  # fmt: skip
    fortress.publish()
    messages = gather(client, lambda all_: any(m.kind == "rates" for m in all_))
    assert [m.array[0, 0] for m in messages if m.kind == "rates"] == [SECRET_HZ]
    assert client.refusal is None


def test_a_client_that_may_command_is_obeyed(fortress, enter):
    assert enter(fortress.writer).request("reset", 20) == {"did": "reset"}
    assert fortress.engine.told == [("reset", {})]


def test_a_client_that_may_read_only_cannot_command(fortress, enter):
    client = enter(fortress.reader)
    client.wait_hello(20)
    with pytest.raises(WireError, match="does not allow this key"):
        client.request("stop", 1.0)
    assert fortress.engine.told == []


@pytest.mark.parametrize(
    "who", ["nobody", "a stranger", "one with a false server key", "one who takes a client for the server"]
)
def test_an_intruder_gets_no_byte_of_data_and_changes_nothing(fortress, enter, gather, who):
    keys = {
        "nobody": None,
        "a stranger": stranger(fortress.keys.pair.public),
        "one with a false server key": ClientKeys("rig", fortress.writer.pair, KeyPair.make().public),
        "one who takes a client for the server": ClientKeys("x", KeyPair.make(), fortress.reader.pair.public),
    }[who]
    why = {
        "nobody": "the server wants a key",
        "a stranger": "does not allow this key",
        "one with a false server key": "hangs up on this key",
        "one who takes a client for the server": "hangs up on this key",
    }[who]
    intruder, friend = enter(keys), enter(fortress.reader)
    friend.wait_hello(20)
    deadline_s = time.monotonic() + 20
    while intruder.refusal is None:  # it has tried, and was refused
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    fortress.publish()
    gather(friend, lambda all_: any(m.kind == "rates" for m in all_))
    assert intruder.poll(0.3) == []
    assert why in intruder.refusal
    with pytest.raises(WireError, match=why):
        intruder.wait_hello(0.05)
    with pytest.raises(WireError, match=f"no answer to 'stop'.*{why}"):
        intruder.request("stop", 1.0)
    assert fortress.engine.told == []
    assert (intruder.run, intruder.hello, intruder.malformed) == (None, None, 0)


def zmtp(command: bytes) -> bytes:
    """Return a ZMTP 3 command frame."""
    return bytes([4, len(command)]) + command


GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00"
NULL_GREETING = GREETING + b"NULL".ljust(20, b"\0") + bytes(32)
CURVE_GREETING = GREETING + b"CURVE".ljust(20, b"\0") + bytes(32)
READY = zmtp(b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB")
SUBSCRIBE = b"\x00\x01\x01"

RAW = {
    "silence": b"",
    "a web browser": b"GET / HTTP/1.1\r\nHost: rig\r\n\r\n",
    "no mechanism": NULL_GREETING + READY + SUBSCRIBE,
    "CURVE without a handshake": CURVE_GREETING + READY + SUBSCRIBE,
    "CURVE with a made-up hello": CURVE_GREETING + zmtp(b"\x05HELLO" + bytes(194)) + SUBSCRIBE,
    "a frame of 2**62 bytes": CURVE_GREETING + b"\x06\x40" + bytes(7) + b"x" * 1000,
    "noise": bytes(range(256)) * 40,
}


@pytest.mark.parametrize("role", ["data", "control"])
@pytest.mark.parametrize("what", RAW)
def test_a_bare_tcp_connection_gets_zeromqs_greeting_and_nothing_else(fortress, enter, gather, role, what):
    port = int(getattr(fortress, role).rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(RAW[what])
        friend = enter(fortress.reader)
        friend.wait_hello(20)
        fortress.publish()
        gather(friend, lambda all_: any(m.kind == "rates" for m in all_))
        received = b""
        raw.settimeout(0.3)
        try:
            while chunk := raw.recv(65536):
                received += chunk
        except (TimeoutError, ConnectionResetError):
            pass
    assert len(received) < 300
    assert not received or received[:1] == b"\xff"
    for secret in (np.float32(SECRET_HZ).tobytes(), b"rates", b"hello", b"secret", b"rtstrf"):
        assert secret not in received
    assert fortress.engine.told == []


def test_nothing_readable_passes_over_the_network(fortress, closing, gather):
    """A relay stands for the cable: what an eavesdropper sees of a client that is let in."""
    seen, port = bytearray(), int(fortress.data.rpartition(":")[2])
    relay = closing.enter_context(Relay(port, seen))
    client = closing.enter_context(Client(f"tcp://127.0.0.1:{relay.port}", keys=fortress.reader))
    client.wait_hello(20)
    fortress.publish()
    gather(client, lambda all_: any(m.kind == "rates" for m in all_))
    assert len(seen) > 500
    for secret in (
        np.float32(SECRET_HZ).tobytes(),
        b"rates/",
        b"hello/",
        b"model",
        fortress.reader.pair.public.encode(),
    ):
        assert secret not in seen


class Relay:
    """Passes bytes between a client and a port, and keeps a copy."""

    def __init__(self, port: int, seen: bytearray) -> None:
        import threading

        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

        def copy(source: socket.socket, target: socket.socket) -> None:
            try:
                while data := source.recv(65536):
                    seen.extend(data)
                    target.sendall(data)
            except OSError:
                pass

        def serve() -> None:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", port))
            self._ends += [near, far]
            for pair in ((near, far), (far, near)):
                thread = threading.Thread(target=copy, args=pair)
                thread.start()
                self._threads.append(thread)

        self._server = threading.Thread(target=serve)
        self._server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        self._server.join()
        for end in self._ends:
            end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()


def test_whoever_is_revoked_commands_nothing_from_then_on_though_still_connected(fortress, enter):
    client = enter(fortress.writer)
    client.request("reset", 20)
    fortress.keys.revoke("rig")
    with pytest.raises(RequestError) as caught:
        client.request("stop", 20)
    assert caught.value.code == "not_allowed"
    assert fortress.engine.told == [("reset", {})]
    fortress.keys.allow("rig", fortress.writer.pair.public, "read-only")
    with pytest.raises(RequestError):
        client.request("stop", 20)


def test_whoever_is_allowed_while_the_server_runs_gets_in(fortress, enter):
    newcomer = stranger(fortress.keys.pair.public)
    client = enter(newcomer)
    while client.refusal is None:
        time.sleep(0.01)
    fortress.keys.allow("newcomer", newcomer.pair.public, "read-only")
    client.wait_hello(20)
    assert client.refusal is None


def test_a_list_that_is_damaged_meanwhile_lets_nobody_new_in(fortress, enter):
    inside = enter(fortress.writer)
    inside.request("ping", 20)
    (fortress.keys.folder / "allowed.json").write_text("damaged")
    with pytest.raises(RequestError, match="may not command"):
        inside.request("stop", 20)
    late = enter(fortress.reader)
    with pytest.raises(WireError, match="does not allow this key"):
        late.wait_hello(1.0)
    assert fortress.engine.told == []


def test_a_client_with_a_key_says_so_where_the_server_has_none(engine, closing):
    keys = stranger(KeyPair.make().public)
    client = closing.enter_context(Client(engine.server.data_endpoint, keys=keys))
    with pytest.raises(WireError, match="the server has no keys of its own"):
        client.wait_hello(3.0)  # three attempts: each may find the door shut before it is told why


def test_without_its_gate_a_server_lets_nobody_in(fortress, enter, context):
    """Even where the thread that answers were gone: a socket with a key and no gate beside it."""
    from rtstrf.wire import sockets

    alone = sockets.data_socket(context, "tcp://127.0.0.1:0", pair=fortress.keys.pair)
    endpoint = sockets.endpoint_of(alone)
    with Client(endpoint, keys=fortress.writer) as client, pytest.raises(WireError):
        client.wait_hello(1.0)
    assert not alone.poll(0)  # not even its subscription has come through


def test_a_spoofed_identity_gets_no_reply_of_another(engine, context):
    """Two clients with the same id of a request, each on a connection of its own."""
    engine.answer = lambda cmd, args: {"label": args["label"]}
    dealers = []
    for label in ("left", "right"):
        dealer = context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
        dealer.connect(engine.server.control_endpoint)
        dealer.send_json({"v": 1, "id": 1, "cmd": "mark", "args": {"label": label}})
        dealers.append((dealer, label))
    for dealer, label in dealers:
        reply = json.loads(dealer.recv())
        assert (reply["id"], reply["result"]) == (1, {"label": label})


def test_beyond_loopback_needs_an_allowed_client(start, tmp_path):
    keys = ServerKeys.make(tmp_path / "keys")
    with pytest.raises(WireError, match="no client is allowed") as caught:
        start(data="tcp://0.0.0.0:0", keys=keys.folder)
    assert "rtstrf keys allow" in caught.value.remedy
    keys.allow("display", KeyPair.make().public, "read-only")
    assert start(data="tcp://0.0.0.0:0", control="tcp://0.0.0.0:0", keys=keys.folder).server.data_endpoint


def test_keys_and_anybody_contradict_each_other(start, tmp_path):
    keys = ServerKeys.make(tmp_path / "keys")
    with pytest.raises(WireError, match="--insecure-lan lets anybody in"):
        start(keys=keys.folder, insecure_lan=True)
