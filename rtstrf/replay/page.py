"""The page of a report: one HTML file that needs nothing beside it and no network."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from itertools import accumulate
from typing import Any

import numpy as np

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.replay import plots
from rtstrf.replay.play import Replayed

MOST_HEAT_MAPS = 12

STYLE = """
:root { color-scheme: light; --ink: #1f2328; --muted: #5c6673; --line: #e4e7eb; --ok: #0072B2; --bad: #D55E00; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f6f8; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 32px 24px 64px; }
header p { color: var(--muted); margin: 2px 0 0; }
h1 { font-size: 24px; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 17px; margin: 0 0 4px; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 20px 24px; margin-top: 18px; }
section > p { color: var(--muted); margin: 0 0 12px; max-width: 60em; }
.verdict { border-left: 6px solid var(--ok); font-size: 18px; line-height: 1.45; }
.verdict.bad { border-left-color: var(--bad); }
.verdict b { font-size: 20px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 12px; margin-top: 18px; }
.tile { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px; }
.tile b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; font-weight: 600; }
.tile span { color: var(--muted); font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 6px 10px 6px 0; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: none; color: var(--muted); font-weight: 500; font-size: 13px; }
.number { text-align: right; padding-right: 14px; }
.sum td, .sum th { border-top: 2px solid var(--ink); font-weight: 600; }
img { display: block; width: 100%; height: auto; }
code { font: 12.5px/1.4 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
@media print { body { background: #fff; } section, .tile { break-inside: avoid; } }
"""


def page(facts: dict[str, Any], replays: Sequence[Replayed], loaded: LoadedModel) -> str:
    """Return the page.

    Parameters
    ----------
    facts : dict
        What `rtstrf.replay.report.report` returned.
    replays : sequence of Replayed
        With their rates.
    loaded : LoadedModel

    Returns
    -------
    html : str
    """
    names = ", ".join(sound["name"] for sound in facts["sounds"][:3])
    more = len(replays) - 3
    title = f"Replay of {names}{f' and {more} more' if more > 0 else ''}"
    sections = [
        _verdict(facts),
        _tiles(facts["total"], facts["model"]["bin_ms"]),
        _delays(facts),
        *_timing_plots(replays),
        *_heat_maps(replays, loaded),
        _sounds(facts),
        _machine(facts),
    ]
    model, pace = facts["model"], "in real time" if facts["pace"] == "real" else "as fast as it computes"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header>
<h1>{escape(title)}</h1>
<p>{escape(model["name"])}: {model["units"]} units, bins of {model["bin_ms"]:g} ms; played {pace}, hop by hop;
{escape(facts["created_utc"])}</p>
</header>
{"".join(sections)}
</main>
</body>
</html>
"""


def _verdict(facts: dict[str, Any]) -> str:
    keeps_up = facts["verdict"]["keeps_up"]
    head, _, rest = facts["verdict"]["sentence"].partition(":")
    mark = "✓" if keeps_up else "✗"
    kind = "verdict" if keeps_up else "verdict bad"
    return f'<section class="{kind}"><b>{mark} {escape(head)}.</b> {escape(rest.strip().capitalize())}</section>\n'


def _tiles(total: dict[str, Any], hop_ms: float) -> str:
    measure, name = (
        (total["latency_ms"], "latency") if total["latency_ms"] is not None else (total["computing_ms"], "computing")
    )
    jitter = total["delivery_jitter_ms"] or total["computing_jitter_ms"]
    tiles = [
        (f"{measure[key]:.2f} ms", f"{name}, {label}")
        for key, label in (("p50", "p50"), ("p99", "p99"), ("p99_9", "p99.9"), ("max", "longest"))
    ]
    tiles += [
        (f"{total['deadlines_missed_bins']:,}", f"of {total['bins']:,} bins missed {hop_ms:g} ms"),
        (f"{total['times_real_time']:.1f} ×", "real time, computing alone"),
    ]
    if jitter is not None:
        of = "of delivery" if total["delivery_jitter_ms"] else "of computing"
        tiles.append((f"{jitter['sd']:.2f} ms", f"jitter {of}, SD (p99 − p50: {jitter['p99_minus_p50']:.2f} ms)"))
    tiles.append((f"{total['algorithmic_wait_max_ms']:.2f} ms", "longest algorithmic delay"))
    inside = "".join(f'<div class="tile"><b>{value}</b><span>{escape(label)}</span></div>' for value, label in tiles)
    return f'<div class="tiles">{inside}</div>\n'


def _delays(facts: dict[str, Any]) -> str:
    slowest = max(facts["sounds"], key=lambda sound: sum(delay["wait_ms"] for delay in sound["delays"]))
    rows = [
        (escape(delay["stage"]), _ms(delay["wait_ms"]), _ms(delay["group_delay_ms"])) for delay in slowest["delays"]
    ]
    total = ("together", *(_ms(sum(d[key] for d in slowest["delays"])) for key in ("wait_ms", "group_delay_ms")))
    of = f" For {escape(slowest['name'])}, the slowest of the sounds." if len(facts["sounds"]) > 1 else ""
    return _section(
        "Delay by stage, apart from computing",
        "Wait: how long a stage needs sound that comes after what it reports on, at most; known, not measured, and the "
        "same on every machine. Group delay: how far the middle of its window lies behind the end of a bin; it is part "
        f"of the model and was part of its fit.{of}",
        _table(("stage", "wait (ms)", "group delay (ms)"), [*rows, total], numbers=(1, 2), last_is_sum=True),
    )


def _timing_plots(replays: Sequence[Replayed]) -> Iterable[str]:
    bin_s = replays[0].bin_s
    computing = np.concatenate([r.compute_ns for r in replays]) / 1e6
    series = [("computing time", plots.COMPUTING, computing)]
    latencies = [r.latency_ns for r in replays if r.latency_ns is not None]
    if latencies:
        series.append(("latency", plots.LATENCY, np.concatenate(latencies) / 1e6))
    borders_s = [bins * bin_s for bins in accumulate(r.bins for r in replays)][:-1]
    explained = (
        "From the capture of the last sample of a bin's block to its rates in hand; the wait for its block, and the "
        "stages above, come before it."
    )
    yield _section(
        "Through the sound",
        "Time for each hop; where a column holds several, the line is their median and the shade their range.",
        _picture(plots.timeline(series, bin_s, borders_s), "computing time of every hop over the sound"),
    )
    for name, colour, values_ms in series:
        note = explained if name == "latency" else "One hop from samples to rates, resampling included."
        picture = plots.distribution(name, colour, values_ms, 1e3 * bin_s)
        yield _section(f"Distribution of {name}", note, _picture(picture, f"distribution of {name}"))
    if not latencies:
        yield _section(
            "Latency", "Played as fast as it computes, nothing is late: replay with --pace real to measure latency.", ""
        )


def _heat_maps(replays: Sequence[Replayed], loaded: LoadedModel) -> Iterable[str]:
    for replayed in replays[:MOST_HEAT_MAPS]:
        if replayed.rates_hz is None or replayed.level_db_spl is None:
            continue
        picture = plots.population(replayed.rates_hz, replayed.level_db_spl, replayed.bin_s, loaded.sidecar.units)
        yield _section(
            f"The population hears {replayed.source.name}",
            "Above: level of the sound. Below: firing rate of every unit.",
            _picture(picture, f"rates of all units over {replayed.source.name}"),
        )
    if len(replays) > MOST_HEAT_MAPS:
        yield _section("More sounds", f"Heat maps are shown of the first {MOST_HEAT_MAPS} sounds only.", "")


def _sounds(facts: dict[str, Any]) -> str:
    rows = []
    for sound in facts["sounds"]:
        own = sound["figures"]
        measure = own["latency_ms"] or own["computing_ms"]
        rows.append(
            (
                f"{escape(sound['name'])}<br><code>{sound['rates_sha256']}</code>",
                f"{own['sound_s']:.3f}",
                f"{sound['source_rate_hz']:,}",
                f"{sound['channels']}",
                f"{sound['block_samples']}",
                f"{own['bins']:,}",
                f"{measure['p50']:.2f}",
                f"{measure['p99']:.2f}",
                f"{measure['max']:.2f}",
                f"{own['deadlines_missed_bins']:,}",
            )
        )
    name = "latency" if facts["total"]["latency_ms"] else "computing"
    head = ("sound, SHA-256 of its rates", "s", "Hz", "channels", "block", "bins", "p50", "p99", "longest", "missed")
    return _section(
        "Sounds",
        f"p50, p99 and longest: {name}, ms. The same sound, model and machine give the same SHA-256 however the sound "
        "is cut into blocks.",
        _table(head, rows, numbers=range(1, 10)),
    )


def _machine(facts: dict[str, Any]) -> str:
    rows = [(escape(name.replace("_", " ")), escape(str(value))) for name, value in facts["machine"].items()]
    rows += [("weights", f"<code>{facts['model']['weights_sha256']}</code>")]
    return _section("Machine", "These figures hold for this machine and these versions.", _table(None, rows))


def _section(title: str, note: str, inside: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n<p>{note}</p>\n{inside}\n</section>\n"


def _table(
    head: Sequence[str] | None,
    rows: Iterable[Sequence[str]],
    *,
    numbers: Iterable[int] = (),
    last_is_sum: bool = False,
) -> str:
    right = set(numbers)

    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f'<{tag} class="number">{cell}</{tag}>' if index in right else f"<{tag}>{cell}</{tag}>"
            for index, cell in enumerate(cells)
        )

    top = f"<thead><tr>{line(head, 'th')}</tr></thead>" if head else ""
    body = [f"<tr>{line(row, 'td')}</tr>" for row in rows]
    if last_is_sum:
        body[-1] = body[-1].replace("<tr>", '<tr class="sum">', 1)
    return f'<div class="scroll"><table>{top}<tbody>{"".join(body)}</tbody></table></div>'


def _picture(svg: str, alternative: str) -> str:
    # As an image: each SVG keeps its identifiers to itself.
    data = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{escape(alternative)}" src="data:image/svg+xml;base64,{data}">'


def _ms(value: float) -> str:
    return f"{value:.2f}" if value else "0"
