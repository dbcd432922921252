"""The packages of the folder plugins, installed by pip into a folder of the test, and sessions that use them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rtstrf.wire.client import Client

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """Return what installs one of our plugins; it returns the environment in which the plugin is installed."""

    def install_one(package: str) -> dict[str, str]:
        target = tmp_path_factory.mktemp("site")
        source = tmp_path_factory.mktemp("source") / package
        # A copy, since setuptools builds in the folder of the source.
        source.mkdir()
        for file in (ROOT / "plugins" / package).iterdir():
            if file.is_file():
                (source / file.name).write_bytes(file.read_bytes())
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        done = subprocess.run(
            [*pip, "--disable-pip-version-check", "--target", str(target), str(source)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return {**os.environ, "PYTHONPATH": os.pathsep.join([str(target), str(ROOT)]), "OMP_NUM_THREADS": "1"}

    return install_one


@contextmanager
def running(environment: dict[str, str], *keys: str) -> Iterator[Client]:
    """Run `rtstrf live`, armed, in a process of its own with a plugin installed, and connect a client to it."""
    command = [sys.executable, "-m", "rtstrf", "live", "--set", "engine.autostart=false"]
    for key in ("wire.data=tcp://127.0.0.1:0", "wire.control=tcp://127.0.0.1:0", "engine.overload.rungs=[]", *keys):
        command += ["--set", key]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        told = ""
        while "rates on" not in told:
            told = process.stderr.readline()
            assert told, "the session has ended before it began"
        data, control = (part.split()[-1] for part in told.split(", control on ")[0:2])
        control = told.split(", control on ")[1].split(";")[0]
        with Client(data, control, lag_s=1e6) as client:
            client.wait_hello(30)
            yield client
    finally:
        process.terminate()
        process.communicate(timeout=30)
