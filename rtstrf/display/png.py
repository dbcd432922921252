"""A widget as a PNG file, whole or not at all."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rtstrf.errors import UserError

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget


def write_png(widget: QWidget, path: str | os.PathLike[str] | None = None) -> Path:
    """Write what a widget shows.

    Parameters
    ----------
    widget : QWidget
    path : path, optional
        In the present folder with a time stamp where it is not given.

    Returns
    -------
    path : Path

    Raises
    ------
    UserError
        If it cannot be written; nothing half-written is left.
    """
    where = Path(path) if path is not None else Path(f"rtstrf-{datetime.now():%Y%m%d-%H%M%S}.png")
    part = where.with_name(f".{where.name}.part")
    try:
        if not widget.grab().save(str(part), "PNG"):
            raise OSError("the folder does not exist or is not writable")
        os.replace(part, where)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserError(f"the picture cannot be written to {where}: {error}", remedy="choose another path") from None
    return where
