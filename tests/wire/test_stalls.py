"""Clients that stall, servers that die: real processes, stopped and killed."""

from __future__ import annotations

import json
import os
import select
import signal
import time

import pytest

from rtstrf.wire.client import Client

PATIENCE_S = 20.0
STALL_S = 6.0

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes are stopped on POSIX systems only")


def test_a_client_stalled_for_6_s_costs_others_nothing_and_knows_it_is_late(engine, connect, start_process):
    stalled = start_process("listen_process.py", engine.server.data_endpoint)
    assert stalled.stdout.readline() == "ready\n"
    client = connect(engine, on_lag="raise", lag_s=PATIENCE_S)
    received, sent = 0, 0
    os.kill(stalled.pid, signal.SIGSTOP)
    woken_s = time.monotonic() + STALL_S
    while time.monotonic() < woken_s:
        assert engine.publish(sent, m=1024)  # 4 kB 200 times a second: more than all buffers on the way hold
        sent += 1
        received += sum(m.kind == "rates" for m in client.poll(0.005))
    os.kill(stalled.pid, signal.SIGCONT)
    while not select.select([stalled.stdout], [], [], 0)[0]:  # until it has heard that this is the end
        assert engine.publish(sent, m=1024, flags=128)
        sent += 1
        received += sum(m.kind == "rates" for m in client.poll(0.005))
    assert (client.lost, client.bins_lost, client.skipped, engine.server.dropped) == ({}, 0, {}, 0)
    deadline_s = time.monotonic() + PATIENCE_S
    while received < sent:
        assert time.monotonic() < deadline_s
        received += sum(m.kind == "rates" for m in client.poll(0.05))
    assert received == sent
    told = json.loads(stalled.stdout.readline())
    print(told)
    assert told["runs"] == 1
    assert told["lost"] > 0
    assert told["bins_lost"] >= told["lost"]
    assert told["read"] + told["skipped"] + told["lost"] <= sent


def test_a_server_killed_and_restarted_is_stale_in_between_and_then_back_with_its_new_run(
    start_process, closing, gather
):
    first = start_process("publish_process.py", "tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
    run, data, control = first.stdout.readline().split()
    client = closing.enter_context(Client(data))
    gather(client, lambda all_: sum(m.kind == "rates" for m in all_) > 20)
    assert not client.stale
    first.kill()
    first.wait()
    killed_s = time.monotonic()
    while not client.stale:
        client.poll(0.05)
        assert time.monotonic() < killed_s + PATIENCE_S
    stale_s = time.monotonic() - killed_s
    assert client.silence_s >= 3.0
    second = start_process("publish_process.py", data, control)
    new_run = second.stdout.readline().split()[0]
    up_s = time.monotonic()
    gather(client, lambda all_: any(m.kind == "rates" and m.run == new_run for m in all_))
    print(f"stale {stale_s:.2f} s after the kill, back {time.monotonic() - up_s:.3f} s after the restart")
    assert client.runs_seen == [run, new_run]
    assert (client.stale, client.lost) == (False, {})
    assert client.request("reset", PATIENCE_S) == {"did": "reset"}
