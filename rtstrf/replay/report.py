"""A replay written down: `report.json` for programs, `report.html` for people."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.errors import ConfigError
from rtstrf.machine import machine_facts
from rtstrf.replay.figures import figures, verdict
from rtstrf.replay.play import Replayed

FORMAT = "rtstrf-replay-report/1"
JSON_NAME = "report.json"
HTML_NAME = "report.html"


def report(replays: Sequence[Replayed], loaded: LoadedModel) -> dict[str, Any]:
    """Return all that was measured and on what, JSON-serialisable, units in the names of the keys.

    Parameters
    ----------
    replays : sequence of Replayed
        At least one; all of one model, pace and device.
    loaded : LoadedModel

    Returns
    -------
    report : dict
        ``format``, ``created_utc``, ``verdict``, ``model``, ``machine``, ``total`` (figures of all sounds together, see
        `rtstrf.replay.figures.figures`) and ``sounds`` (each with its own figures, delays and SHA-256 of its rates).
    """
    keeps_up, sentence = verdict(replays)
    sidecar = loaded.sidecar
    return {
        "format": FORMAT,
        "created_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "verdict": {"keeps_up": keeps_up, "sentence": sentence},
        "model": {
            "name": sidecar.name,
            "weights_sha256": loaded.weights_sha256,
            "units": len(sidecar.units),
            "sample_rate_hz": sidecar.sample_rate_hz,
            "hop_samples": sidecar.hop_samples,
            "bin_ms": 1e3 * sidecar.hop_samples / sidecar.sample_rate_hz,
        },
        "machine": {**machine_facts(replays[0].device), "backend": replays[0].backend},
        "pace": replays[0].pace,
        "total": figures(replays),
        "sounds": [sound_report(replayed) for replayed in replays],
    }


def sound_report(replayed: Replayed) -> dict[str, Any]:
    """Return what the report says of one sound."""
    source = replayed.source
    return {
        "name": source.name,
        "path": source.details.get("path"),
        "source_rate_hz": source.rate_hz,
        "source_samples": replayed.source_samples,
        "channels": source.channels,
        "full_scale_db_spl": source.full_scale_db_spl,
        "block_samples": replayed.block,
        "block_wait_max_ms": replayed.block_wait_ms,
        "tail_without_bin_ms": 1e3 * replayed.tail_s,
        "rates_sha256": replayed.rates_sha256,
        "delays": [dataclasses.asdict(delay) for delay in replayed.delays],
        "figures": figures([replayed]),
    }


def report_files(folder: Path) -> list[Path]:
    """Return the files that a report in `folder` is made of."""
    return [folder / JSON_NAME, folder / HTML_NAME]


def render_files(replays: Sequence[Replayed], loaded: LoadedModel) -> dict[str, str]:
    """Return the text of each file of a report, by name."""
    from rtstrf.replay.page import page

    facts = report(replays, loaded)
    return {
        JSON_NAME: json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        HTML_NAME: page(facts, replays, loaded),
    }


def make_folder(folder: Path) -> bool:
    """Create the folder of a report if it is not there, and tell whether it was created.

    Raises
    ------
    ConfigError
        If it is a file, or cannot be created.
    """
    try:
        folder.mkdir()
    except FileExistsError as error:
        if folder.is_dir():
            return False
        raise ConfigError(f"cannot write a report to {folder}: it is a file", remedy="name a folder") from error
    except OSError as error:
        raise ConfigError(
            f"cannot create the folder {folder}: {error.strerror}", remedy="create it, or choose another"
        ) from error
    return True
