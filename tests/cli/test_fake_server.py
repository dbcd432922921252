"""`rtstrf fake-server`: a client that does everything right counts what it says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from rtstrf.wire.client import Client
from rtstrf.wire.fake import FAULTS
from rtstrf.wire.message import Flags, Message
from tests.support.command import Command, assert_refused

PATIENCE_S = 60.0


@pytest.fixture
def rtstrf(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[subprocess.Popen, str, str]]]:
    started: list[subprocess.Popen] = []

    def start(*options: str) -> tuple[subprocess.Popen, str, str]:
        free = ["--data", "tcp://127.0.0.1:0", "--control", "tcp://127.0.0.1:0"]
        command = [sys.executable, "-m", "rtstrf", "fake-server", *free, "--json", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        data, control = (word.strip(",;") for word in process.stderr.readline().split() if word.startswith("tcp://"))
        return process, data, control

    yield start
    for process in started:
        process.kill()
        process.communicate()


class Counted:
    """Follows a client to the end of the run that ends, and keeps what it counted in each run."""

    def __init__(self, client: Client) -> None:
        self.runs: dict[str, dict[str, int]] = {}
        self.messages: list[Message] = []
        self.was_stale = False
        self.latest_s = 0.0
        malformed_before, over, deadline_s = 0, False, time.monotonic() + PATIENCE_S
        while not over:
            assert time.monotonic() < deadline_s
            self.was_stale = self.was_stale or client.stale
            for each in client.poll(0.05, max_messages=1):  # one at a time, so that counters belong to its run
                if each.kind != "rates":
                    continue
                self.messages.append(each)
                self.latest_s = max(self.latest_s, (client.run_time_ns(each.t_recv_ns) - each.header["t_pub"]) / 1e9)
                over = Flags.LAST in each.flags and each.run != "golden"
                counts = self.runs.setdefault(each.run, Counter())
                if each.stream == "main":
                    counts["messages"] += 1
                counts["lost"], counts["bins_lost"] = client.lost.get("rates/main/", 0), client.bins_lost
                counts["malformed"] += client.malformed - malformed_before
                malformed_before = client.malformed


def test_without_faults_every_bin_comes_once_with_the_rates_it_should_have(serve) -> None:
    process, data, _ = serve("--bins", "50", "--units", "4")
    with Client(data, on_lag="raise", lag_s=PATIENCE_S) as client:
        counted = Counted(client)
        assert client.runs_seen == [client.run]
    out, _ = process.communicate(timeout=PATIENCE_S)
    [expected] = json.loads(out)
    assert (expected["messages"], expected["lost"], expected["bins_lost"]) == (51, 0, 0)
    assert counted.runs[expected["run"]] == {"messages": 51, "lost": 0, "bins_lost": 0, "malformed": 0}
    assert [m.header["i0"] for m in counted.messages] == list(range(51))
    for each in counted.messages[:-1]:
        np.testing.assert_array_equal(each.array[0], each.header["i0"] % 100 + np.arange(4, dtype=np.float32))


def test_with_every_fault_a_client_counts_exactly_what_was_done_to_it(serve) -> None:
    process, data, _ = serve("--bins", "20", "--faults", ",".join(FAULTS))
    with Client(data, lag_s=PATIENCE_S) as client:
        counted = Counted(client)
        runs_seen = client.runs_seen
    out, _ = process.communicate(timeout=PATIENCE_S)
    expected = json.loads(out)
    assert runs_seen == [each["run"] for each in expected]
    assert len(runs_seen) == 4  # before the golden run, that, after it, and after the restart
    for each in expected:
        told = {name: each[name] for name in ("messages", "lost", "bins_lost", "malformed")}
        assert counted.runs[each["run"]] == told
    assert sum(each["malformed"] for each in expected) > 10
    assert counted.was_stale
    assert counted.latest_s >= 1.9


def test_a_client_that_lags_by_its_own_rule_skips_the_late_messages(serve) -> None:
    _, data, _ = serve("--bins", "20", "--faults", "late")
    with Client(data, lag_s=1.0) as client:
        Counted(client)
        assert client.skipped["rates/main/"] > 0
        assert client.lost == {}


def test_control_is_answered(serve) -> None:
    _, data, control = serve("--bins", "400")
    with Client(data, control) as client:
        client.wait_hello(PATIENCE_S)
        assert client.request("hello")["model"] == "fake"
        assert client.ping().round_trip_ns > 0
        assert client.mark("here")["label"] == "here"
        assert client.request("status")["state"] == "running"
        while not any(m.kind == "event" and m.header["name"] == "mark" for m in client.poll(1.0)):
            pass


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--faults", "gap,fire"], ["no fault 'fire'", "golden"]),
        (["--units", "0"], ["--units 0"]),
        (["--bins", "0"], ["--bins 0"]),
        (["--data", "tcp://*:0"], ["other machines"]),
        (["--wait-s", "0.01", "--data", "tcp://127.0.0.1:0", "--control", "tcp://127.0.0.1:0"], ["no client came"]),
    ],
)
def test_a_mistake_is_one_message(rtstrf: Command, options: list[str], told: list[str]) -> None:
    assert_refused(rtstrf("fake-server", *options), *told)
