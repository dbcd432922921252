"""Units named by a CSV file: every fact in its place, every mistake by its line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtstrf.checkpoints.sidecar import Unit
from rtstrf.checkpoints.units_csv import COLUMNS, read_units
from rtstrf.errors import ConfigError

NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
FREQUENCIES = st.none() | st.floats(min_value=1e-3, max_value=1e6)
IDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
UNITS = st.lists(st.builds(Unit, IDS, NUMBERS, FREQUENCIES, NUMBERS), min_size=1, unique_by=lambda unit: unit.id)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(units=UNITS, columns=st.permutations(COLUMNS), mark=st.booleans())
def test_what_was_written_is_read(tmp_path: Path, units: list[Unit], columns: list[str], mark: bool) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([getattr(unit, name) for name in columns] for unit in units)
    path = tmp_path / "units.csv"
    path.write_bytes(text.getvalue().encode("utf-8-sig" if mark else "utf-8"))
    assert read_units(path, len(units)) == tuple(units)


def test_facts_that_are_not_known_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    path.write_text("cc_norm, id\n 0.5 , m1 \n\n,m2\n,\n")
    assert read_units(path, 2) == (Unit("m1", cc_norm=0.5), Unit("m2"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names the columns not at all"),
        ("id;depth_um\na;1\n", "'id;depth_um'"),
        ("id,depth\na,1\n", "'depth'"),
        ("depth_um\n1\n", "'depth_um'"),
        ("id,id\na,b\n", "'id', 'id'"),
        ("id\na\nb\na\n", "line 4 has the id 'a' of line 2"),
        ("id,depth_um\na,1\n,2\n", "line 3 has no id"),
        ("id,depth_um\na,deep\n", "line 2: depth_um 'deep'"),
        ("id,depth_um\na,nan\n", "line 2: depth_um 'nan'"),
        ("id,cc_norm\na,inf\n", "line 2: cc_norm 'inf'"),
        ("id,best_frequency_hz\na,0\n", "line 2: best_frequency_hz '0'"),
        ("id,depth_um\na\n", "line 2 has 1 cells for 2 columns"),
        ("id\na\n", "lists 1 units, the model has 3"),
        ('id\n"a\n', "cannot be read"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "units.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as told:
        read_units(path, 3)
    assert words in told.value.what
    assert str(path) in told.value.what
    assert told.value.remedy


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    path.write_text("id,depth_um\n" + "a,x\n" * 5)
    with pytest.raises(ConfigError, match=r"line 2: .*line 3 has the id .*; and 3 more"):
        read_units(path, 5)


def test_a_missing_file_or_another_encoding_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_units(tmp_path / "none.csv", 3)
    (tmp_path / "latin.csv").write_bytes("id\nß\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_units(tmp_path / "latin.csv", 1)
