"""What a benchmark leaves."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rtstrf.bench.results import merge, print_rows
from rtstrf.errors import ConfigError

MACHINE = {"cpu_model": "X", "architecture": "arm64", "cores_usable": 2, "device_name": "X"}


def result(**row: Any) -> dict[str, Any]:
    return {"machine": dict(MACHINE), "rows": [row]}


def test_a_result_stands_beside_those_of_other_subcommands_and_replaces_its_own(tmp_path: Path) -> None:
    path = tmp_path / "new" / "machine.json"
    merge(path, "step", result(p50_us=1.0))
    merge(path, "wire", result(p50_us=2.0))
    merge(path, "step", result(p50_us=3.0))
    kept = json.loads(path.read_text())
    assert {bench: part["rows"][0]["p50_us"] for bench, part in kept.items()} == {"step": 3.0, "wire": 2.0}
    assert [p.name for p in path.parent.iterdir()] == ["machine.json"]


def test_a_folder_takes_a_file_named_after_the_machine(tmp_path: Path) -> None:
    one = result()
    one["machine"]["device"] = "cpu"
    merge(tmp_path, "step", one)
    assert [p.name for p in tmp_path.iterdir()] == ["x-2-cores.json"]


def test_results_of_another_machine_are_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    merge(path, "step", result())
    other = result()
    other["machine"]["cores_usable"] = 64
    with pytest.raises(ConfigError, match="another machine: cores_usable was 2, and is 64") as caught:
        merge(path, "wire", other)
    assert "--out" in (caught.value.remedy or "")
    assert list(json.loads(path.read_text())) == ["step"]


@pytest.mark.parametrize("text", ["", "[]", '{"step": 1}', '{"rows": []}', "not json"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "machine.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="holds no results"):
        merge(path, "step", result())
    assert path.read_text() == text


def test_a_table_shows_every_figure_and_what_all_rows_share_once() -> None:
    out = io.StringIO()
    rows = [{"model": "a", "p50_us": 12.5, "lanes": 1}, {"model": "b", "p50_us": 7.25, "lanes": 1, "extra": None}]
    print_rows(Console(file=out, width=100), rows)
    told = out.getvalue()
    assert "12.50" in told
    assert "7.25" in told
    assert told.count("lanes") == 1
    assert "extra" in told
