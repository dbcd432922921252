import pytest

from rtstrf.display.health import Health
from tests.display.conftest import Stream

SECOND = 1_000_000_000


def fed(stream: Stream, *, until_s: int = 5, flags: int = 0) -> Health:
    health = Health("tcp://host:5590")
    for second in range(until_s):
        health.extend([*stream.bins(200 * second, 200, second * SECOND, flags=flags)])
        health.add(stream.message("heartbeat", t_ns=second * SECOND, state="running", xruns=0))
    return health


def test_before_anything_came_it_says_where_it_listens():
    report = Health("tcp://host:5590").report(0)
    assert report.severity == "waiting"
    assert "tcp://host:5590" in report.words


def test_a_stream_that_flows_is_good(stream):
    report = fed(stream).report(4 * SECOND + SECOND // 10)
    assert (report.severity, report.words) == ("good", "live")
    assert report.age_s == 0.1
    assert report.latency_p50_ms == 1.5
    assert report.load_p99 == 0.2


def test_silence_over_three_seconds_is_an_alarm_that_says_how_long(stream):
    health = fed(stream)
    assert health.report(7 * SECOND - 1).severity == "good"
    report = health.report(9 * SECOND)
    assert report.severity == "alarm"
    assert "5 s" in report.words


def test_a_server_that_is_alive_but_sends_no_rates_is_told_apart_from_one_that_is_gone(stream):
    health = fed(stream)
    for second in range(5, 10):
        health.add(stream.message("heartbeat", t_ns=second * SECOND, state="running"))
    report = health.report(9 * SECOND)
    assert report.severity == "alarm"
    assert "alive" in report.words


def test_a_server_that_was_stopped_on_purpose_is_no_alarm(stream):
    health = fed(stream)
    for second in range(5, 10):
        health.add(stream.message("heartbeat", t_ns=second * SECOND, state="stopped"))
    assert health.report(9 * SECOND).severity == "caution"
    assert "stopped" in health.report(9 * SECOND).words


def test_the_end_of_a_run_is_no_alarm_however_long_ago(stream):
    report = fed(stream, flags=128).report(100 * SECOND)
    assert (report.severity, report.words) == ("ended", "the run has ended")


def test_the_end_is_known_from_the_state_where_the_last_rates_were_lost(stream):
    health = fed(stream)
    health.add(stream.message("event", t_ns=4 * SECOND, name="state", details={"state": "ended"}))
    assert health.report(9 * SECOND).severity == "ended"
    health.extend(stream.bins(1000, 1, 9 * SECOND))
    assert health.report(9 * SECOND).severity != "ended"


def told_state(stream, kind, state, t_ns):
    """Return a message that tells of a state."""
    fields = {"state": state} if kind == "heartbeat" else {"details": {"state": state}}
    return stream.message(kind, t_ns=t_ns, name="state", **fields)


@pytest.mark.parametrize("kind", ["heartbeat", "event"])
def test_a_lost_source_is_an_alarm_until_it_is_back(stream, kind):
    health = fed(stream)
    health.add(told_state(stream, kind, "source_lost", 4 * SECOND))
    health.extend(stream.bins(1000, 1, 4 * SECOND))  # sound taken before the loss is still computed
    report = health.report(6 * SECOND)
    assert (report.severity, report.words) == ("alarm", "the source of the sound is lost: waiting until it is back")
    assert not health.over(6 * SECOND)
    health.add(told_state(stream, kind, "running", 60 * SECOND))
    health.extend(stream.bins(12000, 1, 60 * SECOND))
    assert health.report(60 * SECOND).severity == "good"


@pytest.mark.parametrize("kind", ["heartbeat", "event"])
def test_a_run_that_ended_by_the_loss_of_its_source_says_so(stream, kind):
    health = fed(stream)
    health.add(told_state(stream, kind, "source_lost", 4 * SECOND))
    health.add(told_state(stream, kind, "ended", 5 * SECOND))
    assert health.over(5 * SECOND)
    report = health.report(6 * SECOND)
    assert (report.severity, report.words) == ("alarm", "the source of the sound was lost: the run has ended")


def test_a_server_that_falls_silent_while_its_source_is_lost_is_told_as_silent(stream):
    health = fed(stream)
    health.add(told_state(stream, "event", "source_lost", 4 * SECOND))
    assert "nothing received" in health.report(20 * SECOND).words


def test_it_is_over_when_the_server_falls_silent_after_rates_had_come(stream):
    health = Health("tcp://host:5590")
    assert not health.over(100 * SECOND)
    health.add(stream.hello())
    assert not health.over(100 * SECOND)
    health.extend(stream.bins(0, 200, 4 * SECOND))
    assert not health.over(7 * SECOND)
    assert health.over(7 * SECOND + 1)
    health.add(stream.message("heartbeat", t_ns=7 * SECOND, state="running"))
    assert not health.over(8 * SECOND)


def test_it_is_over_when_the_run_has_ended(stream):
    assert fed(stream, flags=128).over(4 * SECOND)


def test_messages_thrown_away_here_count_once_as_lost(stream):
    health = fed(stream, until_s=2)
    rates = [message for i0 in range(400, 410) for message in stream.bins(i0, 1, 3 * SECOND) if message.kind == "rates"]
    health.drop(rates[0], rates[4], 3 * SECOND)
    health.extend(rates[5:])
    report = health.report(3 * SECOND)
    assert (report.severity, report.messages_lost) == ("caution", 5)
    assert "5 messages lost" in report.words


def test_messages_thrown_away_before_any_was_seen_count_as_lost(stream):
    rates = [message for i0 in range(10) for message in stream.bins(i0, 1, SECOND) if message.kind == "rates"]
    health = Health()
    health.drop(rates[2], rates[6], SECOND)
    health.extend(rates[7:])
    assert health.report(SECOND).messages_lost == 5


def test_lost_messages_are_counted_by_their_numbers_and_told_for_ten_seconds(stream):
    health = fed(stream)
    stream.seqs["rates"] += 3
    health.extend(stream.bins(1000, 200, 5 * SECOND))
    report = health.report(5 * SECOND)
    assert (report.severity, report.messages_lost) == ("caution", 3)
    assert "3 messages lost" in report.words
    health.extend(stream.bins(1200, 200, 16 * SECOND))
    assert health.report(16 * SECOND).severity == "good"
    assert health.report(16 * SECOND).messages_lost == 3


def test_overload_is_told(stream):
    report = fed(stream, flags=8).report(4 * SECOND)
    assert report.severity == "caution"
    assert "overloaded" in report.words


def test_a_new_overflow_of_the_sound_card_is_told(stream):
    health = fed(stream)
    health.add(stream.message("heartbeat", t_ns=4 * SECOND, state="running", xruns=2))
    report = health.report(5 * SECOND)
    assert (report.severity, report.xruns) == ("caution", 2)


def test_an_event_is_shown_for_a_while(stream):
    health = fed(stream)
    health.add(stream.message("event", t_ns=4 * SECOND, name="mark", details={"label": "dog barks"}))
    assert health.report(5 * SECOND).words == "mark: dog barks"


def test_a_new_run_begins_with_nothing_lost(stream):
    health = fed(stream)
    stream.seqs["rates"] += 3
    health.extend(stream.bins(1000, 1, 5 * SECOND))
    health.extend(Stream("run-2").bins(0, 1, 6 * SECOND))
    assert health.report(6 * SECOND).messages_lost == 0
