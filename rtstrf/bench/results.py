"""What a benchmark leaves: JSON for programs, one file a machine, and a table for people."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstrf.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

# Figures of two machines in one file would be compared as if they were of one.
SAME_MACHINE = ("cpu_model", "architecture", "cores_usable", "device_name")

VALUE_WIDTH, MIN_WIDTH, FILE_WIDTH = 26, 80, 200  # the longest name of a model fits into a column


def merge(path: Path, bench: str, result: dict[str, Any]) -> None:
    """Put the result of a subcommand into the file of a machine, in place of an earlier one, whole or not at all.

    Parameters
    ----------
    path : Path
        A folder takes a file named after the machine. Made where it is missing; holds
        ``{subcommand: {"machine": ..., "rows": ...}}``.
    bench : str
        The subcommand.
    result : dict

    Raises
    ------
    ConfigError
        If the file holds something else, or figures of another machine.
    """
    path = path / f"{machine_slug(result['machine'])}.json" if path.is_dir() else path
    try:
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        machines = [part["machine"] for part in kept.values()]
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ConfigError(f"{path} holds no results of rtstrf bench", remedy="give another --out FILE") from error
    for machine in machines:
        other = [key for key in SAME_MACHINE if machine.get(key) != result["machine"].get(key)]
        if other:
            was, now = machine.get(other[0]), result["machine"].get(other[0])
            raise ConfigError(
                f"{path} holds results of another machine: {other[0]} was {was}, and is {now} here",
                remedy="give each machine an --out FILE of its own",
            )
    kept[bench] = result
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".json.new")
    beside.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, path)


def machine_slug(machine: dict[str, Any]) -> str:
    """Return a name for a machine that a file can have.

    Examples
    --------
    >>> machine_slug({"cpu_model": "AMD EPYC (tm) 9", "cores_usable": 2, "device": "cpu", "device_name": "AMD EPYC"})
    'amd-epyc-tm-9-2-cores'
    """
    parts = [machine["cpu_model"], f"{machine['cores_usable']} cores"]
    if machine["device"] != "cpu":
        parts.append(machine["device_name"])
    return re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower()).strip("-")


def print_rows(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """Print all that the rows hold: a column for each row, a line for each figure; what all share comes last, once."""
    from rich.table import Table
    from rich.text import Text

    names = list(dict.fromkeys(key for row in rows for key in row))
    same = [key for key in names if len(rows) > 1 and len({json.dumps(row.get(key)) for row in rows}) == 1]
    if not console.is_terminal:
        console.width = FILE_WIDTH
    width = max(len(key) for key in names) + 2
    at_once = max(1, (max(console.width, MIN_WIDTH) - width) // (VALUE_WIDTH + 2))
    for begin in range(0, len(rows), at_once):
        some = rows[begin : begin + at_once]
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        for _ in some:
            table.add_column(justify="right", width=VALUE_WIDTH, overflow="fold")
        for key in names:
            if key not in same and any(row.get(key) is not None for row in some):
                table.add_row(key, *(Text(figure(row.get(key))) for row in some))
        console.print(table)
        console.print()
    for key in same:
        console.print(Text.assemble((f"{key:{width}}", "dim"), figure(rows[0].get(key))), soft_wrap=True)


def figure(value: Any) -> str:
    """Return a value as a table has it.

    Examples
    --------
    >>> figure(3.2e-7), figure(1_000_000), figure(12.34), figure(None)
    ('3.2e-07', '1,000,000', '12.34', '-')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.1e}" if value and abs(value) < 1e-2 else f"{value:,.2f}"
    return str(value)
