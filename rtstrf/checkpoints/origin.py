"""Where a checkpoint to import is: a folder, or a repository of the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rtstrf.checkpoints import hub
from rtstrf.checkpoints.load import CONFIG_NAME, WEIGHTS_NAME


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a checkpoint is.

    Attributes
    ----------
    folder : Path
    name : str
        What its model is called unless the user calls it otherwise.
    words : str
        What its provenance says: the name of the folder, or OWNER/NAME@COMMIT.
    """

    folder: Path
    name: str
    words: str

    @classmethod
    def find(cls, name_or_folder: str | Path) -> Origin:
        """Find a folder, or fetch what is no folder here and may be OWNER/NAME on the Hugging Face Hub."""
        folder = Path(name_or_folder).expanduser()
        if folder.exists() or not hub.is_hub_name(name_or_folder):
            name = folder.resolve().name
            return cls(folder, name, name)
        name = str(name_or_folder)
        fetched = hub.fetch(name, [CONFIG_NAME, WEIGHTS_NAME])
        return cls(fetched.folder, hub.bare_name(name), f"{name.partition('@')[0]}@{fetched.commit}")
