"""What the documentation shows works: its Python runs, its files exist, and it names no machine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
# Clients that need a server beside them: test_protocol_doc.py, test_rig_doc.py and test_clients_doc.py run them.
WITH_SERVER = ("docs/protocol.md", "docs/rig.md", "docs/clients/python.md")
BLOCKS = [
    pytest.param(match.group(1), id=f"{page.name}:{page.read_text()[: match.start()].count(chr(10)) + 1}")
    for page in PAGES
    if page.relative_to(ROOT).as_posix() not in WITH_SERVER
    for match in re.finditer(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    if "# not run" not in match.group(1)
]


@pytest.mark.parametrize("code", BLOCKS)
def test_the_code_runs(code: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_to_exists(page: Path) -> None:
    text = page.read_text()
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [link for link in links if link and "://" not in link]
    named = re.findall(r"`((?:rtstrf|tests|docs|configs|benchmarks|tools)/[\w/.-]+\.\w+)`", text)
    missing = [link for link in local if not (page.parent / link).exists()]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing
