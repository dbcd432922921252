"""The golden frames on disk are what the protocol makes, and clients make of them what their index says."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zmq

from rtstrf.errors import WireError
from rtstrf.wire import golden_frames, message
from rtstrf.wire.client import Client

ROOT = Path(__file__).parents[2]
MESSAGES = golden_frames.golden_messages()


def named(name: str) -> golden_frames.GoldenMessage:
    [found] = [each for each in MESSAGES if each.name == name]
    return found


def test_the_files_are_byte_for_byte_what_the_tool_makes(tmp_path):
    tool = ROOT / "tools" / "make_golden_frames.py"
    subprocess.run([sys.executable, str(tool), str(tmp_path)], check=True, capture_output=True, cwd=ROOT)
    folder = Path(golden_frames.__file__).with_name("golden")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


@pytest.mark.parametrize("each", MESSAGES, ids=lambda each: each.name)
def test_each_message_is_what_its_index_says(each):
    assert hashlib.sha256(b"".join(each.frames)).hexdigest() == each.facts["sha256"]
    if not each.good:
        with pytest.raises(WireError):
            message.decode(each.frames)
        return
    decoded = message.decode(each.frames)
    assert (decoded.topic, decoded.seq, decoded.run) == (each.facts["topic"], each.facts["seq"], "golden")
    if "shape" in each.facts:
        assert list(decoded.array.shape) == each.facts["shape"]
        assert (decoded.header["i0"], int(decoded.flags)) == (each.facts["i0"], each.facts["flags"])


def test_every_kind_and_every_flag_is_among_them():
    good = [each.facts for each in MESSAGES if each.good]
    assert {facts["topic"].split("/")[0] for facts in good} == set(message.KINDS)
    together = 0
    for facts in good:
        together |= facts.get("flags", 0)
    assert together == sum(message.Flags)


def test_the_numbers_come_out_exactly():
    np.testing.assert_array_equal(message.decode(named("rates-first").frames).array, np.float32([[0, 1.5, 120]]))
    largest, smallest, zero = message.decode(named("rates-extremes").frames).array[0]
    assert (largest, smallest) == (np.finfo(np.float32).max, np.float32(1e-45))
    assert np.signbit(zero)
    assert message.decode(named("rates-large-integers").frames).header["t_proc"] == 2**53 - 1
    assert message.decode(named("hello").frames).header["units"][2]["id"] == "übergang"


def test_a_client_that_gets_them_all_counts_what_the_index_says(context, closing):
    server = context.socket(zmq.XPUB)
    server.setsockopt(zmq.RCVTIMEO, 20_000)
    port = server.bind_to_random_port("tcp://127.0.0.1")
    topics = message.ARRAY_KINDS
    client = closing.enter_context(Client(f"tcp://127.0.0.1:{port}", topics=topics))
    for _ in range(len(topics) + 3):
        server.recv()
    for each in MESSAGES:
        server.send_multipart(each.frames)
    expected = golden_frames.index()["in_all"]
    received = []
    while len(received) < expected["messages"] or client.malformed < expected["malformed"] - 1:
        received += client.poll(20.0)
    assert [m.topic for m in received] == [each.facts["topic"] for each in MESSAGES if each.good]
    # A topic that nobody subscribes to is dropped by ZeroMQ itself.
    unheard = sum(not each.good and each.frames[0] == b"rate/main/" for each in MESSAGES)
    assert client.malformed == expected["malformed"] - unheard
    assert (client.lost, client.bins_lost) == (expected["lost"], expected["bins_lost"])
