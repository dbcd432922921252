from __future__ import annotations

import pytest

from rtstrf.errors import WireError
from rtstrf.wire.allow_list import ServerKeys
from rtstrf.wire.keys import KeyPair
from rtstrf.wire.security import Security, host_of, is_loopback, seen_from

LOOPBACK = [
    "tcp://127.0.0.1:5590",
    "tcp://127.8.9.1:*",
    "tcp://localhost:0",
    "tcp://[::1]:5590",
    "ipc:///run/x",
    "inproc://x",
]
BEYOND = [
    "tcp://*:5590",
    "tcp://0.0.0.0:5590",
    "tcp://[::]:5590",
    "tcp://192.168.1.4:5590",
    "tcp://eth0:5590",
    "tcp://lab:1",
]


@pytest.mark.parametrize("endpoint", LOOPBACK)
def test_loopback_may_be_bound(endpoint):
    assert is_loopback(endpoint)
    Security().check_bind(endpoint)


@pytest.mark.parametrize("endpoint", BEYOND)
def test_beyond_loopback_is_refused_unless_said_in_so_many_words(endpoint):
    with pytest.raises(WireError, match="--insecure-lan"):
        Security().check_bind(endpoint)
    Security(insecure_lan=True).check_bind(endpoint)


@pytest.mark.parametrize(
    "endpoint", ["", "5590", "tcp://127.0.0.1", "tcp://:5590", "tcp://h:x", "tcp://h:65536", "udp://h:1"]
)
def test_what_is_no_endpoint_is_refused_with_an_example(endpoint):
    for check in (host_of, Security().check_bind, Security(insecure_lan=True).check_bind):
        with pytest.raises(WireError, match="is not an endpoint") as caught:
            check(endpoint)
        assert "tcp://127.0.0.1:5590" in caught.value.remedy


def test_a_wildcard_is_reached_by_the_host_the_client_knows():
    assert seen_from("tcp://0.0.0.0:5591", "tcp://lab:5590") == "tcp://lab:5591"
    assert seen_from("tcp://127.0.0.1:5591", "tcp://lab:5590") == "tcp://127.0.0.1:5591"
    assert seen_from("tcp://[::]:5591", "tcp://[fe80::1]:5590") == "tcp://[fe80::1]:5591"


def test_a_damaged_list_is_described_as_nobody(tmp_path):
    keys = ServerKeys.make(tmp_path / "keys")
    keys.allow("rig", KeyPair.make().public, "read-write")
    security = Security(keys=keys)
    assert security.describe()["clients_allowed"] == {"read-only": 0, "read-write": 1}
    (keys.folder / "allowed.json").write_text("{")
    assert security.describe()["clients_allowed"] == {"read-only": 0, "read-write": 0}
