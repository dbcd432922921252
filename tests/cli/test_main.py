"""The command line as a whole: help, exit codes, and what it does not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rtstrf.cli.main import COMMANDS, main, make_parser, module_of
from rtstrf.version import __version__
from tests.support.live import noise
from tests.support.sounds import write_sound


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    told = capsys.readouterr().out
    assert caught.value.code == 0
    assert "example:" in told
    assert f"rtstrf {command}" in told.split("example:")[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_in_the_help_are_understood(command: str) -> None:
    import importlib
    import shlex

    examples = importlib.import_module(module_of(command)).EXAMPLE.splitlines()
    assert examples
    for line in examples:
        words = shlex.split(line.split(" > ")[0].split("|")[-1])
        assert words[0] == "rtstrf"
        assert make_parser().parse_args(words[1:]).command == command


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"rtstrf {__version__}\n"


def test_an_unknown_command_is_the_user_s_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["dance"])
    assert caught.value.code == 2
    assert "demo" in capsys.readouterr().err


def test_importing_the_package_loads_neither_qt_nor_sound_nor_network_nor_torch() -> None:
    loaded = python("import rtstrf, sys; print(*sys.modules)").stdout.split()
    assert not {"torch", "numpy", "zmq", "sounddevice", "soundfile", "PyQt6", "pyqtgraph"} & set(loaded)


def test_the_core_loads_neither_qt_nor_sound_nor_network() -> None:
    code = "import rtstrf, sys; [getattr(rtstrf, n) for n in rtstrf.__all__ if n != 'Client']; print(*sys.modules)"
    loaded = set(python(code).stdout.split())
    assert "torch" in loaded
    assert not {"zmq", "sounddevice", "soundfile", "PyQt6", "pyqtgraph", "pydantic", "yaml", "rich"} & loaded


def test_the_client_loads_no_torch() -> None:
    loaded = set(python("import rtstrf, sys; rtstrf.Client; print(*sys.modules)").stdout.split())
    assert "zmq" in loaded
    assert "torch" not in loaded


def test_the_parser_of_all_commands_loads_no_heavy_library() -> None:
    code = "from rtstrf.cli.main import make_parser; import sys; make_parser(); print(*sys.modules)"
    assert not {"torch", "numpy", "zmq", "rich", "PyQt6"} & set(python(code).stdout.split())


@pytest.mark.parametrize("module", ["zmq", "soundfile", "pyqtgraph", "matplotlib"])
def test_a_missing_library_is_one_message_that_names_the_extra(module: str, tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "n.wav", noise(4800), 48000)
    words = {
        "zmq": ["listen"],
        "soundfile": ["replay", str(sound)],
        "pyqtgraph": ["view"],
        "matplotlib": ["replay", str(sound), "--report", str(tmp_path / "report")],
    }[module]
    code = f"import sys\nsys.modules[{module!r}] = None\nfrom rtstrf.cli.main import main\nsys.exit(main({words!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
    assert "pip install" in done.stderr
    assert "Traceback" not in done.stderr
