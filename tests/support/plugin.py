"""An installed package with entry points: real metadata in a folder on the path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest


def write_package(folder: Path, name: str, code: str, entries: Mapping[str, Mapping[str, str]]) -> None:
    """Write a package of one module as an installer leaves it; `entries` are attributes by name and group."""
    (folder / f"{name}.py").write_text(code)
    metadata = folder / f"{name}-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    lines = []
    for group, attributes in entries.items():
        lines += [f"[{group}]", *(f"{entry} = {name}:{attribute}" for entry, attribute in attributes.items()), ""]
    (metadata / "entry_points.txt").write_text("\n".join(lines))


@contextmanager
def installed(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    code: str,
    entries: Mapping[str, Mapping[str, str]],
) -> Iterator[Callable[[], ModuleType]]:
    """Have a package installed in this process; what is yielded imports it."""
    write_package(folder, name, code, entries)
    monkeypatch.syspath_prepend(folder)
    try:
        yield lambda: importlib.import_module(name)
    finally:
        sys.modules.pop(name, None)
