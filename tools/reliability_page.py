"""Put the numbers of docs/reliability.md into it, from what benchmarks/reliability.py measured.

    python tools/reliability_page.py [--write | --check | --judge]

It reads benchmarks/results/reliability.json and renews the part of the page between its two markers. Without an option
the part is printed. With --check the exit code is 1 where the page is out of date, with --judge where a number is not
reached.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
RESULTS = ROOT / "benchmarks" / "results" / "reliability.json"
BEGIN = "<!-- begin: python tools/reliability_page.py --write -->"
END = "<!-- end -->"


@dataclass(frozen=True, slots=True)
class Number:
    """A promise: what, how much, what was measured, and whether that is enough; None where unmeasured."""

    what: str
    reach: str
    measured: str = "not measured"
    reached: bool | None = None


def main() -> int:
    """Print, write, check or judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group()
    for option in ("--write", "--check", "--judge"):
        which.add_argument(option, action="store_true")
    args = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    part = render(results)
    page = PAGE.read_text(encoding="utf-8")
    if args.check:
        return 0 if spliced(page, part) == page else 1
    if args.write:
        beside = PAGE.with_suffix(".md.new")
        beside.write_text(spliced(page, part), encoding="utf-8")
        os.replace(beside, PAGE)
        return 0
    print(part)
    return 1 if args.judge and not all(number.reached for number in numbers(results)) else 0


def numbers(results: dict[str, Any]) -> list[Number]:
    """Return every number that is promised, with what was measured of it."""
    return [*_of_the_wire(results.get("wire")), *_of_soak(results.get("soak")), *_of_faults(results)]


def _of_the_wire(wire: dict[str, Any] | None) -> list[Number]:
    told = [
        ("1024 units x 200 Hz to 8 clients: load of the publisher", "<= 0.5"),
        ("messages lost by them", "0"),
        ("from the engine to the checked array in a client, p50", "<= 0.3 ms"),
        ("the same, p99", "<= 1 ms"),
        ("greeting of a client that joins late", "<= 250 ms"),
    ]
    if wire is None:
        return [Number(*each) for each in told]
    (row,) = wire["rows"]
    p50_ms, p99_ms = row["p50_us"] / 1e3, row["p99_us"] / 1e3
    floor_ms = row["wake_floor_p99_us"] / 1e3
    found = [
        (f"{row['load']:.2f}", row["load"] <= 0.5 and (row["units"], row["clients"]) >= (1024, 8)),
        (f"{row['lost']} of {row['messages_received']:,}", row["lost"] == 0),
        (f"{p50_ms:.2f} ms", p50_ms <= 0.3),
        (f"{p99_ms:.2f} ms; p99 of waking from a sleep on this machine: {floor_ms:.2f} ms", p99_ms <= 1.0),
        (f"{row['late_hello_ms']:.0f} ms", row["late_hello_ms"] <= 250),
    ]
    return [Number(*each, *measured) for each, measured in zip(told, found, strict=True)]


def _of_soak(soak: dict[str, Any] | None) -> list[Number]:
    told = [
        ("soak, the bundled model and 8 clients, recording: bins missing", "0"),
        ("memory of the process that grew most, first fifth to last fifth", "flat: within 2 % + 1 MB"),
        ("p99 of lateness in the last fifth against the first", "<= 1.1"),
    ]
    if soak is None:
        return [Number(*each) for each in told]
    missing = soak["bins"] - soak["bins_received_least"]
    sizes = max(soak["memory_mb"].values(), key=lambda size: size["last"] - size["first"])
    first, last = soak["late_ms"][0]["p99"], soak["late_ms"][-1]["p99"]
    lost = soak["bins_lost"] or soak["messages_lost"] or soak["messages_dropped"]
    found = [
        (f"{missing} of {soak['bins']:,} in {soak['minutes']:g} min", missing == 0 and not lost),
        (f"{sizes['first']:.1f} to {sizes['last']:.1f} MB", soak["memory_flat"]),
        (f"{soak['p99_ratio']:.2f} ({first:.2f} to {last:.2f} ms)", soak["p99_ratio"] <= 1.1),
    ]
    return [Number(*each, *measured) for each, measured in zip(told, found, strict=True)]


