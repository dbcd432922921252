from pathlib import Path

import numpy as np
import pytest

from rtstrf.errors import DataError
from rtstrf.fit.own import load_folder


def write_folder(root: Path, **changes: object) -> Path:
    """Two units, three sounds, four repeats, fifty bins."""
    counts = np.random.default_rng(0).poisson(0.3, (2, 3, 4, 50))
    facts: dict[str, object] = {"counts": counts, "sounds": ["a.wav", "b.flac", "c.wav"], "bin_ms": 5.0}
    facts = {name: value for name, value in {**facts, **changes}.items() if value is not None}
    np.savez(root / "recordings.npz", **facts)  # type: ignore[arg-type]
    for name in ("a.wav", "b.flac", "c.wav"):
        (root / name).touch()
    return root


def test_sounds_are_numbered_in_the_order_of_the_table(tmp_path):
    all_of_them = load_folder(write_folder(tmp_path))
    some = load_folder(tmp_path, [3, 1])
    assert [path.name for path in some.sounds] == ["c.wav", "a.wav"]
    np.testing.assert_array_equal(some.counts, all_of_them.counts[:, [2, 0]])
    assert some.sound_ids == (3, 1)


def test_units_are_named_and_placed_where_the_table_says_so(tmp_path):
    write_folder(tmp_path, unit_id=["x", "y"], depth_um=[np.nan, 300.0], citation="Us 2024")
    recordings = load_folder(tmp_path)
    assert [(unit.id, unit.depth_um) for unit in recordings.units] == [("x", None), ("y", 300.0)]
    assert recordings.citation == ("Us 2024",)


def test_units_without_names_are_numbered(tmp_path):
    assert [unit.id for unit in load_folder(write_folder(tmp_path)).units] == ["unit-1", "unit-2"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bin_ms": None}, "lacks bin_ms"),
        ({"counts": np.zeros((2, 3, 50))}, r"counts of shape \(2, 3, 50\)"),
        ({"counts": np.zeros((2, 2, 4, 50))}, r"with 3 sounds"),
        ({"unit_id": ["only"]}, "1 unit_id"),
        ({"depth_um": [1.0, 2.0, 3.0]}, "3 depth_um"),
        ({"counts": np.full((2, 3, 4, 50), 0.5)}, "no counts"),
        ({"counts": np.full((2, 3, 4, 50), -1)}, "no counts"),
        ({"counts": np.full((2, 3, 4, 50), np.nan)}, "no counts"),
    ],
)
def test_a_table_that_contradicts_itself_says_where(tmp_path, changes, told):
    with pytest.raises(DataError, match=told):
        load_folder(write_folder(tmp_path, **changes))


def test_a_pickled_table_is_refused_unread(tmp_path):
    with pytest.raises(DataError, match="damaged or no table"):
        load_folder(write_folder(tmp_path, counts=np.array([{"a": 1}], dtype=object)))


def test_a_missing_table_or_sound_is_named(tmp_path):
    with pytest.raises(DataError, match=r"(?s)holds no recordings\.npz.*docs/fitting\.md"):
        load_folder(tmp_path)
    write_folder(tmp_path)
    (tmp_path / "b.flac").unlink()
    assert len(load_folder(tmp_path, [1, 3]).sounds) == 2
    with pytest.raises(DataError, match=r"b\.flac"):
        load_folder(tmp_path)


def test_a_truncated_table_is_refused(tmp_path):
    path = write_folder(tmp_path) / "recordings.npz"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match="damaged"):
        load_folder(tmp_path)


def test_a_sound_number_beyond_the_table_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has 3 sounds, none is number 4"):
        load_folder(write_folder(tmp_path), [1, 4])
