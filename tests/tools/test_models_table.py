"""The table of the zoo: which rows it has, how a row is written, and where it stands in the page."""

from __future__ import annotations

import importlib.util
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from rtstrf.checkpoints.build import MODEL_CLASSES
from rtstrf.models.statenet import CELLS
from rtstrf.prefilter.make import PREFILTERS
from rtstrf.spectrogram.make import FRONT_ENDS
from rtstrf.stream import StreamModule

PATH = Path(__file__).parents[2] / "tools" / "models_table.py"


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("models_table", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[spec.name]


def test_every_entry_of_the_registries_has_a_row(tool: Any) -> None:
    made = {system.name: system.make() for system in tool.systems()}
    assert all(isinstance(stage, StreamModule) for stage in made.values())
    assert len(made) == len(tool.systems())
    kinds = {type(stage) for stage in made.values()}
    assert kinds >= {*FRONT_ENDS.values(), *MODEL_CLASSES.values()}
    assert kinds >= {make.__self__ for make in PREFILTERS.values()}
    assert {type(stage.rnn) for name, stage in made.items() if name.startswith("StateNet,")} == {*CELLS.values()}


def test_models_have_the_sizes_that_the_page_tells(tool: Any) -> None:
    for system in tool.systems():
        stage = system.make()
        if system.kind == "model":
            assert stage.input_shape(1, 1) == (1, 1, 34, 1)
        if system.kind.startswith("model"):
            assert stage.out_neurons == 119
        if system.kind != "model" and system.kind != "prefilter":
            assert stage.samples_per_frame == 240
        if system.kind == "front-end":
            assert stage.out_channels == 34


def test_a_row_tells_bytes_errors_of_one_digit_and_whole_microseconds(tool: Any) -> None:
    figures = tool.Figures(36476, 7.04, 3.14e-7, 0.0, 1209.4)
    row = tool.row(tool.System("leaf", "front-end", object), figures)
    assert row == "| leaf | front-end | 36,476 | 7.0 | 3e-07 | 0 | 1,209 |"
    assert all(line.count("|") == row.count("|") for line in tool.HEADINGS)
    assert tool.error(float("inf")) == "inf"


def test_the_table_replaces_what_stands_between_its_markers_and_nothing_else(tool: Any) -> None:
    page = f"# Head\n\n{tool.BEGIN}\nold\n{tool.END}\n\ntail\n"
    once = tool.spliced(page, "| new |")
    assert once == f"# Head\n\n{tool.BEGIN}\n| new |\n{tool.END}\n\ntail\n"
    assert tool.spliced(once, "| new |") == once


@pytest.mark.parametrize("page", ["", "{begin}\n", "{end}\n{begin}\n", "{begin}\n{begin}\n{end}\n"])
def test_a_page_without_its_markers_is_left_alone(tool: Any, page: str) -> None:
    with pytest.raises(SystemExit, match=r"lacks its markers\n.*restore"):
        tool.spliced(page.format(begin=tool.BEGIN, end=tool.END), "| new |")


def test_the_machine_is_named_and_how_busy_it_was(tool: Any) -> None:
    facts = {"cpu_model": "X", "architecture": "arm64", "cores_usable": 2, "os": "L 6", "python": "3.11"}
    facts |= {"torch": "2.9", "rtstrf": "0.1"}
    day = datetime(2026, 3, 1, tzinfo=timezone.utc)
    line = tool.machine_line(facts, day, 1.25)
    assert line == (
        "Measured on 2026-03-01: X (arm64, 2 cores usable, load average 1.2 at the start), L 6, Python 3.11, "
        "torch 2.9, rtstrf 0.1."
    )
    assert "load" not in tool.machine_line(facts, day, None)


@pytest.mark.parametrize("name", ["zoo.md", "README.md"])
def test_the_pages_have_a_row_for_each_system_of_the_zoo(tool: Any, name: str) -> None:
    (page,) = (path.read_text(encoding="utf-8") for path in tool.PAGES if path.name == name)
    table = page[page.index(tool.BEGIN) : page.index(tool.END)]
    missing = [s.name for s in tool.systems() if not s.kind.startswith("fitted") and f"| {s.name} |" not in table]
    assert not missing, "run: python tools/models_table.py --write"
