"""Files that appear together, whole, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from rtstrf.errors import ConfigError

REMEDY = "choose a place that you may write to and that has room"


class StagedFiles:
    """Temporary files beside their targets, renamed to them when all that was to be done is done.

    They are created on entry, so that a place that cannot be written is found before an hour of work, not after it. On
    an error nothing is left.

    Parameters
    ----------
    targets : sequence of Path
        Files to write; the folder of each exists.

    Raises
    ------
    ConfigError
        On entry or exit, if a target cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder, "a.txt")
    ...     with StagedFiles([target]) as staged:
    ...         with staged.open(target) as file:
    ...             written = file.write(b"whole")
    ...         there_before = target.exists()
    ...     print(there_before, target.read_text())
    False whole
    """

    def __init__(self, targets: Sequence[Path]) -> None:
        self._staged = {target: target.with_name(f".{target.name}-{secrets.token_hex(4)}") for target in targets}

    def __enter__(self) -> StagedFiles:
        try:
            for target, temporary in self._staged.items():
                if target.is_dir():
                    raise ConfigError(f"cannot write {target}: it is a folder", remedy="choose another name")
                with writing(target):
                    temporary.open("xb").close()
        except BaseException:
            self._discard()
            raise
        return self

    @contextmanager
    def open(self, target: Path) -> Iterator[BinaryIO]:
        """Write what will become `target`."""
        with writing(target), self._staged[target].open("wb") as file:
            yield file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if kind is None:
                for target, temporary in self._staged.items():
                    with writing(target):
                        os.replace(temporary, target)
        finally:
            self._discard()

    def _discard(self) -> None:
        for temporary in self._staged.values():
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn the system's refusal to write a file into a message."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror or error}", remedy=REMEDY) from error
