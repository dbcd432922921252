"""How fast a recording is answered."""

from __future__ import annotations

import pytest

from rtstrf.bench import replay
from rtstrf.bench.conditions import Conditions
from rtstrf.bench.replay import Effort, replay_rows
from rtstrf.bench.telling import Telling
from tests.support.models import tiny_checkpoint


def test_all_ways_answer_the_same_and_say_how_fast(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "QUICK", Effort(sound_s=2.5, file_s=0.2, repeats=2, jitter_s=0.01))
    folder = str(tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny"))
    rows = replay_rows([folder], "eager", Conditions(), Telling(quiet=True))
    assert [row["way"] for row in rows] == ["offline", "chunks of 1 s", "file to npz, hop by hop"]
    for row in rows:
        assert row["max_error_eager"] < 1e-5
        assert row["times_real_time"] > 0
        assert row["ratio_to_deepstrf"] is None  # it has no such model
        assert 0 < row["p50_us"] <= row["p99_us"] <= row["p99_9_us"] <= row["max_us"]
    assert [row["hops"] for row in rows] == [1000, 1000, 80]
