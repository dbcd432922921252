"""Fetching the release of NS1 from the Open Science Framework (project ayw2p), with progress and checksums.

Nothing appears under its final name before it is whole and checked. The OSF states size and SHA-256 of each file in its
API; where that cannot be asked, the archive's own CRC-32 sums and the structure of the data remain as checks, and the
user is told so.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from rtstrf.errors import DataError
from rtstrf.fit.ns1 import METADATA_NAME, SPIKES_NAME

PROJECT_PAGE = "https://osf.io/ayw2p/"
ARCHIVE_NAME = f"{SPIKES_NAME}.zip"
OSF_IDS = {METADATA_NAME: "gdwyd", ARCHIVE_NAME: "5nxga"}
APPROXIMATE_MB = 155
CHUNK_BYTES = 1 << 18
TIMEOUT_S = 30.0
BY_HAND = (
    f"check the connection and try again, or download {METADATA_NAME} and {ARCHIVE_NAME} from {PROJECT_PAGE} by hand"
)


@dataclass(frozen=True, slots=True)
class Server:
    """Where the files and what is known of them are; ``{id}`` stands for a file's identifier.

    Attributes
    ----------
    file_url, facts_url : str
    """

    file_url: str = "https://osf.io/download/{id}/"
    facts_url: str = "https://api.osf.io/v2/files/{id}/"


def is_complete(root: Path) -> bool:
    """Tell whether the release, or a copy of it, seems to be in a folder."""
    return (root / METADATA_NAME).is_file() and (root / SPIKES_NAME).is_dir()


def download_ns1(root: str | Path, *, server: Server | None = None, console: Console | None = None) -> None:
    """Fetch what of the release is not yet in a folder.

    Parameters
    ----------
    root : path-like
        Made where it does not exist.
    server : Server, optional
        The OSF by default.
    console : Console, optional
        Where the progress bar is drawn.

    Raises
    ------
    DataError
        If the connection fails, a checksum does not match, or the archive is damaged; the folder is as it was.
    """
    root, server, console = Path(root), server or Server(), console or Console()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as scratch:
            if not (root / METADATA_NAME).is_file():
                _fetch(METADATA_NAME, Path(scratch) / METADATA_NAME, server, console)
                os.replace(Path(scratch) / METADATA_NAME, root / METADATA_NAME)
            if not (root / SPIKES_NAME).is_dir():
                archive = Path(scratch) / ARCHIVE_NAME
                _fetch(ARCHIVE_NAME, archive, server, console)
                os.replace(_unpack(archive, Path(scratch) / "unpacked"), root / SPIKES_NAME)
    except OSError as error:
        raise DataError(
            f"the release cannot be stored in {root}: {error}", remedy="choose a folder with room"
        ) from error


def _fetch(name: str, target: Path, server: Server, console: Console) -> None:
    """Download one file and check it."""
    identifier = OSF_IDS[name]
    url = server.file_url.format(id=identifier)
    stated = _facts(server.facts_url.format(id=identifier))
    digest = hashlib.sha256()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with (
            urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply,
            target.open("wb") as file,
            Progress(*columns, console=console) as progress,
        ):
            length = reply.headers.get("Content-Length")
            bar = progress.add_task(name, total=int(length) if length else stated.get("size"))
            while chunk := reply.read(CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                progress.update(bar, advance=len(chunk))
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise DataError(f"{url} cannot be downloaded: {error}", remedy=BY_HAND) from error
    size = target.stat().st_size
    expected = stated.get("size") or (int(length) if length else None)
    if expected is not None and size != expected:
        raise DataError(f"{url} broke off: {size} bytes of {expected}", remedy=BY_HAND)
    sha256 = stated.get("sha256")
    if sha256 is None:
        console.print(f"{name}: the server states no SHA-256; ours is {digest.hexdigest()}")
    elif digest.hexdigest() != sha256:
        raise DataError(f"{url} arrived damaged: SHA-256 {digest.hexdigest()}, not {sha256}", remedy=BY_HAND)


def _facts(url: str) -> dict[str, Any]:
    """Return what the server states of a file, ``size`` and ``sha256``; nothing where it cannot be asked."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply:
            attributes = json.load(reply)["data"]["attributes"]
            return {"size": attributes["size"], "sha256": attributes["extra"]["hashes"]["sha256"]}
    except (OSError, ValueError, KeyError, TypeError):  # a check that is not to be had is no reason to fail
        return {}


def _unpack(archive: Path, target: Path) -> Path:
    """Unpack the archive; return the folder of spikes and sounds."""
    try:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(target)  # reads every byte, and so checks every CRC-32
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise DataError(f"{archive.name} is damaged or no zip archive: {error}", remedy=BY_HAND) from error
    folder = target / SPIKES_NAME
    if not folder.is_dir():
        found = ", ".join(sorted(entry.name for entry in target.iterdir())) or "nothing"
        shutil.rmtree(target)
        raise DataError(f"{archive.name} holds no folder {SPIKES_NAME}, but {found}", remedy=BY_HAND)
    return folder
