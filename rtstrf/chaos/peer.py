"""A process that is asked by lines of JSON on its standard input, and answers by lines on its standard output."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from rtstrf.errors import RtstrfError

ANSWERS_WITHIN_S = 60.0


class PeerError(RtstrfError):
    """A process of the chaos session that has ended or does not answer."""


class Peer:
    """Run a module of rtstrf; a context manager that ends it.

    Parameters
    ----------
    module : str
    *arguments : str
    log : Path
        Takes its standard error.

    Attributes
    ----------
    ready : dict
        The first thing it said.

    Raises
    ------
    PeerError
        If it ends or does not answer; with the end of what it wrote.
    """

    def __init__(self, module: str, *arguments: str, log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.ready = self._answer()
        except BaseException:
            self.kill()
            raise

    def ask(self, *values: Any) -> dict[str, Any]:
        """Ask, and return the answer."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(values) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise PeerError(f"a process has ended: {self._last_words()}") from error
        return self._answer()

    def stop(self) -> None:
        """Suspend it, as a program that hangs."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.process.kill()
        self._close()

    def end(self) -> int:
        """Let it end by itself, and return its exit code."""
        assert self.process.stdin is not None
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(ANSWERS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._close()
        return self.process.returncode

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self.end()
        else:
            self.kill()

    def _close(self) -> None:
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what it was not told any more
                    pipe.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _answer(self) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=ANSWERS_WITHIN_S)
        except queue.Empty:
            raise PeerError(f"a process has not answered for {ANSWERS_WITHIN_S:g} s: {self._last_words()}") from None
        if not line:
            raise PeerError(f"a process has ended: {self._last_words()}")
        return json.loads(line)

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:].strip() or "it said nothing"
