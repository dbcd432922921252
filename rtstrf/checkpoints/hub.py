"""Checkpoints by their name on the Hugging Face Hub, as deepSTRF publishes them.

`huggingface_hub` fetches, shows progress and keeps a cache, under the settings that it documents (``HF_HOME``,
``HF_TOKEN``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``). Only the named files are fetched, all of one commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from rtstrf.errors import CheckpointError, MissingExtraError
from rtstrf.extras import require
from rtstrf.version import __version__

NAME = re.compile(r"(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A checkpoint in the cache.

    Attributes
    ----------
    folder : Path
    commit : str
        Of the repository, so that the same files can be had again as OWNER/NAME@COMMIT.
    """

    folder: Path
    commit: str


def is_hub_name(name: str | Path) -> bool:
    """Tell whether this may be OWNER/NAME or OWNER/NAME@REVISION.

    Examples
    --------
    >>> is_hub_name("urancon/deepSTRF-statenet-gru-ns1"), is_hub_name("./models/mine"), is_hub_name("mine")
    (True, False, False)
    """
    return NAME.fullmatch(str(name)) is not None


def bare_name(name: str) -> str:
    """Return the NAME of OWNER/NAME@REVISION.

    Examples
    --------
    >>> bare_name("urancon/deepSTRF-statenet-gru-ns1@main")
    'deepSTRF-statenet-gru-ns1'
    """
    return name.partition("@")[0].partition("/")[2]


def fetch(name: str, needed: Iterable[str], optional: Iterable[str] = ()) -> Fetched:
    """Fetch files of a repository, or take them from the cache.

    Parameters
    ----------
    name : str
        OWNER/NAME, or OWNER/NAME@REVISION with a branch, tag or commit.
    needed, optional : iterable of str
        Names of files; of the optional ones those that there are.

    Returns
    -------
    fetched : Fetched

    Raises
    ------
    CheckpointError
        If there is no such repository or revision, it lacks a file, or it cannot be reached and is not in the cache.
    MissingExtraError
        If huggingface_hub is not installed.
    """
    found = NAME.fullmatch(name)
    if found is None:
        raise CheckpointError(f"{name!r} is no name on the Hugging Face Hub", remedy="give OWNER/NAME")
    repository, revision = found["repository"], found["revision"]
    try:
        hub, errors = require("huggingface_hub", "hub"), require("huggingface_hub.errors", "hub")
    except MissingExtraError as error:
        raise MissingExtraError(
            f"there is no folder {name}, and to look for it on the Hugging Face Hub {error.what}", remedy=error.remedy
        ) from error
    folder: Path | None = None
    for file in needed:
        path = _file(hub, errors, name, repository, file, revision)
        folder, revision = path.parent, path.parent.name  # the cache has a folder for each commit
    if folder is None or revision is None:
        raise ValueError("no file is needed")
    for file in optional:
        _file_if_any(hub, errors, name, repository, file, revision)
    return Fetched(folder, revision)


def _file_if_any(hub: ModuleType, errors: ModuleType, name: str, repository: str, file: str, revision: str) -> None:
    try:
        _file(hub, errors, name, repository, file, revision)
    except CheckpointError as error:
        absent = isinstance(error.__cause__, errors.EntryNotFoundError)
        if not absent or isinstance(error.__cause__, errors.LocalEntryNotFoundError):  # the latter: out of reach
            raise


def _file(hub: ModuleType, errors: ModuleType, name: str, repository: str, file: str, revision: str | None) -> Path:
    try:
        path = hub.hf_hub_download(
            repository, file, revision=revision, library_name="rtstrf", library_version=__version__
        )
    except errors.GatedRepoError as error:
        raise CheckpointError(
            f"{name} on the Hugging Face Hub is for those who accept its terms",
            remedy="accept them on its page, then log in with: hf auth login",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise CheckpointError(
            f"no model {name!r}: neither a folder nor on the Hugging Face Hub",
            remedy="check the name; if it is private, log in with: hf auth login",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CheckpointError(
            f"{repository} on the Hugging Face Hub has no revision {revision!r}",
            remedy="give a branch, tag or commit of it",
        ) from error
    except errors.LocalEntryNotFoundError as error:  # before its base class: the file may well exist
        raise CheckpointError(
            f"there is no folder {name}, and its {file} can neither be fetched from the Hugging Face Hub nor is it in "
            f"the cache: {_first_line(error.__cause__ or error)}",
            remedy="check the connection (and HF_HUB_OFFLINE), or give the folder of a checkpoint",
        ) from error
    except errors.EntryNotFoundError as error:
        raise CheckpointError(
            f"{name} on the Hugging Face Hub has no {file}",
            remedy="give a repository that deepSTRF's push_to_hub or rtstrf wrote (config.json, model.safetensors)",
        ) from error
    except (errors.HTTPError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{file} of {name} cannot be fetched from the Hugging Face Hub: {_first_line(error)}",
            remedy="try again; HF_HOME names the folder of the cache",
        ) from error
    return Path(path)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
