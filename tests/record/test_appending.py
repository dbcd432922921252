"""Files that grow: whole at every moment, and cut back exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtstrf.record.appending import HEADER_BYTES, GrowingArray, GrowingLines, array_header


@settings(deadline=None)
@given(
    parts=st.lists(st.integers(0, 50), max_size=8),
    width=st.sampled_from([None, 1, 119, 4096]),
    dtype=st.sampled_from(["<f4", "<i8"]),
)
def test_an_array_is_read_by_numpy_whenever_it_is_settled(
    tmp_path_factory: pytest.TempPathFactory, parts: list[int], width: int | None, dtype: str
) -> None:
    path = tmp_path_factory.mktemp("array") / "rows.npy"
    array = GrowingArray(path, dtype, () if width is None else (width,))
    written = np.empty((0, *array.row_shape), dtype=dtype)
    assert np.load(path).shape == written.shape
    for number, rows in enumerate(parts):
        new = np.full((rows, *array.row_shape), number, dtype=dtype)
        array.append(new)
        array.write()
        array.settle()
        written = np.concatenate([written, new])
        np.testing.assert_array_equal(np.load(path), written)
    if len(parts):
        array.cut_back(parts[0])
        np.testing.assert_array_equal(np.load(path), written[: parts[0]])
    array.close()


def test_the_header_is_as_long_for_an_hour_as_for_nothing() -> None:
    for rows in (0, 1, 10**6, 10**15):
        assert len(array_header(rows, np.dtype("<f4"), (1024,))) == HEADER_BYTES


def test_rows_of_another_width_are_refused_before_they_are_written(tmp_path: Path) -> None:
    array = GrowingArray(tmp_path / "rows.npy", "<f4", (3,))
    with pytest.raises(ValueError, match=r"rows\.npy"):
        array.append(np.zeros((2, 4), dtype=np.float32))
    array.close()


def test_lines_hold_numbers_of_numpy_and_text_of_any_script(tmp_path: Path) -> None:
    lines = GrowingLines(tmp_path / "lines.jsonl")
    lines.append({"bin": np.int64(7), "label": "Gänse", "path": Path("x")})
    assert lines.write() is not None
    assert lines.write() is None
    lines.close()
    assert (tmp_path / "lines.jsonl").read_text(encoding="utf-8") == '{"bin":7,"label":"Gänse","path":"x"}\n'
