"""docs/reliability.md: each promise has a test that exists, and its figures are those that were measured."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [
    line
    for table in re.findall(r"^\| promise \| held by \|\n\|---\|---\|\n((?:\|.*\n?)+)", TEXT, re.MULTILINE)
    for line in table.splitlines()
]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reliability_page", ROOT / "tools" / "reliability_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        return module
    finally:
        del sys.modules[spec.name]


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_the_test_that_is_named_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert name.startswith("test_")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:50])
def test_each_promise_names_its_test(row: str) -> None:
    assert re.search(r"`tests/[\w/]+\.py::test_\w+`", row.rsplit(" | ", 1)[1])


def test_there_are_promises() -> None:
    assert len(ROWS) > 50
    assert len(NAMED) > 50


def test_the_page_has_the_figures_that_were_measured(tool: ModuleType) -> None:
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "reliability_page.py"), "--check"], check=False)
    assert done.returncode == 0, "renew it with: python tools/reliability_page.py --write"
    assert "unmeasured" not in tool.render(json.loads(tool.RESULTS.read_text()))


def test_a_number_is_judged_by_what_was_measured(tool: ModuleType) -> None:
    measured = json.loads(tool.RESULTS.read_text())
    (row,) = measured["wire"]["rows"]
    row |= {
        "load": 0.5,
        "lost": 0,
        "p50_us": 300.0,
        "p99_us": 1000.0,
        "late_hello_ms": 250.0,
        "units": 1024,
        "clients": 8,
    }
    measured["soak"] |= {
        "p99_ratio": 1.1,
        "memory_flat": True,
        "bins_lost": 0,
        "messages_lost": 0,
        "messages_dropped": 0,
    }
    measured["soak"]["bins_received_least"] = measured["soak"]["bins"]
    measured["fuzz"] |= {"failed": 0, "tried": 100_000}
    for fault in measured["chaos"]["rows"]:
        fault |= {"equal": True, "survived": True, "skipped": None}
        if fault["fault"] == "kill -9 and restart":
            fault |= {"recovery_s": 2.0, "notes": {"stale_s": 3.1}}
        if fault["fault"] == "kill -9, recording":
            fault |= {"notes": {"lost_s": 1.0}}
    assert all(number.reached for number in tool.numbers(measured))
    worse = {
        "wire": [{"load": 0.51}, {"lost": 1}, {"p50_us": 301.0}, {"p99_us": 1001.0}, {"late_hello_ms": 251.0}],
        "soak": [{"bins_received_least": 5}, {"memory_flat": False}, {"p99_ratio": 1.11}],
        "fuzz": [{"failed": 1}, {"tried": 99_999}],
        "chaos": [{"equal": False}, {"survived": False}, {"skipped": "no tmpfs"}],
    }
    for part, changes in worse.items():
        for change in changes:
            bad = json.loads(json.dumps(measured))
            target = bad[part]["rows"][0] if part in ("wire", "chaos") else bad[part]
            target |= change
            assert sum(number.reached is False for number in tool.numbers(bad)) == 1, change
    assert not any(number.reached for number in tool.numbers({}))
