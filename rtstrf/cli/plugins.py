"""`rtstrf plugins`: what other installed packages add, and whether it can be used."""

from __future__ import annotations

import argparse
import dataclasses
import json

HELP = "List the sources, models, front-ends, sinks and actions that other installed packages add."
EXAMPLE = """\
  rtstrf plugins
  rtstrf plugins --json"""

NAMES = {
    "rtstrf.sources": "source",
    "rtstrf.models": "model",
    "rtstrf.front_ends": "front-end",
    "rtstrf.sinks": "sink",
    "rtstrf.actions": "action",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as data")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from rtstrf.errors import ConfigError
    from rtstrf.plugins import find_plugins, load_plugin

    rows = []
    for plugin in find_plugins():
        problem, options = None, None
        try:
            loaded = load_plugin(plugin.group, plugin.name)
            if plugin.group == "rtstrf.sinks":
                options = list(loaded.Options.model_fields)
        except ConfigError as error:
            problem = error.what
        rows.append({**dataclasses.asdict(plugin), "usable": problem is None, "problem": problem, "options": options})
    failed = [row for row in rows if not row["usable"]]
    if args.json:
        print(json.dumps(rows, indent=1))
        return 1 if failed else 0
    console = Console()
    if not rows:
        console.print("No plugins are installed; docs/plugins.md says how to write one.")
        return 0
    table = Table("kind", "name", "package", "usable", "options")
    for row in rows:
        table.add_row(
            NAMES[row["group"]],
            escape(row["name"]),
            escape(row["package"]),
            "yes" if row["usable"] else "[red]no[/]",
            ", ".join(row["options"] or ()),
        )
    console.print(table)
    for row in failed:
        console.print(f"{row['problem']}", style="red", markup=False, soft_wrap=True)
    return 1 if failed else 0
