import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.display.history import History, Ring
from tests.display.conftest import BANDS, BIN_S, UNITS, Made, Stream

BLOCKS = st.lists(st.tuples(st.integers(-6, 30), st.integers(0, 12)), min_size=1, max_size=30)


@given(BLOCKS, st.integers(1, 16))
def test_a_ring_holds_the_last_bins_whatever_the_blocks(blocks, capacity):
    ring, kept, stop, value = Ring(capacity, 1), {}, 0, 0.0
    first = None
    for jump, count in blocks:
        i0 = max(0, stop + jump)
        rows = value + np.arange(count, dtype=np.float32)[:, None]
        value += count
        ring.write(i0, rows)
        if count == 0:
            continue
        if first is None or i0 - stop >= capacity:
            kept, first, stop = {}, i0, i0
        kept.update({i0 + k: float(rows[k, 0]) for k in range(count) if i0 + k >= first})
        stop = max(stop, i0 + count)
        kept = {at: told for at, told in kept.items() if at >= stop - capacity}
    read = ring.read(-5, stop + 5)[:, 0]
    expected = [kept.get(at, np.nan) for at in range(-5, stop + 5)]
    np.testing.assert_array_equal(read, np.float32(expected))
    assert ring.stop == stop


def test_bins_skipped_are_gaps(stream):
    history = History()
    history.extend([stream.hello(), *stream.bins(0, 10), *stream.bins(15, 10)])
    rates = history.read("rates", 0, 25)
    assert np.isnan(rates[10:15]).all()
    assert np.isfinite(rates[:10]).all()
    assert np.isfinite(rates[15:]).all()


def test_a_new_run_empties_everything(history):
    other = Stream("run-2")
    history.add(other.bins(7, 3)[0])
    assert list(history.rings) == ["level"]
    assert history.hello == {}
    assert history.run_number == 2


def test_at_least_a_minute_is_kept(stream):
    history = History()
    history.add(stream.hello())
    for i0 in range(0, 15000, 100):
        history.extend(stream.bins(i0, 100))
    held = history.rings["rates"]
    assert (held.stop - held.start) * BIN_S >= 60


def test_all_panels_end_where_the_slowest_live_topic_does_and_an_ended_topic_holds_nobody_up(stream):
    history = History()
    history.extend([stream.hello(), *stream.bins(0, 100)])
    rates_only = [message for message in stream.bins(100, 20) if message.kind == "rates"]
    history.extend(rates_only)
    assert history.stop == 100
    history.extend([message for message in stream.bins(120, 200) if message.kind == "rates"])
    assert history.stop == 320


def test_messages_before_the_greeting_are_kept_where_the_bin_is_the_usual_one(stream):
    history = History()
    history.extend(stream.bins(0, 10))
    history.add(stream.hello())
    assert history.stop == 10


def test_a_greeting_with_another_bin_width_makes_the_rings_anew(stream):
    history = History()
    history.extend(stream.bins(0, 10))
    history.add(stream.hello(bin_s=0.01))
    assert history.rings == {}
    assert history.bin_s == 0.01


@pytest.mark.parametrize("i0", [-1, "0", None, 1.5])
def test_an_array_without_a_usable_bin_is_left_out(i0):
    history = History()
    history.add(Made("rates", {"kind": "rates", "run": "r", "i0": i0}, np.ones((1, 2), np.float32)))
    assert history.rings == {}


def test_units_and_bands_are_counted(history):
    assert (history.n_units, history.n_bands) == (UNITS, BANDS)


def test_marks_are_kept_with_their_bin(history, stream):
    history.add(stream.message("event", name="mark", details={"bin": 77, "label": "stimulus"}))
    history.add(stream.message("event", name="mark", details="no details"))
    assert [(mark.bin, mark.label) for mark in history.marks] == [(77, "stimulus")]


def test_what_is_saved_is_loaded(history, stream, tmp_path):
    history.add(stream.message("event", name="mark", details={"bin": 77, "label": "stimulus"}))
    history.save(tmp_path / "history.npz")
    loaded = History.load(tmp_path / "history.npz")
    assert loaded.hello == history.hello
    assert loaded.marks == history.marks
    for topic, ring in history.rings.items():
        assert (loaded.rings[topic].start, loaded.rings[topic].stop) == (ring.start, ring.stop)
        np.testing.assert_array_equal(loaded.read(topic, 0, ring.stop), history.read(topic, 0, ring.stop))


def test_of_spikes_the_counts_are_kept():
    stream, history = Stream(spikes=True), History()
    history.extend([stream.hello(), *stream.bins(0, 40)])
    counts = history.read("spikes", 0, 40)
    assert counts.shape == (40, UNITS)
    np.testing.assert_array_equal(counts.sum(axis=0)[[3, 7, 0]], [4, 4, 0])
    assert counts[20, 7] == 2


def test_spikes_that_do_not_say_how_many_fit_a_bin_are_left_out():
    stream, history = Stream(), History()
    for slots in (None, 0, "2", 7):
        fields = {} if slots is None else {"slots": slots}
        history.add(stream.message("spikes", np.zeros((1, 2 * UNITS), np.float32), i0=0, **fields))
    assert "spikes" not in history.rings


def test_where_a_trigger_fired_there_is_a_mark_with_its_name(history, stream):
    history.add(stream.message("event", name="trigger", details={"trigger": "onset", "bin": 700}))
    assert [(mark.bin, mark.label) for mark in history.marks][-1:] == [(700, "onset")]
