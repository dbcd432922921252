"""Files appear together or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstrf.errors import ConfigError
from rtstrf.replay.staging import StagedFiles


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(staged: StagedFiles, target: Path, text: bytes) -> None:
    with staged.open(target) as file:
        file.write(text)


def test_all_files_appear_at_the_end(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with StagedFiles([one, two]) as staged:
        write(staged, one, b"1")
        write(staged, two, b"2")
        assert not one.exists()
        assert not two.exists()
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")
    assert names(tmp_path) == ["one", "two"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_nothing_and_what_was_there_before(tmp_path: Path, error: type[BaseException]) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"before")

    def fail() -> None:
        with StagedFiles([old, new]) as staged:
            write(staged, old, b"after")
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == ["old"]
    assert old.read_bytes() == b"before"


@pytest.mark.parametrize("place", ["missing/out", "file/out", "folder"])
def test_a_place_that_cannot_be_written_is_found_on_entry(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    good, bad = tmp_path / "good", tmp_path / place
    with pytest.raises(ConfigError, match=r"cannot write .*\n  -> choose"), StagedFiles([good, bad]):
        pytest.fail("entered")
    assert names(tmp_path) == ["file", "folder"]


def test_files_have_the_permissions_that_the_user_asks_for(tmp_path: Path) -> None:
    plain, staged_file = tmp_path / "plain", tmp_path / "staged"
    plain.write_bytes(b"")
    with StagedFiles([staged_file]) as staged:
        write(staged, staged_file, b"")
    assert staged_file.stat().st_mode == plain.stat().st_mode
