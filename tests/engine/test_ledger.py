"""Every sample is booked once: captured, lost and left out add up, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.engine.ledger import Hop, Ledger
from rtstrf.framing import Framer
from rtstrf.sound.resample import Hops
from rtstrf.sound.source import Block

HOP, RATE, CONCEAL = 240, 48000, 480


def ledger(speed: float | None = 1.0) -> Ledger:
    return Ledger(Framer(HOP), HOP, RATE, speed=speed, conceal_samples=CONCEAL)


def block(samples: np.ndarray, lost: int = 0, t_ns: int = 0) -> Block:
    return Block(samples.astype(np.float32), t_ns, lost)


def booked(book: Ledger, blocks: list[tuple[int, int]]) -> list[Hop]:
    """Book blocks of (lost before, length), each sample holding its own position, at their true times."""
    hops, position = [], 0
    for lost, length in blocks:
        position += lost
        samples = np.arange(position, position + length) + 1
        position += length
        hops += book.book(block(samples, lost, round(position * 1e9 / RATE)))
    return hops


blocks_with_losses = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1, 100, 480, 481, 3000]), st.integers(0, 700)), max_size=25
)


@settings(max_examples=100, deadline=None)
@given(blocks_with_losses)
def test_samples_lie_where_they_were_captured_and_losses_are_zeros(blocks: list[tuple[int, int]]) -> None:
    book = ledger()
    for hop in booked(book, blocks):
        position = hop.index * HOP + np.arange(HOP) + 1
        kept = hop.samples_pa != 0
        np.testing.assert_array_equal(hop.samples_pa[kept], position[kept])
        assert hop.concealed == bool((~kept).any())
    assert book.samples_in == sum(length for _, length in blocks)
    assert book.samples_lost == sum(lost for lost, _ in blocks)


@settings(max_examples=100, deadline=None)
@given(blocks_with_losses)
def test_bins_left_out_are_those_of_which_nothing_was_heard(blocks: list[tuple[int, int]]) -> None:
    book = ledger()
    given_out = {hop.index for hop in booked(book, blocks)}
    whole = book.position // HOP
    long_losses, position = [], 0
    for lost, length in blocks:
        if lost > CONCEAL:
            long_losses.append((position, position + lost))
        position += lost + length
    missing = {
        i for i in range(whole) if any(start <= i * HOP and (i + 1) * HOP <= stop for start, stop in long_losses)
    }
    assert given_out == set(range(whole)) - missing


def test_a_loss_is_told_once_and_concealed_bins_are_told_each() -> None:
    hops = booked(ledger(), [(0, 300), (400, 1000)])
    assert [hop.concealed for hop in hops] == [False, True, True, False, False, False, False]
    assert [hop.loss_begins for hop in hops] == [False, True, False, False, False, False, False]


def test_capture_times_follow_the_samples_not_the_blocks() -> None:
    hops = booked(ledger(), [(0, 1200), (0, 7), (0, 713)])
    for hop in hops:
        true_ns = (hop.index + 1) * HOP * 1e9 / RATE
        assert hop.t_cap_ns == pytest.approx(true_ns, abs=2)
        assert hop.t_raw_ns == pytest.approx(true_ns, abs=2)


def test_without_a_clock_a_hop_bears_the_time_at_which_it_came() -> None:
    (hop,) = ledger(speed=None).book(block(np.ones(300), t_ns=777))
    assert hop.t_cap_ns == 777


def test_a_fitted_time_is_never_later_than_the_block_that_brought_it() -> None:
    book = ledger()
    rng = np.random.default_rng(0)
    for n in range(1, 400):
        t_ns = n * 5_000_000 + int(rng.exponential(1e6))
        for hop in book.book(block(np.ones(HOP), t_ns=t_ns)):
            assert hop.t_cap_ns <= t_ns


def test_times_given_out_never_step_back_while_the_clock_is_being_fitted() -> None:
    book, times = ledger(), []
    rng = np.random.default_rng(1)
    for n in range(1, 1000):
        t_ns = n * 5_000_000 + int(rng.exponential(3e6))
        times += [hop.t_cap_ns for hop in book.book(block(np.ones(HOP), t_ns=t_ns))]
    assert np.diff(times).min() >= 0


def test_a_step_of_the_clock_is_there_to_be_told() -> None:
    book = ledger()
    for n in range(1, 4000):
        book.book(block(np.ones(HOP), t_ns=n * 5_000_000 - (50_000_000 if n > 2000 else 0)))
    assert book.clock_step_ns == pytest.approx(-50_000_000, abs=1000)
    (hop,) = book.book(block(np.ones(HOP), t_ns=4000 * 5_000_000 - 50_000_000))
    assert hop.t_cap_ns == pytest.approx(4000 * 5_000_000 - 50_000_000, abs=1000)


@settings(max_examples=50, deadline=None)
@given(before=st.integers(10, 500), away_s=st.floats(0.2, 7200), ppm=st.floats(-200, 200), length=st.integers(1, 4800))
def test_what_was_not_heard_while_a_device_was_away_is_counted_by_the_clock(
    before: int, away_s: float, ppm: float, length: int
) -> None:
    book = ledger()
    second_ns = 1e9 * (1 + 1e-6 * ppm)
    for n in range(1, before + 1):
        book.book(block(np.ones(HOP), t_ns=round(n * HOP / RATE * second_ns)))
    end_ns = round((before * HOP + length) / RATE * second_ns + away_s * 1e9)
    back = book.resume(block(np.ones(length), t_ns=end_ns))
    hops = book.book(back)
    # Exact at the device's nominal rate; its drift is known only as well as so short a sound lets it be.
    assert back.lost_samples == pytest.approx(away_s * RATE, abs=2 + 250e-6 * (away_s + 3) * RATE)
    assert book.samples_in + book.samples_lost == book.position
    for hop in hops:
        assert hop.t_cap_ns == pytest.approx(end_ns - (book.position - (hop.index + 1) * HOP) / RATE * 1e9, abs=2e4)


@pytest.mark.parametrize("rate_hz", [48000, 44100, 16000, 22050])
@pytest.mark.parametrize("lost", [5 * 44100 + 17, 123_457, 1_000_001])
def test_a_long_loss_is_passed_over_in_no_time_and_what_follows_is_as_if_zeros_had_been_heard(
    rate_hz: int, lost: int
) -> None:
    rng = np.random.default_rng(0)
    before, after = (rng.normal(size=3 * rate_hz // 2).astype(np.float32) for _ in range(2))
    book = Ledger(Hops(rate_hz, RATE, HOP), HOP, rate_hz, speed=1.0, conceal_samples=rate_hz // 100)
    booked_hops = book.book(Block(before, 0)) + book.book(Block(after, 0, lost))
    plain = Hops(rate_hz, RATE, HOP)
    sound = np.concatenate([before, np.zeros(lost, dtype=np.float32), after])
    every = np.concatenate([plain.push(part) for part in np.array_split(sound, 50)])
    assert book.bins == len(every)
    assert len(booked_hops) < len(every)
    for hop in booked_hops:
        np.testing.assert_array_equal(hop.samples_pa, every[hop.index])


def test_resampled_hops_are_timed_on_the_source_s_clock() -> None:
    book = Ledger(Hops(44100, RATE, HOP), HOP, 44100, speed=1.0, conceal_samples=CONCEAL)
    hops = []
    for n in range(1, 11):
        hops += book.book(block(np.ones(441), t_ns=n * 10_000_000))
    hops += book.finish(100_000_000)
    assert [hop.index for hop in hops] == list(range(20))
    for hop in hops:
        assert hop.t_cap_ns == pytest.approx((hop.index + 1) * 5_000_000, abs=3)


def test_the_sample_at_a_time_is_the_one_being_captured() -> None:
    book = ledger()
    booked(book, [(0, 2400)] * 10)
    assert book.sample_at(250_000_000) == 12_000
