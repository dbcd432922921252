"""Rates to real processes, and one that joins in the middle."""

from __future__ import annotations

from rtstrf.bench.telling import Telling
from rtstrf.bench.wire import published


def test_every_client_has_every_bin_and_a_late_one_the_greeting_and_the_rest() -> None:
    row = published(units=16, clients=2, seconds=1.0, telling=Telling(quiet=True))
    assert row["hops"] == 200
    assert row["lost"] == 0
    assert 2 * 200 < row["messages_received"] <= 3 * 200 - 50  # the late one has the last bin at least
    assert row["late_hello_ms"] > 0
    assert 0 < row["p50_us"] <= row["p99_us"] <= row["p99_9_us"] <= row["max_us"]
    assert row["sent_p50_us"] <= row["p50_us"]
    assert 0 < row["load"] < 1