def _of_faults(results: dict[str, Any]) -> list[Number]:
    made = Number(
        "malformed requests, configurations, checkpoints and sounds: crash, hang or traceback", "0 of 100,000"
    )
    fuzz, chaos = results.get("fuzz"), results.get("chaos")
    if fuzz is not None:
        measured = f"{fuzz['failed']} of {fuzz['tried']:,}"
        made = Number(made.what, made.reach, measured, fuzz["failed"] == 0 and fuzz["tried"] >= 100_000)
    faults = Number("faults survived, with the loss announced equal to the loss injected", "all")
    if chaos is not None:
        good = sum(row["skipped"] is None and row["equal"] and row["survived"] for row in chaos["rows"])
        faults = Number(faults.what, faults.reach, f"{good} of {len(chaos['rows'])}", good == len(chaos["rows"]))
    return [made, faults, *_of_a_restart(chaos)]


def _of_a_restart(chaos: dict[str, Any] | None) -> list[Number]:
    stale = Number("server killed with -9: its client says that the stream is stale", "after 3 s, 0.1 s to look")
    back = Number("server started again: its client has the first message of the new run", "<= 2 s")
    kept = Number("the recording that it made: sound lost at its end", "<= 1 s")
    rows = {row["fault"]: row for row in chaos["rows"]} if chaos else {}
    row, recording = rows.get("kill -9 and restart"), rows.get("kill -9, recording")
    if row is None or row["recovery_s"] is None or recording is None:
        return [stale, back, kept]
    stale_s, back_s = row["notes"]["stale_s"], row["recovery_s"]
    return [
        Number(stale.what, stale.reach, f"{stale_s:.2f} s", stale_s <= 3.1),
        Number(back.what, back.reach, f"{back_s:.3f} s", back_s <= 2.0),
        Number(kept.what, kept.reach, f"{recording['notes']['lost_s']:.2f} s", recording["notes"]["lost_s"] <= 1.0),
    ]


def render(results: dict[str, Any]) -> str:
    """Return the part of the page: the numbers, and the faults one by one."""
    marks = {True: "reached", False: "**not reached**", None: "**unmeasured**"}
    lines = ["| number | to reach | measured | |", "|---|---|---|---|"]
    lines += [f"| {each.what} | {each.reach} | {each.measured} | {marks[each.reached]} |" for each in numbers(results)]
    for name in ("wire", "soak", "chaos", "fuzz"):
        if name in results:
            machine = results[name]["machine"]
            facts = f"{machine['cpu_model']}, {machine['cores_usable']} cores, {machine['os']}"
            lines += ["", f"`{name}` measured {results[name]['measured_at'].replace('T', ' at ')} on {facts}."]
    chaos = results.get("chaos")
    if chaos is not None:
        lines += [
            "",
            f"What `rtstrf chaos` (seed {chaos['seed']}, {chaos['seconds']:.0f} s) injected and was told:",
            "",
        ]
        lines += ["| fault | injected | announced | survived | well again |", "|---|---|---|---|---|"]
        lines += [_fault(row) for row in chaos["rows"]]
    return "\n".join(lines)


def _fault(row: dict[str, Any]) -> str:
    survived = "skipped: " + row["skipped"] if row["skipped"] else "yes" if row["survived"] else "**no**"
    well = "" if row["recovery_s"] is None else f"after {1000 * row['recovery_s']:.0f} ms"
    return f"| {row['fault']} | {_words(row['injected'])} | {_words(row['announced'])} | {survived} | {well} |"


def _words(figures: dict[str, Any]) -> str:
    return "<br>".join(
        f"{name}: {', '.join(str(each)[:6] for each in value) if isinstance(value, list) else value}"
        for name, value in figures.items()
    )


def spliced(page: str, part: str) -> str:
    """Return the page with its part between the markers renewed."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE} lacks the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{part}\n\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main())
