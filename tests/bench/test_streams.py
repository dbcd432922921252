"""How many streams are in time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.bench import streams
from rtstrf.bench.conditions import Conditions
from rtstrf.bench.streams import Effort, most_lanes, streams_rows
from rtstrf.bench.telling import Telling
from tests.support.models import tiny_checkpoint


@given(st.floats(1, 1e6), st.floats(100, 1e4), st.floats(1e3, 1e7))
def test_the_most_lanes_that_fit_are_found_to_a_hundredth(fixed: float, each: float, within: float) -> None:
    found = most_lanes(lambda lanes: fixed + each * lanes, within)
    exact = max(1, int((within - fixed) // each))
    assert found <= exact
    assert found >= 0.98 * exact - 1


def test_rows_rise_to_the_most_lanes_that_were_kept_in_time(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    effort = Effort((1, 3), ladder_steps=10, search_steps=3, confirm_steps=10, confirmations=2, jitter_s=0.01)
    monkeypatch.setattr(streams, "QUICK", effort)
    monkeypatch.setattr(streams, "MOST_LANES", 4)
    folder = tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny")
    rows = streams_rows([str(folder)], ["eager"], Conditions(), Telling(quiet=True))
    assert [row["lanes"] for row in rows[:2]] == [1, 3]
    assert rows[-1]["lanes"] > 3
    assert sum(row["most_lanes"] for row in rows) <= 1
    for row in rows:
        assert row["hops"] == row["lanes"] * row["steps"]
        assert row["max_error"] < 1e-5
        assert row["real_time"] == (row["p99_9_us"] < 5000)
        assert row["most_lanes"] <= row["real_time"]
        assert {
            "p50_us",
            "p99_us",
            "max_us",
            "missed_deadlines",
            "jitter_floor_p99_us",
            "percent_of_floor",
        } <= row.keys()
