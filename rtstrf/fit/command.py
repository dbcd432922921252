"""What `rtstrf fit` does: read the recipe, see to the recordings, fit."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.prompt import Confirm

from rtstrf.fit.config import read_config
from rtstrf.fit.download import APPROXIMATE_MB, PROJECT_PAGE, download_ns1, is_complete
from rtstrf.fit.train import fit


def run_fit(
    config_path: str | Path,
    data_dir: str | Path,
    out_dir: str | Path | None = None,
    download: bool = False,
    resume: bool = True,
    overrides: list[str] | None = None,
    *,
    console: Console | None = None,
) -> int:
    """Fit the model of a recipe; the recordings of NS1 are fetched first where they are not there and may be.

    Parameters
    ----------
    config_path : path-like
        The recipe, a YAML file.
    data_dir : path-like
        Where the recordings are, or are to be stored.
    out_dir : path-like, optional
        Where the run and its checkpoint are kept; by default ``runs/<name of the model>``.
    download : bool
        Fetch what is missing of the release without asking. Without it a person at a terminal is asked.
    resume : bool
        Go on with a run that was stopped; otherwise begin anew, and replace it.
    overrides : list of str, optional
        ``key.key=value`` for keys of the recipe.
    console : Console, optional

    Returns
    -------
    exit_code : int
        0; everything else is an exception.

    Raises
    ------
    UserError
        For everything the user can put right; the message says how.
    KeyboardInterrupt
        On Ctrl-C, after saying how to go on.
    """
    console = console or Console()
    config = read_config(config_path, overrides)
    incomplete = config.data.layout == "ns1" and not is_complete(Path(data_dir))
    if incomplete and (download or _may_download(data_dir, console)):
        download_ns1(data_dir, console=console)
    out_dir = Path("runs") / config.name if out_dir is None else Path(out_dir)
    try:
        fit(config, data_dir, out_dir, resume=resume, console=console)
    except KeyboardInterrupt:
        console.print(f"\nstopped; the same command goes on after the last whole epoch, which is kept in {out_dir}")
        raise
    return 0


def _may_download(data_dir: str | Path, console: Console) -> bool:
    """Ask a person at a terminal; anything else is a no."""
    if not (sys.stdin.isatty() and console.is_terminal):
        return False
    console.print(f"{data_dir} holds no NS1 recordings.")
    question = f"Download the release from {PROJECT_PAGE} (about {APPROXIMATE_MB} MB)?"
    return Confirm.ask(question, console=console, default=False)
