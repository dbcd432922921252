from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtstrf.wire.continuity import Continuity
from rtstrf.wire.message import Message


def message(seq: int, i0: int = 0, n: int = 1, run: str = "r", kind: str = "rates", gap: int = 0) -> Message:
    header = {"run": run, "seq": seq, "i0": i0, "n": n, "gap": gap}
    return Message(f"{kind}/main/", kind, "main", header)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), min_size=1, max_size=40),
    data=st.data(),
)
def test_what_was_lost_is_counted_to_the_message_and_the_bin(sizes, data):
    sent, i0 = [], 0
    for seq, (n, gap) in enumerate(sizes):
        i0 += gap  # the server lost these: they have indices, but no message
        sent.append(message(seq, i0, n, gap=gap))
        i0 += n
    arrived = [each for each in sent if data.draw(st.booleans())]
    continuity = Continuity()
    for each in arrived:
        continuity.follow(each)
    if not arrived:
        return
    first, last = arrived[0].header, arrived[-1].header
    assert continuity.lost["rates/main/"] == last["seq"] - first["seq"] + 1 - len(arrived)
    spanned = last["i0"] + last["n"] - first["i0"]
    assert continuity.bins_lost == spanned - sum(each.header["n"] for each in arrived)


def test_a_late_joiner_has_lost_nothing():
    continuity = Continuity()
    continuity.follow(message(500, i0=500, gap=3))
    assert (dict(continuity.lost), continuity.bins_lost) == ({}, 0)


def test_a_new_run_starts_the_counters_again_and_is_remembered():
    continuity = Continuity()
    assert continuity.follow(message(0))
    assert not continuity.follow(message(9, i0=9))
    assert continuity.lost["rates/main/"] == 8
    assert continuity.follow(message(4, i0=4, run="s"))
    assert (dict(continuity.lost), continuity.bins_lost, continuity.run) == ({}, 0, "s")
    assert continuity.runs_seen == ["r", "s"]


def test_topics_are_counted_apart():
    continuity = Continuity()
    for each in (message(0), message(7, kind="event"), message(1, i0=1), message(9, kind="event")):
        continuity.follow(each)
    assert dict(continuity.lost) == {"event/main/": 1}


def test_bins_that_begin_again_within_a_run_are_not_lost():
    continuity = Continuity()
    continuity.follow(message(0, i0=100))
    continuity.follow(message(1, i0=0))
    assert continuity.bins_lost == 0
