"""The server killed with -9 while it records, its port stolen meanwhile, and started again."""

from __future__ import annotations

import random
import time
from pathlib import Path

from rtstrf.chaos.faults import refused_start, thief
from rtstrf.chaos.row import Row
from rtstrf.chaos.stage import Stage

SEALED_WITHIN_S = 10.0


def killed(stage: Stage, chance: random.Random) -> list[Row]:
    """Kill the server, let a thief take its port, and start it again: the client is back by itself, in a new run."""
    from rtstrf.record.check import check
    from rtstrf.record.recording import Recording

    stage.mark()
    before, folder = dict(stage.facts), stage.recordings / stage.request("status")["recording"]
    deadline_s = time.monotonic() + SEALED_WITHIN_S
    while "main" not in Recording(folder).streams and time.monotonic() < deadline_s:
        time.sleep(0.05)  # a recording of less than a second may hold nothing
    time.sleep(chance.uniform(0.0, 0.5))  # anywhere between two seals
    stage.server.kill()
    killed_ns = time.monotonic_ns()
    with thief(before["data"]):
        refused = refused_start(stage)
    last = stage.witness.ask("where")["next_bin"]
    stale = stage.until(lambda: stage.witness.ask("where"), lambda where: where["stale"])
    stale_s = (stale["stale_ns"] - killed_ns) / 1e9
    stage.server = stage.start_server(before["data"], before["control"])
    ready_ns = time.monotonic_ns()
    where = stage.until(
        lambda: stage.witness.ask("where"), lambda where: where["run"] == stage.facts["run"] and where["first_ns"]
    )
    row = Row("kill -9 and restart", recovery_s=max(0.0, (where["first_ns"] - ready_ns) / 1e9))
    row.injected = {"runs": [before["run"], stage.facts["run"]]}
    row.announced = {"runs": where["runs_seen"]}
    row.checks = {
        "the client knows that the stream is stale": stale["stale"],
        "nothing of the new run was missed": where["lost"] == 0,
        "it can be commanded again": stage.request("ping")["run"] == stage.facts["run"],
    }
    row.notes = {"stale_s": round(stale_s, 2)}

    theft = Row("port theft while it is dead", {"refused servers": 1}, {"refused servers": int(refused)})

    cut = Row("kill -9, recording")
    found = check(folder)
    recorded = int(Recording(folder).streams["main"].bin_index[-1]) + 1
    cut.injected, cut.announced = {"recordings cut off": 1}, {"recordings cut off": int(found.end is None)}
    check(folder, repair=True)
    lost_s = max(0, last - recorded) * stage.facts["hop_samples"] / stage.facts["rate_hz"]
    cut.checks = {
        "no more than a second is lost": lost_s <= 1.0,
        "what is there is undamaged": not found.damages,
        "repaired, it is whole": check(folder).is_whole,
    }
    cut.notes = {"lost_s": round(lost_s, 3)}
    stage.mark()  # the new run is heard on, so that its recording holds something
    return [row, theft, cut]


def run_again(recordings: Path) -> Row:
    """Run every recording of the session again: the same rates to the bit, through all faults."""
    from rtstrf.record.recording import Recording
    from rtstrf.record.rerun import model_of, rerun

    row = Row("all recordings run again")
    done = []
    for folder in sorted(path for path in recordings.iterdir() if path.is_dir()):
        recording = Recording(folder)
        done.append(rerun(recording, "main", model_of(recording)))
    row.injected = {"recordings not identical": 0}
    row.announced = {"recordings not identical": sum(not each.identical for each in done)}
    row.checks = {"there are some": len(done) > 0 and all(each.bins for each in done)}
    row.notes = {
        "recordings": len(done),
        "gaps": sum(each.gaps for each in done),
        "bins": sum(each.bins for each in done),
    }
    row.notes["bins before the first state kept"] = sum(each.not_rerun_bins for each in done)
    return row
