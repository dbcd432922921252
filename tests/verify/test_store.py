"""What was last verified, in the user's cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rtstrf.verify import store
from rtstrf.verify.store import cache_dir, last_verified, remember

SHA256 = "ab" * 32


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RTSTRF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def result(weights_sha256: str = SHA256, **facts: Any) -> dict[str, Any]:
    return {"weights_sha256": weights_sha256, "passed": True, **facts}


def test_nothing_is_known_of_weights_that_were_not_verified() -> None:
    assert last_verified(SHA256) is None


def test_what_is_remembered_is_found_again() -> None:
    remember(result(seed=3))
    assert last_verified(SHA256) == result(seed=3)
    assert last_verified("cd" * 32) is None


def test_the_newest_counts_and_one_file_is_kept(cache: Path) -> None:
    remember(result(seed=1))
    remember(result(seed=2))
    assert last_verified(SHA256) == result(seed=2)
    assert len([path for path in cache.rglob("*") if path.is_file()]) == 1


def test_weights_that_begin_alike_are_not_taken_for_one_another() -> None:
    remember(result("ab" * 20 + "00" * 12))
    assert last_verified(SHA256) is None


def test_another_processor_or_torch_has_its_own_result(monkeypatch: pytest.MonkeyPatch) -> None:
    remember(result())
    monkeypatch.setattr(store, "arithmetic_id", lambda: "another")
    assert last_verified(SHA256) is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": "other"}', '{"format": "rtstrf-verified/1"}'])
def test_a_damaged_file_is_as_good_as_none(damage: str) -> None:
    remember(result()).write_text(damage)
    assert last_verified(SHA256) is None


def test_what_cannot_be_kept_leaves_nothing_behind(cache: Path) -> None:
    remember(result(seed=1))
    with pytest.raises(TypeError):
        remember(result(seed={1, 2}))
    assert last_verified(SHA256) == result(seed=1)
    assert len(list((cache / "verified").iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_the_systems_error(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(OSError):
        remember(result())
    assert last_verified(SHA256) is None


def test_the_file_says_which_format_it_has() -> None:
    assert json.loads(remember(result()).read_text())["format"] == "rtstrf-verified/1"


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache/rtstrf"),
        ("linux", {"XDG_CACHE_HOME": "{}/xdg"}, "xdg/rtstrf"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "home/.cache/rtstrf"),
        ("darwin", {}, "home/Library/Caches/rtstrf"),
        ("win32", {"LOCALAPPDATA": "{}/local"}, "local/rtstrf/Cache"),
        ("win32", {}, "home/AppData/Local/rtstrf/Cache"),
        ("linux", {"RTSTRF_CACHE": "{}/own", "XDG_CACHE_HOME": "{}/xdg"}, "own"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    for name in ("RTSTRF_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(store.sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    assert cache_dir() == tmp_path / expected
