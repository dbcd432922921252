from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.wire.event_log import KEPT, EventLog


@given(count=st.integers(0, 60), since=st.integers(-5, 70))
def test_events_are_numbered_from_0_and_read_from_a_number_on(count, since):
    log = EventLog()
    for index in range(count):
        log.add("mark", index, {"label": str(index)})
    answer = log.since(since)
    assert [event["number"] for event in answer["events"]] == list(range(max(0, since), count))
    assert (answer["oldest"], answer["next"]) == (0, count)


def test_the_last_1024_are_kept_and_the_oldest_of_them_is_named():
    log = EventLog()
    for index in range(KEPT + 6):
        log.add("mark", index, {})
    answer = log.since(0)
    assert (len(answer["events"]), answer["oldest"], answer["next"]) == (1024, 6, 1030)
    assert answer["events"][0]["t"] == 6


@pytest.mark.parametrize("details", [{"a": float("nan")}, {"a": object()}])
def test_details_that_cannot_be_sent_are_refused_and_take_no_number(details):
    log = EventLog()
    with pytest.raises((TypeError, ValueError)):
        log.add("mark", 0, details)
    assert log.since(0)["next"] == 0
