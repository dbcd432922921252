"""Golden vectors of deepSTRF 0.1.0, where they are.

They lie beside the repository, not in it; where they are absent the tests that need them are skipped by name.
"""

from __future__ import annotations

from pathlib import Path

from rtstrf.verify.golden import Case

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "golden"


def cases() -> list[Case]:
    """Return every case; none where the folder is absent."""
    return [Case.read(path.parent) for path in sorted(FOLDER.glob("*/case.json"))]
