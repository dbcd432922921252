"""`rtstrf doctor`: what this machine has and lacks for a simulation."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

HELP = "Say what this machine has and lacks: libraries, sound input, screen, GPU, ports, and what to do about each."
EXAMPLE = """\
  rtstrf doctor
  rtstrf doctor --json"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    found: str
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as data")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    findings = examine()
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
        return 0
    console = Console(highlight=False)
    table = Table("", "what", "found")
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[yellow]--[/]"
        table.add_row(mark, finding.what, escape(finding.found))  # a device's name may hold brackets
    console.print(table)
    for finding in findings:
        if not finding.ok:  # below the table, in one piece, to be copied
            console.print(f"{finding.what}: {finding.remedy}", markup=False, soft_wrap=True)
    return 0


def examine() -> list[Finding]:
    """Look at everything; what is missing is no error, since much can be done without it."""
    looks: list[Callable[[], Finding]] = [
        _python, _core, _backend, _sound_files, _microphone, _wire, _window, _screen, _report, _hub, _gpu, _real_time,
        _ports,
        _model,
    ]  # fmt: skip
    return [look() for look in looks]


def _python() -> Finding:
    cores = os.cpu_count()
    return Finding("machine", True, f"Python {platform.python_version()}, {platform.platform()}, {cores} cores")


def _core() -> Finding:
    import torch

    return Finding("models", True, f"torch {torch.__version__}, {torch.get_num_threads()} threads")


def _backend() -> Finding:
    """Say how the model of a session without options would be run, and what would be faster."""
    import torch

    from rtstrf.backends.compiled import compiler
    from rtstrf.checkpoints.load import load_model
    from rtstrf.config.live import LiveConfig
    from rtstrf.pipeline import Pipeline

    if torch.cuda.is_available():
        return Finding("backend", True, "cuda-graph with device cuda; on the CPU traced, or compiled by rtstrf compile")
    model = str(LiveConfig.model_fields["model"].default)
    backend = Pipeline(load_model(model), show_onoff=True, backend="auto").runner.backend
    if backend == "compiled":
        return Finding("backend", True, f"compiled: the step of {model} is native code")
    found, remedy = f"{backend}: {model} is not compiled for this processor", f"rtstrf compile {model}"
    if compiler() is None:
        remedy = f"install a C++ compiler (Debian: sudo apt install g++), then {remedy}"
    return Finding("backend", False, found, f"not needed, but a hop then costs a third: {remedy}")


def _sound_files() -> Finding:
    return _library("sound files", "soundfile", "sound")


def _microphone() -> Finding:
    from rtstrf.errors import UserError
    from rtstrf.sound.devices import list_devices

    try:
        devices = list_devices()
    except UserError as error:
        return Finding("microphone", False, error.what, error.remedy or "")
    return Finding("microphone", True, f"{len(devices)} input devices: " + ", ".join(d.name for d in devices[:3]))


def _wire() -> Finding:
    return _library("network", "zmq", "wire", distribution="pyzmq")


def _window() -> Finding:
    from rtstrf.display.qt import LIBRARIES_HINT

    # In a process of its own: a Qt that does not load can take the process with it.
    code = "import PyQt6.QtWidgets, pyqtgraph; from PyQt6.QtCore import QT_VERSION_STR as v; print('Qt', v)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Finding("display", True, f"{done.stdout.strip()}, pyqtgraph {importlib.metadata.version('pyqtgraph')}")
    why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return Finding("display", False, why, 'pip install "rtstrf[display]"; ' + LIBRARIES_HINT)


def _screen() -> Finding:
    from rtstrf.display.qt import screen_problem

    problem = screen_problem()
    if problem is None:
        return Finding("screen", True, os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or sys.platform)
    return Finding("screen", False, problem, "rtstrf view --terminal shows the population without one")


def _report() -> Finding:
    return _library("plots", "matplotlib", "report")


def _hub() -> Finding:
    return _library("models by OWNER/NAME", "huggingface_hub", "hub")


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("GPU", True, torch.cuda.get_device_name())
    return Finding(
        "GPU", False, "none that torch can use", "not needed: one stream runs far faster than real time on a CPU"
    )


def _real_time() -> Finding:
    from rtstrf.engine.realtime import LIMITS_HINT, granted

    told = granted(priority=1)
    zero = "numbers below the smallest normal one are zero" if told.flush_to_zero else "no flush to zero here"
    if told.refused:
        return Finding("real time", False, f"{'; '.join(told.refused)}; {zero}", f"not needed; {LIMITS_HINT}")
    return Finding("real time", True, f"engine.priority is permitted; {zero}")


def _ports() -> Finding:
    from rtstrf.cli.demo import DEFAULT_PORTS, is_free

    taken = [str(port) for port in DEFAULT_PORTS if not is_free(port)]
    if taken:
        remedy = (
            "another stream may be running; choose others with --set wire.data=tcp://127.0.0.1:6590 and wire.control"
        )
        return Finding("ports", False, f"in use: {', '.join(taken)}", remedy)
    return Finding("ports", True, f"{DEFAULT_PORTS[0]} and {DEFAULT_PORTS[1]} are free")


def _model() -> Finding:
    from rtstrf.checkpoints.load import bundled_models

    return Finding("models that ship", True, ", ".join(bundled_models()))


def _library(what: str, module: str, extra: str, distribution: str | None = None) -> Finding:
    from rtstrf.errors import MissingExtraError
    from rtstrf.extras import require

    try:
        require(module, extra)
    except MissingExtraError as error:
        return Finding(what, False, error.what, error.remedy or "")
    return Finding(what, True, f"{module} {importlib.metadata.version(distribution or module)}")
