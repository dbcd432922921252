"""Units of a population from a CSV file: one line each, in the order of the model's outputs."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from rtstrf.checkpoints.sidecar import Unit
from rtstrf.errors import ConfigError

FACTS = ("depth_um", "best_frequency_hz", "cc_norm")
COLUMNS = ("id", *FACTS)
SHOWN = 6


def read_units(path: str | Path, expected: int) -> tuple[Unit, ...]:
    """Read the units of a model.

    Parameters
    ----------
    path : str or Path
        A CSV file, UTF-8, whose first line names the columns: ``id``, and where known ``depth_um``,
        ``best_frequency_hz`` and ``cc_norm``; an empty cell is a fact that is not known.
    expected : int
        Units N of the model.

    Returns
    -------
    units : tuple of Unit

    Raises
    ------
    ConfigError
        If the file cannot be read, or a column or a value cannot be used; the message lists all of them with their
        lines.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "units.csv"
    ...     _ = path.write_text("id,depth_um\\nm1-u3,350\\nm1-u7,\\n")
    ...     read_units(path, 2)[0]
    Unit(id='m1-u3', depth_um=350.0, best_frequency_hz=None, cc_norm=None)
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:  # spreadsheets begin with a byte order mark
            lines = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"the units in {path} cannot be read: {error}", remedy="give a CSV file in UTF-8") from error
    columns = [name.strip() for name in lines[0]] if lines else []
    unknown = [name for name in columns if name not in COLUMNS]
    if "id" not in columns or unknown or len(set(columns)) != len(columns):
        raise ConfigError(
            f"the first line of {path} names the columns {', '.join(map(repr, columns)) or 'not at all'}",
            remedy=f"name id, and where known {', '.join(FACTS)}, once each, separated by commas",
        )
    units, problems = [], []
    seen: dict[str, int] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            problems.append(f"line {number} has {len(cells)} cells for {len(columns)} columns")
            continue
        row = {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
        name = row.pop("id")
        if not name:
            problems.append(f"line {number} has no id")
        elif name in seen:
            problems.append(f"line {number} has the id {name!r} of line {seen[name]}")
        seen.setdefault(name, number)
        values = {}
        for fact, cell in row.items():
            values[fact] = _number(cell)
            if cell and not _possible(fact, values[fact]):
                problems.append(f"line {number}: {fact} {cell!r}")
        units.append(Unit(name, **values))
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ConfigError(
            f"the units in {path} cannot be used: {'; '.join(problems[:SHOWN])}{more}",
            remedy="give each unit an id of its own, and numbers or empty cells for the rest",
        )
    if len(units) != expected:
        raise ConfigError(
            f"{path} lists {len(units)} units, the model has {expected}",
            remedy="list each unit once, in the order of the model's outputs",
        )
    return tuple(units)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _possible(fact: str, value: float | None) -> bool:
    return value is not None and math.isfinite(value) and (fact != "best_frequency_hz" or value > 0)
