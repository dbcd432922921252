"""The page of performance: goals judged from what was measured, tables and plots, and where they stand in the page."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PATH = ROOT / "tools" / "performance_page.py"
GRU = "mel-adaptrans-statenet-gru"
MACHINE = {
    "cpu_model": "X", "cores_usable": 2, "device": "cpu", "device_name": "X", "measured_at": "2026-03-01T10:00:00",
    "os": "L 6", "python": "3.11", "torch": "2.9", "rtstrf": "0.1", "load_average": 0.25,
}  # fmt: skip


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("performance_page", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[spec.name]


def spread(p50_us: float, prefix: str = "") -> dict[str, float]:
    return {f"{prefix}{name}_us": p50_us * k for name, k in (("p50", 1), ("p99", 2), ("p99_9", 3), ("max", 4))}


def measured(p50_us: float = 25.0, lanes: int = 1600, device: str = "cpu") -> dict[str, Any]:
    """Return results as `rtstrf bench` leaves them."""
    errors = {"max_error": 1e-5, "max_error_eager": 0.0}
    shared = {"model": GRU, "backend": "compiled", "device": device, "bin_ms": 5.0, "hops": 1_000_000, **errors}
    step = {
        **shared, **spread(p50_us), **spread(2 * p50_us, "open_loop_"), **spread(9 * p50_us, "paced_response_"),
        **spread(50, "paced_wake_"), **spread(0.1, "jitter_floor_"), **spread(60, "wake_floor_"), "lanes": 1,
        "missed_deadlines": 3, "percent_of_floor": 8.0, "algorithmic_delay_ms": 10.0,
    }  # fmt: skip
    streams = [
        {**shared, **spread(2.0 * n), "lanes": n, "us_per_stream": 2.0, "missed_deadlines": 0, "real_time": n <= 1600}
        for n in (1, lanes, 2 * lanes)
    ]
    window = {"contestant": "deepSTRF, sliding window", "ratio_p50": 600.0, "past_bins": 411, "past_error": 9e-6}
    peers = [{**shared, **spread(25), "contestant": "rtstrf"}, {**shared, **spread(15_000), **window, "right": True}]
    chunks = {"way": "chunks of 1 s", "times_real_time": 900.0, "ratio_to_deepstrf": 2.5}
    file = {"way": "file to npz, hop by hop", "times_real_time": 99.0, "ratio_to_deepstrf": None}
    wire = {**spread(700), "units": 1024, "clients": 8, "lost": 0, "load": 0.06, "late_hello_ms": 3.0}
    found = {"step": [step], "streams": streams, "peers": peers, "wire": [wire]}
    found["replay"] = [{**shared, **spread(1), **chunks}, {**shared, **spread(1), **file}]
    return {bench: {"machine": MACHINE, "rows": rows} for bench, rows in found.items()}


def verdicts(tool: Any, result: dict[str, Any]) -> dict[str, str]:
    lines = tool.goals_table(result, 1.02).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {cell[0]: f"{cell[3]}: {cell[4]}" for cell in cells}


def test_a_goal_is_reached_not_reached_or_unmeasured_by_what_was_measured(tool: Any) -> None:
    told = verdicts(tool, measured())
    hop = "mel + AdapTrans + StateNet-GRU, one hop, one CPU thread"
    assert told[hop] == "p50 25 µs, p99 50 µs (compiled): reached"
    assert told["streams in real time on one CPU core, p99.9 < hop"] == "1,600: reached"
    assert told["the same against deepSTRF's sliding window"].endswith("(411 bins of past): reached")
    assert told["replay hop by hop, from file to npz"] == "99 x real time: not reached"
    assert told["mel + AdapTrans + DNet, one hop"] == "-: unmeasured"
    assert told["GPU, one stream, one hop, host to host"] == "-: unmeasured"
    assert told["cost of a hop after an hour, by the first minute's"] == "1.020: reached"
    assert verdicts(tool, measured(p50_us=31.0))[hop].endswith("not reached")
    assert verdicts(tool, measured(p50_us=29.0, lanes=700))[hop].endswith(": reached")


def test_what_a_gpu_did_is_never_judged_as_a_cpu_s(tool: Any) -> None:
    told = verdicts(tool, measured(p50_us=40.0, lanes=1500, device="cuda"))
    assert told["mel + AdapTrans + StateNet-GRU, one hop, one CPU thread"] == "-: unmeasured"
    assert told["GPU, one stream, one hop, host to host"] == "p50 40 µs, p99 80 µs (compiled): reached"
    assert told["GPU, streams in real time, p99.9 < hop"] == "1,500: not reached"


def test_nothing_measured_is_no_goal_reached(tool: Any) -> None:
    told = verdicts(tool, {})
    assert {line.rpartition(": ")[2] for what, line in told.items() if "after an hour" not in what} == {"unmeasured"}


def test_a_machine_has_its_tables_and_they_are_tables(tool: Any) -> None:
    part = tool.render({"x": measured()}, None)
    assert "### X, 2 cores" in part
    assert "Measured on 2026-03-01: L 6, Python 3.11, torch 2.9, rtstrf 0.1." in part
    assert "0.2, 0.2" in part  # how busy it was
    for bench in tool.BENCHES:
        assert f"`rtstrf bench {bench}`" in part
    for table in part.split("\n\n"):
        if table.startswith("|"):
            assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "unmeasured" in part


def test_only_files_of_rtstrf_bench_are_read(tool: Any, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(measured()))
    (tmp_path / "hour.json").write_text(json.dumps({"machine": {}, "rows": [], "last_to_first_minute_p50": 0.95}))
    assert list(tool.read_results(tmp_path)) == ["x"]
    assert tool.read_hour(tmp_path / "hour.json") == 0.95
    assert tool.read_hour(tmp_path / "none.json") is None


def test_every_subcommand_with_a_plot_is_drawn(tool: Any, tmp_path: Path) -> None:
    drawn = tool.draw(measured(), tmp_path / "plots", "x")
    assert [path.name for path in drawn] == ["x-step.png", "x-streams.png", "x-peers.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert not tool.draw({}, tmp_path / "none", "x")


def test_the_page_tells_what_the_results_in_this_repository_say(tool: Any) -> None:
    page = tool.PAGE.read_text(encoding="utf-8")
    part = tool.render(tool.read_results(tool.RESULTS), tool.read_hour(tool.RESULTS / "hour.json"))
    assert tool.spliced(page, part) == page, "run: python tools/performance_page.py --write"
    for line in part.splitlines():
        if line.startswith("!["):
            assert (tool.PAGE.parent / line.rpartition("(")[2].rstrip(")")).is_file()


def test_a_page_without_its_markers_is_left_alone(tool: Any) -> None:
    with pytest.raises(SystemExit, match="lacks its markers"):
        tool.spliced("# page\n", "part")
