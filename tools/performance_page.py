"""Make the figures of docs/performance.md, and its plots, from what `rtstrf bench` measured.

    python tools/performance_page.py [--write | --check]

It reads benchmarks/results/*.json and renews the part of the page between its two markers; what is said around it is
written by hand. Without an option the part is printed. With --check nothing is written; the exit code is 1 where the
page is out of date.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "benchmarks" / "results"
BEGIN = "<!-- begin: python tools/performance_page.py --write -->"
END = "<!-- end -->"
BENCHES = ("step", "streams", "replay", "wire", "peers")

GRU, DNET, TRANSFORMER = "mel-adaptrans-statenet-gru", "mel-adaptrans-dnet", "mel-adaptrans-transformer"
# Okabe and Ito's colours, which colour-blind people tell apart.
P50, P99, P99_9, FLOOR, GOAL = "#0072B2", "#56B4E9", "#E69F00", "#999999", "#D55E00"

Result = dict[str, Any]  # of one machine: {subcommand: {"machine": ..., "rows": [...]}}


@dataclass(frozen=True, slots=True)
class Goal:
    """A number to reach.

    Attributes
    ----------
    what, elsewhere, reach : str
        As the table says them: what is measured, the best elsewhere, and what is to be reached.
    judge : callable
        Takes a machine's results; returns what was measured and whether it is reached, or None where it was not.
    """

    what: str
    elsewhere: str
    reach: str
    judge: Callable[[Result], tuple[str, bool] | None]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--write", action="store_true")
    which.add_argument("--check", action="store_true")
    args = parser.parse_args()
    machines = read_results(RESULTS)
    hour = read_hour(RESULTS / "hour.json")
    part = render(machines, hour)
    if args.check:
        return 0 if spliced(PAGE.read_text(encoding="utf-8"), part) == PAGE.read_text(encoding="utf-8") else 1
    if not args.write:
        print(part)
        return 0
    page = spliced(PAGE.read_text(encoding="utf-8"), part)
    for name, result in machines.items():
        draw(result, PAGE.parent / "performance", name)
    beside = PAGE.with_suffix(".md.new")
    beside.write_text(page, encoding="utf-8")
    os.replace(beside, PAGE)
    return 0


def read_results(folder: Path) -> dict[str, Result]:
    """Return the results of each machine by the name of its file; other files of the folder are left alone."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(result, dict) and result and set(result) <= set(BENCHES):
            found[path.stem] = result
    return found


def read_hour(path: Path) -> float | None:
    """Return how long a hop took after an hour, by what it took in the first minute; None where it was not measured."""
    return json.loads(path.read_text(encoding="utf-8"))["last_to_first_minute_p50"] if path.exists() else None


# ---- what was to be reached ------------------------------------------------------------------------------------------


def rows(result: Result, bench: str, **wanted: Any) -> list[dict[str, Any]]:
    """Return the rows of a subcommand in which each key named has the value named."""
    return [row for row in result.get(bench, {}).get("rows", []) if all(row.get(k) == v for k, v in wanted.items())]


