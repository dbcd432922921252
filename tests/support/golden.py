"""Golden vectors of deepSTRF 0.1.0: the small ones in the repository, and the large ones beside it, where they are.

``tools/make_golden.py`` made those in ``tests/golden`` by running deepSTRF itself.
"""

from __future__ import annotations

from pathlib import Path

from rtstrf.verify.golden import Case

COMMITTED = Path(__file__).resolve().parents[1] / "golden"
FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "golden"


def cases(folder: Path = FOLDER) -> list[Case]:
    """Return every case of a folder; none where it is absent."""
    return [Case.read(path.parent) for path in sorted(folder.glob("*/case.json"))]
