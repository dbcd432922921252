from __future__ import annotations

import json
import os
import stat

import pytest
import zmq

from rtstrf.errors import WireError
from rtstrf.wire.allow_list import ALLOWED_FILE, SERVER_FILE, ServerKeys
from rtstrf.wire.key_files import replacing
from rtstrf.wire.keys import ClientKeys, KeyPair

POSIX = pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX systems")


@pytest.fixture
def keys(tmp_path):
    return ServerKeys.make(tmp_path / "keys")


def public() -> str:
    return KeyPair.make().public


@POSIX
def test_secrets_are_for_their_owner_only(keys, tmp_path):
    os.umask(os.umask(0))  # whatever it is: modes do not depend on it
    ClientKeys.make("booth", keys.pair.public).save(tmp_path / "booth.key")
    for path in (tmp_path / "booth.key", keys.folder / SERVER_FILE):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.folder.stat().st_mode) == 0o700


@POSIX
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_that_others_can_read_is_refused_with_the_remedy(keys, tmp_path, mode):
    file = tmp_path / "booth.key"
    ClientKeys.make("booth", keys.pair.public).save(file)
    for path, load in (
        (file, lambda: ClientKeys.load(file)),
        (keys.folder / SERVER_FILE, lambda: ServerKeys(keys.folder)),
    ):
        path.chmod(mode)
        with pytest.raises(WireError, match="others can read") as caught:
            load()
        assert caught.value.remedy == f"run: chmod 600 {path}"


def test_a_clients_file_comes_back_as_it_was_saved(keys, tmp_path):
    made = ClientKeys.make("booth", keys.pair.public)
    made.save(tmp_path / "booth.key")
    assert ClientKeys.load(tmp_path / "booth.key") == made
    assert ServerKeys(keys.folder).pair == keys.pair


def test_a_secret_is_not_in_what_is_printed(keys):
    made = ClientKeys.make("booth", keys.pair.public)
    assert made.pair.secret not in repr(made)
    assert made.pair.public in repr(made)


def test_nothing_that_is_there_is_written_over(keys, tmp_path):
    before = (keys.folder / SERVER_FILE).read_bytes()
    with pytest.raises(WireError, match="is there already"):
        ServerKeys.make(keys.folder)
    assert (keys.folder / SERVER_FILE).read_bytes() == before
    made = ClientKeys.make("booth", keys.pair.public)
    made.save(tmp_path / "booth.key")
    with pytest.raises(WireError, match="is there already"):
        made.save(tmp_path / "booth.key")


def test_what_fails_half_way_leaves_what_was_there(keys):
    keys.allow("booth", public(), "read-only")
    before = (keys.folder / ALLOWED_FILE).read_bytes()

    def write_and_fail():
        with replacing(keys.folder / ALLOWED_FILE) as file:
            file.write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert (keys.folder / ALLOWED_FILE).read_bytes() == before
    assert sorted(path.name for path in keys.folder.iterdir()) == [ALLOWED_FILE, SERVER_FILE]


def test_who_is_allowed_can_do_what_the_list_says_until_revoked(keys):
    one, two = public(), public()
    keys.allow("display", one, "read-only")
    keys.allow("rig", two, "read-write")
    other = ServerKeys(keys.folder)  # a server that runs reads what the command has written
    assert (other.access_of(one), other.access_of(two), other.access_of(public())) == ("read-only", "read-write", None)
    keys.allow("display", one, "read-write")
    assert other.access_of(one) == "read-write"
    keys.revoke("display")
    assert other.access_of(one) is None
    assert [client.name for client in other.clients()] == ["rig"]


def test_a_name_has_one_key_and_a_key_one_name(keys):
    one = public()
    keys.allow("display", one, "read-only")
    for name, key in (("display", public()), ("rig", one)):
        with pytest.raises(WireError, match="'display' is allowed already") as caught:
            keys.allow(name, key, "read-only")
        assert "rtstrf keys revoke display" in caught.value.remedy
    with pytest.raises(WireError, match="the server's own key"):
        keys.allow("rig", keys.pair.public, "read-only")


def test_whoever_is_not_allowed_cannot_be_revoked_and_the_names_are_told(keys):
    keys.allow("display", public(), "read-only")
    with pytest.raises(WireError, match="'rig' is not allowed") as caught:
        keys.revoke("rig")
    assert "display" in caught.value.remedy


def test_a_guest_may_read_while_this_process_lives_and_is_not_in_the_list(keys):
    guest = keys.guest("view")
    assert guest.server == keys.pair.public
    assert keys.access_of(guest.pair.public) == "read-only"
    assert ServerKeys(keys.folder).access_of(guest.pair.public) is None
    assert keys.clients() == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format":"other"}', '{"format":"rtstrf-allowed-keys/1","clients":[1]}', "x" * 2_000_000]
)
def test_a_damaged_list_lets_nobody_in_and_stops_a_server_from_starting(keys, text):
    one = public()
    keys.allow("display", one, "read-only")
    (keys.folder / ALLOWED_FILE).write_text(text)
    assert keys.access_of(one) is None
    with pytest.raises(WireError, match=r"allowed\.json"):
        ServerKeys(keys.folder)


def test_a_list_that_is_gone_lets_nobody_in(keys):
    one = public()
    keys.allow("display", one, "read-only")
    (keys.folder / ALLOWED_FILE).unlink()
    assert keys.access_of(one) is None


@pytest.mark.parametrize("key", ["", "x" * 39, "x" * 41, "\\" * 40, "ä" * 40, None, 5])
def test_what_is_no_key_is_refused(keys, key):
    with pytest.raises(WireError, match="the client's public key is"):
        keys.allow("display", key, "read-only")
    with pytest.raises(WireError, match="the server's public key is"):
        ClientKeys.make("display", key)


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65, None])
def test_what_is_no_name_is_refused(keys, name):
    with pytest.raises(WireError, match="cannot name a client"):
        keys.allow(name, public(), "read-only")


def test_a_folder_without_a_key_says_how_to_make_one(tmp_path):
    with pytest.raises(WireError, match="no key of a server") as caught:
        ServerKeys(tmp_path)
    assert "rtstrf keys server" in caught.value.remedy


@pytest.mark.parametrize("field", ["public", "secret", "server", "name", "format"])
def test_a_damaged_key_is_refused_without_telling_the_secret(keys, tmp_path, field):
    path = tmp_path / "booth.key"
    made = ClientKeys.make("booth", keys.pair.public)
    made.save(path)
    fields = json.loads(path.read_text())
    fields[field] = fields[field][:-1] + " "
    path.write_text(json.dumps(fields))
    with pytest.raises(WireError) as caught:
        ClientKeys.load(path)
    assert made.pair.secret[:20] not in str(caught.value)


def test_keys_that_do_not_belong_together_are_refused(keys, tmp_path):
    path = tmp_path / "booth.key"
    ClientKeys("booth", KeyPair(public(), KeyPair.make().secret), keys.pair.public).save(path)
    with pytest.raises(WireError, match="do not belong together"):
        ClientKeys.load(path)


def test_without_curve_in_zeromq_it_is_said(monkeypatch):
    monkeypatch.setattr(zmq, "has", lambda name: False)
    with pytest.raises(WireError, match="without CURVE"):
        KeyPair.make()


def test_no_key_could_be_taken_for_an_option():
    assert not any(KeyPair.make().public.startswith("-") for _ in range(500))