def fastest(found: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the row with the least p50."""
    return min(found, key=lambda row: row["p50_us"], default=None)


def on_cpu(row: dict[str, Any]) -> bool:
    return str(row.get("device", "cpu")) == "cpu"


def step_within(model: str, p50_us: float, p99_us: float | None = None, *, gpu: bool = False) -> Any:
    """Return a judge of one hop of one stream."""

    def judge(result: Result) -> tuple[str, bool] | None:
        row = fastest([r for r in rows(result, "step", model=model, lanes=1) if on_cpu(r) != gpu])
        if row is None:
            return None
        said = f"p50 {row['p50_us']:.0f} µs, p99 {row['p99_us']:.0f} µs ({row['backend']})"
        return said, row["p50_us"] <= p50_us and (p99_us is None or row["p99_us"] <= p99_us)

    return judge


def ratio_of_peers(result: Result) -> tuple[str, bool] | None:
    found = rows(result, "peers", model=GRU, contestant="deepSTRF, sliding window")
    if not found:
        return None
    row = found[0]
    return f"{row['ratio_p50']:,.0f} times ({row['past_bins']} bins of past)", row["ratio_p50"] >= 500


def streams_at_least(count: int, *, gpu: bool = False) -> Any:
    def judge(result: Result) -> tuple[str, bool] | None:
        found = [r for r in rows(result, "streams", model=GRU) if on_cpu(r) != gpu]
        if not found:
            return None
        most = max((r["lanes"] for r in found if r["real_time"]), default=0)
        return f"{most:,}", most >= count

    return judge


def replay_ratio(result: Result) -> tuple[str, bool] | None:
    found = [r for r in rows(result, "replay", model=GRU, way="chunks of 1 s") if r["ratio_to_deepstrf"] is not None]
    if not found:
        return None
    row = found[0]
    return f"{row['ratio_to_deepstrf']:.2f} times, within {row['max_error_eager']:.0e}", row["ratio_to_deepstrf"] >= 2


def replay_file(result: Result) -> tuple[str, bool] | None:
    found = rows(result, "replay", model=GRU, way="file to npz, hop by hop")
    if not found:
        return None
    return f"{found[0]['times_real_time']:,.0f} x real time", found[0]["times_real_time"] >= 100


GOALS = (
    Goal(
        "mel + AdapTrans + StateNet-GRU, one hop, one CPU thread",
        "150-230 µs eager, 58 µs ONNX Runtime, 21 µs hand-fused and inexact",
        "p50 <= 30 µs, p99 <= 80 µs",
        step_within(GRU, 30, 80),
    ),
    Goal("the same against deepSTRF's sliding window", "20 ms", ">= 500 times as fast", ratio_of_peers),
    Goal("mel + AdapTrans + DNet, one hop", "6.8 ms, wrong", "p50 <= 40 µs", step_within(DNET, 40)),
    Goal(
        "mel + AdapTrans + Transformer (1 layer, 200 bins), one hop",
        "always wrong",
        "p50 <= 80 µs",
        step_within(TRANSFORMER, 80),
    ),
    Goal(
        "streams in real time on one CPU core, p99.9 < hop",
        "22 one by one; about 750 in a batch",
        ">= 1,500",
        streams_at_least(1500),
    ),
    Goal("replay in chunks of 1 s, against deepSTRF's offline forward", "1 x", ">= 2 x, same output", replay_ratio),
    Goal("replay hop by hop, from file to npz", "-", ">= 100 x real time", replay_file),
    Goal(
        "GPU, one stream, one hop, host to host",
        "-",
        "p50 <= 60 µs, p99 <= 100 µs",
        step_within(GRU, 60, 100, gpu=True),
    ),
    Goal("GPU, streams in real time, p99.9 < hop", "-", ">= 30,000", streams_at_least(30_000, gpu=True)),
)


# ---- the page --------------------------------------------------------------------------------------------------------


def render(machines: dict[str, Result], hour: float | None) -> str:
    """Return the part of the page between its markers."""
    if not machines:
        return "Nothing has been measured yet: run `make figures`."
    return "\n\n".join(section(name, result, hour) for name, result in machines.items())


def section(name: str, result: Result, hour: float | None) -> str:
    """Return what one machine measured."""
    machine = next(iter(result.values()))["machine"]
    parts = [
        f"### {machine['cpu_model']}, {machine['cores_usable']} cores"
        + (f", {machine['device_name']}" if machine["device"] != "cpu" else ""),
        measured_line(result),
        goals_table(result, hour),
    ]
    for bench, table in (("step", step_table), ("streams", streams_table), ("peers", peers_table)):
        if bench in result:
            caption, picture = PLOTS[bench][0], f"performance/{name}-{bench}.png"
            parts += [f"#### `rtstrf bench {bench}`", table(result), f"![{caption}]({picture})"]
    for bench, table in (("replay", replay_table), ("wire", wire_table)):
        if bench in result:
            parts += [f"#### `rtstrf bench {bench}`", table(result)]
    return "\n\n".join(parts)


def measured_line(result: Result) -> str:
    """Return when, on what and how busy it was measured, as a sentence."""
    machine = next(iter(result.values()))["machine"]
    loads = [part["machine"]["load_average"] for part in result.values()]
    busy = "" if None in loads else f" Load average at the start of each: {', '.join(f'{load:.1f}' for load in loads)}."
    return (
        f"Measured on {machine['measured_at'][:10]}: {machine['os']}, Python {machine['python']}, torch "
        f"{machine['torch']}, rtstrf {machine['rtstrf']}.{busy}"
    )


def goals_table(result: Result, hour: float | None) -> str:
    lines = ["| what | elsewhere | to reach | here | |", "|---|---|---|---|---|"]
    for goal in GOALS:
        judged = goal.judge(result)
        here, verdict = (
            ("-", "unmeasured") if judged is None else (judged[0], "reached" if judged[1] else "not reached")
        )
        lines.append(f"| {goal.what} | {goal.elsewhere} | {goal.reach} | {here} | {verdict} |")
    here, verdict = ("-", "unmeasured") if hour is None else (f"{hour:.3f}", _flat(hour))
    lines.append(f"| cost of a hop after an hour, by the first minute's | - | 1.0 ± 0.05 | {here} | {verdict} |")
    return "\n".join(lines)


def _flat(hour: float) -> str:
    return "reached" if 0.95 <= hour <= 1.05 else "not reached"


def table_of(headings: Sequence[str], lines: Sequence[Sequence[str]], words: int = 1) -> str:
    """Return a table whose first columns are words and the others numbers."""
    rule = ["---"] * words + ["---:"] * (len(headings) - words)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *lines))


def us(value: float) -> str:
    """Return microseconds, those below 10 with a digit more."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def error(value: float) -> str:
    """Return an error with one digit, or 0 where the bits are the same."""
    return "0" if value == 0 else f"{value:.0e}"


def step_table(result: Result) -> str:
    headings = ("model", "backend", "p50 (µs)", "p99", "p99.9", "max", "hops", "open loop p99.9", "missed",
                "paced p50", "of which asleep", "error, float64", "error, eager", "% of floor")  # fmt: skip
    lines = [
        [
            f"`{row['model']}`", row["backend"], us(row["p50_us"]), us(row["p99_us"]), us(row["p99_9_us"]),
            us(row["max_us"]), f"{row['hops']:,}", us(row["open_loop_p99_9_us"]), f"{row['missed_deadlines']:,}",
            us(row["paced_response_p50_us"]), us(row["paced_wake_p50_us"]), error(row["max_error"]),
            error(row["max_error_eager"]), f"{row['percent_of_floor']:.1f}",
        ]
        for row in rows(result, "step")
    ]  # fmt: skip
    first = rows(result, "step")[0]
    jitter = (
        f"The machine's own jitter in this run: an empty loop that looks at the clock, p99 "
        f"{us(first['jitter_floor_p99_us'])} µs, p99.9 {us(first['jitter_floor_p99_9_us'])} µs, max "
        f"{us(first['jitter_floor_max_us'])} µs; a thread that sleeps to a deadline, p50 "
        f"{us(first['wake_floor_p50_us'])} µs, p99 {us(first['wake_floor_p99_us'])} µs late. Algorithmic delay, apart "
        f"from all this: {first['algorithmic_delay_ms']:.1f} ms."
    )
    return f"{table_of(headings, lines, 2)}\n\n{jitter}"


def streams_table(result: Result) -> str:
    headings = ("model", "backend", "streams", "p50 (µs)", "p99.9", "max", "µs a stream", "missed hops", "hops",
                "in real time")  # fmt: skip
    lines = [
        [
            f"`{row['model']}`", row["backend"], f"{row['lanes']:,}", us(row["p50_us"]), us(row["p99_9_us"]),
            us(row["max_us"]), f"{row['us_per_stream']:.2f}", f"{row['missed_deadlines']:,}", f"{row['hops']:,}",
            "yes" if row["real_time"] else "no",
        ]
        for row in rows(result, "streams")
    ]  # fmt: skip
    return table_of(headings, lines, 2)


def peers_table(result: Result) -> str:
    headings = ("model", "contestant", "p50 (µs)", "p99", "past (bins)", "error", "x real time", "times as long, p50")
    lines = [
        [
            f"`{row['model']}`",
            row["contestant"] + (" (wrong)" if row.get("right") is False else ""),
            us(row["p50_us"]),
            us(row["p99_us"]),
            _or_dash(row.get("past_bins"), "{:,}"),
            error(row["max_error_eager"] if row.get("past_error") is None else row["past_error"]),
            _or_dash(row.get("times_real_time"), "{:,.0f}"),
            _or_dash(row.get("ratio_p50"), "{:,.1f}"),
        ]
        for row in rows(result, "peers")
    ]
    return table_of(headings, lines, 2)


def replay_table(result: Result) -> str:
    headings = ("model", "way", "backend", "x real time", "by deepSTRF's", "error, float64", "error, eager")
    lines = [
        [
            f"`{row['model']}`", row["way"], row["backend"], f"{row['times_real_time']:,.0f}",
            _or_dash(row["ratio_to_deepstrf"], "{:.2f}"), error(row["max_error"]), error(row["max_error_eager"]),
        ]
        for row in rows(result, "replay")
    ]  # fmt: skip
    return table_of(headings, lines, 3)


def wire_table(result: Result) -> str:
    headings = ("units", "clients", "p50 (µs)", "p99", "p99.9", "max", "lost", "load of a core", "late hello (ms)")
    lines = [
        [
            f"{row['units']:,}", f"{row['clients']}", us(row["p50_us"]), us(row["p99_us"]), us(row["p99_9_us"]),
            us(row["max_us"]), f"{row['lost']:,}", f"{100 * row['load']:.0f} %", f"{row['late_hello_ms']:.1f}",
        ]
        for row in rows(result, "wire")
    ]  # fmt: skip
    return table_of(headings, lines, 0)


def _or_dash(value: Any, form: str) -> str:
    return "-" if value is None else form.format(value)


def spliced(page: str, part: str) -> str:
    """Return the page with the part between its two markers."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise SystemExit(f"{PAGE.name} lacks its markers\n  -> restore the lines {BEGIN} and {END}")
    return f"{page[: page.index(BEGIN)]}{BEGIN}\n{part}\n{page[page.index(END) :]}"


# ---- the plots -------------------------------------------------------------------------------------------------------


def draw(result: Result, folder: Path, name: str) -> list[Path]:
    """Draw what a machine measured, one picture a subcommand; return the files."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for bench, (caption, plot) in PLOTS.items():
        if bench not in result:
            continue
        figure, axes = pyplot.subplots(figsize=(8.0, 3.6), constrained_layout=True)
        plot(axes, rows(result, bench))
        axes.set_title(caption, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        path = folder / f"{name}-{bench}.png"
        figure.savefig(path, dpi=120, metadata={"Software": None})
        pyplot.close(figure)
        drawn.append(path)
    return drawn


def plot_step(axes: Any, found: list[dict[str, Any]]) -> None:
    names = [f"{row['model'].removeprefix('mel-adaptrans-')}, {row['backend']}" for row in found]
    for place, row in enumerate(found):
        axes.plot([row["p50_us"], row["p99_9_us"]], [place, place], color=P99, linewidth=2, zorder=1)
    for key, colour, word in (("p50_us", P50, "p50"), ("p99_us", P99, "p99"), ("p99_9_us", P99_9, "p99.9")):
        axes.scatter([row[key] for row in found], range(len(found)), color=colour, label=word, zorder=2)
    axes.scatter(
        [row["paced_response_p50_us"] for row in found],
        range(len(found)),
        marker="|",
        s=120,
        color=GOAL,
        label="p50 at the pace of the sound",
        zorder=2,
    )
    axes.axvline(found[0]["bin_ms"] * 1e3, color=GOAL, linestyle=":", label="one bin")
    axes.set_yticks(range(len(found)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("µs from a hop of sound to its rates")
    axes.legend(fontsize=8, frameon=False)


def plot_streams(axes: Any, found: list[dict[str, Any]]) -> None:
    for backend in dict.fromkeys(row["backend"] for row in found):
        ours = sorted((row for row in found if row["backend"] == backend), key=lambda row: row["lanes"])
        lanes = [row["lanes"] for row in ours]
        for key, style, colour in (("p50_us", "-", P50), ("p99_9_us", "--", P99_9)):
            label = f"{backend}, {key.removesuffix('_us').replace('_', '.')}"
            axes.plot(lanes, [row[key] / 1e3 for row in ours], style, marker="o", color=colour, label=label)
    axes.axhline(found[0]["bin_ms"], color=GOAL, linestyle=":", label="one bin")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("streams in one batch on one core")
    axes.set_ylabel("ms from due to rates")
    axes.legend(fontsize=8, frameon=False)


def plot_peers(axes: Any, found: list[dict[str, Any]]) -> None:
    hops = [row for row in found if row["contestant"] in ("rtstrf", "deepSTRF, sliding window")]
    names = [f"{row['model'].removeprefix('mel-adaptrans-')}, {row['contestant']}" for row in hops]
    colours = [P50 if row["contestant"] == "rtstrf" else P99_9 for row in hops]
    bars = axes.barh(range(len(hops)), [row["p50_us"] for row in hops], color=colours)
    words = [us(row["p50_us"]) + (" (wrong)" if row.get("right") is False else "") for row in hops]
    axes.bar_label(bars, words, padding=3, fontsize=8)
    axes.axvline(5000, color=GOAL, linestyle=":")
    axes.set_yticks(range(len(hops)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_xlabel("µs for one hop, p50 (dotted: one bin)")


PLOTS: dict[str, tuple[str, Callable[[Any, list[dict[str, Any]]], None]]] = {
    "step": ("One hop of one stream, host to host", plot_step),
    "streams": ("Streams in one batch", plot_streams),
    "peers": ("One hop, against deepSTRF run again over the past it needs", plot_peers),
}


if __name__ == "__main__":
    sys.exit(main())
