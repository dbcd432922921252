"""The folder of a fit: its recipe, log, finished networks, and what it takes to go on after a stop.

    recipe.json            the recipe and a fingerprint of the data; a resumed fit must have the same
    log.jsonl              one line an epoch
    networks/NAME.safetensors   finished networks
    resume.pt              the network in progress, after its last whole epoch

Every file is written beside its place and moved there, so that a stop at any moment leaves a whole one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from rtstrf.errors import ConfigError, DataError
from rtstrf.fit.config import FitConfig, differences

RECIPE_NAME = "recipe.json"
LOG_NAME = "log.jsonl"
RESUME_NAME = "resume.pt"


class RunFolder:
    """A fit's folder, opened to go on with a fit or to begin one.

    Parameters
    ----------
    path : path-like
    config : FitConfig
    data_sha256 : str
    teachers_sha256 : list of str
        Of the weights of the teachers that were fitted before.
    resume : bool
        Go on where there is a fit of the same recipe and begin where there is none; if false, begin in any case and
        replace what an earlier fit has kept here.

    Raises
    ------
    ConfigError
        If the fit that is to go on has another recipe, each difference is named, or other teachers.
    DataError
        If the fit that is to go on was begun with other recordings.
    """

    def __init__(
        self, path: str | Path, config: FitConfig, data_sha256: str, teachers_sha256: list[str], *, resume: bool
    ) -> None:
        self.path = Path(path)
        recipe = self.path / RECIPE_NAME
        if recipe.is_file() and resume:
            self._check_same(recipe, config, data_sha256, teachers_sha256)
        try:
            if not resume:
                self._clear()
            (self.path / "networks").mkdir(parents=True, exist_ok=True)
            if not recipe.is_file():
                facts = {
                    "recipe": config.model_dump(mode="json"),
                    "data_sha256": data_sha256,
                    "teachers_sha256": teachers_sha256,
                }
                text = json.dumps(facts, indent=1)
                write(recipe, lambda target: target.write_text(text + "\n", encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"{self.path} cannot be written: {error}", remedy="choose a folder you may write to"
            ) from error

    def log(self) -> list[dict[str, Any]]:
        """Return the log's lines."""
        path = self.path / LOG_NAME
        if not path.is_file():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]

    def keep_log(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the lines that are not wanted: those of epochs that a stop has lost and that will be run again."""
        lines = "".join(json.dumps(line) + "\n" for line in self.log() if wanted(line))
        write(self.path / LOG_NAME, lambda target: target.write_text(lines, encoding="utf-8"))

    def add_to_log(self, line: dict[str, Any]) -> None:
        """Append a line."""
        with (self.path / LOG_NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def save_state(self, state: dict[str, Any]) -> None:
        """Keep what it takes to go on."""
        write(self.path / RESUME_NAME, lambda target: torch.save(state, target))

    def load_state(self, network: int) -> dict[str, Any] | None:
        """Return the state of the network in progress, None if there is none of that network."""
        path = self.path / RESUME_NAME
        if not path.is_file():
            return None
        try:
            state = torch.load(path, weights_only=True)
        except Exception as error:  # torch raises what its unpickler stumbles over
            raise DataError(
                f"{path} is damaged: {type(error).__name__}", remedy="delete it: this network then begins anew"
            ) from error
        return state if state["network"] == network else None

    def save_network(self, name: str, weights: dict[str, Tensor]) -> None:
        """Keep a finished network; what it took to go on with it is not needed any more."""
        data = safetensors.torch.save({key: value.contiguous() for key, value in weights.items()})
        write(self._network(name), lambda target: target.write_bytes(data))
        (self.path / RESUME_NAME).unlink(missing_ok=True)

    def load_network(self, name: str) -> dict[str, Tensor] | None:
        """Return the weights of a finished network, None if it is not finished."""
        path = self._network(name)
        return safetensors.torch.load(path.read_bytes()) if path.is_file() else None

    def _network(self, name: str) -> Path:
        return self.path / "networks" / f"{name.replace(' ', '-')}.safetensors"

    def _clear(self) -> None:
        """Remove what an earlier fit has kept, and nothing else."""
        kept = [self.path / name for name in (RECIPE_NAME, LOG_NAME, RESUME_NAME)]
        for path in [*kept, *(self.path / "networks").glob("*.safetensors")]:
            path.unlink(missing_ok=True)

    def _check_same(self, recipe: Path, config: FitConfig, data_sha256: str, teachers_sha256: list[str]) -> None:
        try:
            facts = json.loads(recipe.read_text(encoding="utf-8"))
            begun = FitConfig.model_validate(facts["recipe"])
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{recipe} cannot be read: {error}", remedy="choose another folder") from error
        changed = differences(begun, config)
        if changed:
            shown = "".join(f"\n  {line}" for line in changed)
            raise ConfigError(
                f"the fit in {self.path} was begun with another recipe:{shown}",
                remedy="give the recipe it was begun with, choose another --out, or begin anew with --restart",
            )
        if facts.get("teachers_sha256", []) != teachers_sha256:
            raise ConfigError(
                f"the fit in {self.path} was begun with other weights of a teacher that was fitted before",
                remedy="give the checkpoints it was begun with, choose another --out, or begin anew with --restart",
            )
        if facts.get("data_sha256") != data_sha256:
            raise DataError(
                f"the fit in {self.path} was begun with other recordings",
                remedy="give the data directory it was begun with, choose another --out, or begin anew with --restart",
            )


def write(path: Path, write_to: Callable[[Path], object]) -> None:
    """Write a file beside its place and move it there."""
    beside = path.with_name(f".{path.name}.part")
    try:
        write_to(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
