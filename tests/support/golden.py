"""Golden vectors of deepSTRF 0.1.0, where they are.

They lie beside the repository, not in it; where they are absent the tests that need them are skipped by name. A case is
taken as soon as our zoo has the parts that it names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rtstrf.checkpoints.build import MODEL_CLASSES
from rtstrf.models.statenet import CELLS
from rtstrf.spectrogram.make import FRONT_ENDS
from rtstrf.verify.golden import Case

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "golden"


def cases() -> list[Case]:
    """Return the cases whose parts our zoo has; none where the folder is absent."""
    found = [Case.read(path.parent) for path in sorted(FOLDER.glob("*/case.json"))]
    return [case for case in found if can_build(case.facts)]


def can_build(facts: dict[str, Any]) -> bool:
    """Tell whether every part that a case names has been written yet."""
    args = facts.get("init_kwargs") or {}
    if facts["kind"] == "model":
        if facts["model_class"] not in MODEL_CLASSES:
            return False
        if facts["model_class"] == "StateNet" and args.get("rnn_type", "GRU") not in CELLS:
            return False
    front_end = facts.get("wav2spec")
    return not front_end or front_end["args"]["kind"] in FRONT_ENDS
