from hypothesis import given
from hypothesis import strategies as st

from rtstrf.display.scroll import Scroll

BIN_S = 0.005


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0.001, 0.2)), min_size=1, max_size=60))
def test_the_edge_never_passes_the_newest_bin_and_never_goes_back(arrivals):
    scroll, newest, now_s, edges = Scroll(), 1000, 0.0, []
    for bins, elapsed_s in arrivals:
        newest, now_s = newest + bins, now_s + elapsed_s
        scroll.follow(newest, BIN_S, now_s)
        edges.append(scroll.edge)
        assert scroll.edge <= newest
        assert (newest - scroll.edge) * BIN_S <= 0.5 + 1e-9
    assert edges == sorted(edges)


def test_bursts_become_a_steady_motion():
    scroll, steps, edge = Scroll(), [], None
    for frame in range(600):
        now_s = frame / 60
        newest = 1000 + int(now_s / 0.1) * 20  # 20 bins every 100 ms
        scroll.follow(newest, BIN_S, now_s)
        if frame > 120:
            steps.append(scroll.edge - edge)
        edge = scroll.edge
    assert max(steps) < 10  # a burst is 20 bins
    assert abs(sum(steps) / len(steps) - 200 / 60) < 0.2


def test_it_reaches_the_newest_bin_when_nothing_more_comes():
    scroll = Scroll()
    scroll.follow(1000, BIN_S, 0.0)
    for frame in range(1, 60):
        scroll.follow(1050, BIN_S, frame / 60)
    assert scroll.edge == 1050


def test_a_new_run_begins_at_its_own_bins():
    scroll = Scroll()
    scroll.follow(100_000, BIN_S, 0.0)
    scroll.restart()
    scroll.follow(30, BIN_S, 0.1)
    scroll.follow(33, BIN_S, 0.2)
    assert 0 < scroll.edge <= 33


def test_paused_it_stands_still_and_moves_only_within_what_is_held():
    scroll = Scroll()
    scroll.follow(1000, BIN_S, 0.0)
    scroll.pause()
    scroll.follow(1100, BIN_S, 1.0)
    assert scroll.edge == 1000
    scroll.move(-1e9, oldest=200, newest=1100)
    assert scroll.edge == 200
    scroll.move(1e9, oldest=200, newest=1100)
    assert scroll.edge == 1100
    scroll.resume()
    scroll.follow(5000, BIN_S, 2.0)
    assert scroll.edge == 5000
