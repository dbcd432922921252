"""The whole: a session, all faults one after another, and mixed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rtstrf.chaos import faults
from rtstrf.chaos.death import killed, run_again
from rtstrf.chaos.row import Row
from rtstrf.chaos.stage import Stage
from rtstrf.errors import RtstrfError

FAULTS: dict[str, faults.Fault] = {
    "xruns": faults.xruns,
    "dropped": faults.dropped_blocks,
    "late": faults.late_blocks,
    "stall": faults.model_stalls,
    "client": faults.client_stalls,
    "step": faults.clock_step,  # not before the clock is fitted
    "malformed": faults.malformed_control,
    "theft": faults.port_theft,
    "unplug": faults.unplugged,
    "mixed": faults.mixed,
    "disk": faults.full_disk,
}
"""In the order of a session."""

NAMES = (*FAULTS, "kill", "again")
MIXED_ROUNDS = 4


def run_chaos(
    folder: Path, seed: int, *, quick: bool, only: Sequence[str] = NAMES, tell: Callable[[Row], None] = lambda row: None
) -> list[Row]:
    """Inject every fault into a session, and return what came of each.

    Parameters
    ----------
    folder : Path
        Empty; takes the recordings and a log.
    seed : int
        Of sizes, distances and the order of the mix.
    quick : bool
        One round of the mix in place of four.
    only : sequence of str
        Some of `NAMES`.
    tell : callable
        Called with each outcome as it comes.

    Returns
    -------
    rows : list of Row
        One that could not be brought to its end has a failed check that says why.
    """
    rows: list[Row] = []
    began_s = time.monotonic()
    chance = random.Random(seed)

    def take(name: str, outcome: Callable[[], list[Row]]) -> None:
        try:
            made = outcome()
        except RtstrfError as error:
            made = [Row(name, checks={error.what: False})]
        rows.extend(made)
        for row in made:
            tell(row)

    stage = Stage(folder)
    try:
        for name, fault in FAULTS.items():
            if name not in only:
                continue
            if name == "step":
                time.sleep(max(0.0, began_s + faults.SETTLED_S - time.monotonic()))
            for _ in range(1 if quick or name != "mixed" else MIXED_ROUNDS):
                take(name, lambda fault=fault: [fault(stage, chance)])  # type: ignore[misc]
        if "kill" in only:
            take("kill -9 and restart", lambda: killed(stage, chance))
    finally:
        stage.close()
    if "again" in only:
        take("all recordings run again", lambda: [run_again(stage.recordings)])
    return rows
