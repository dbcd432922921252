"""A process of its own that goes on from snapshots: python -m tests.support.other_process FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import safetensors.torch
import torch

from rtstrf.runner import StepRunner
from rtstrf.stream import leaves
from tests.support.stages import build, stages

LANES, LANE = 3, 1


def main(folder: Path) -> None:
    """Restore each snapshot of the folder beside lanes of NaN, hear the rest of its sound, and write what comes out."""
    torch.set_num_threads(1)
    made = stages()
    for snapshot in sorted(folder.glob("*.snapshot")):
        rest = safetensors.torch.load_file(snapshot.with_suffix(".rest"))["x"]
        runner = StepRunner(build(made[snapshot.stem], torch.float32), lanes=LANES)
        runner.restore(LANE, snapshot.read_bytes())
        x = torch.full_like(rest, torch.nan).repeat(LANES, *(1,) * (rest.ndim - 1))
        x[LANE] = rest[0]
        y = runner.step(x, [lane == LANE for lane in range(LANES)])
        heard = {path or "y": leaf[LANE : LANE + 1].contiguous() for path, leaf in leaves(y)}
        safetensors.torch.save_file(heard, snapshot.with_suffix(".heard"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
