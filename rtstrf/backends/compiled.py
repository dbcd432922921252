"""The step compiled for this processor: torch.export's graph, made into native code by AOTInductor.

Made once for each set of weights, number of lanes, torch and processor, in half a minute and by the C++ compiler of
the machine; kept in the user's cache; loaded in a fraction of a second from then on, with no compiler at all.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from rtstrf.backends.fingerprint import fingerprint
from rtstrf.backends.program import StepProgram
from rtstrf.errors import ConfigError
from rtstrf.machine import arithmetic_id
from rtstrf.stream import StreamModule
from rtstrf.verify.store import cache_dir

_log = logging.getLogger(__name__)

# Lanes that one compiled program runs together: as many as their state and products stay in a core's own cache.
LANE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
KEPT = 64  # compiled programs, some 2 MB each; the oldest give way
TOLERANCE = 1e-5  # of the peak: G1
CHECKED_STEPS = 64
# Frames of one long step: many where a step of many is as short a program as a step of few, few where a recurrence
# makes the program as long as its frames; both divide a second, at bins of 1, 2, 5 and 10 ms.
LONG_FRAMES = (100, 20)


def bucket_for(lanes: int) -> int:
    """Return how many lanes a program has that serves `lanes`, alone or side by side with its like.

    Examples
    --------
    >>> bucket_for(1), bucket_for(3), bucket_for(1500)
    (1, 4, 256)
    """
    return next((bucket for bucket in LANE_BUCKETS if bucket >= lanes), LANE_BUCKETS[-1])


# Takes the input and the leaves of the state, which it advances where they lie; returns the leaves of the output.
Step = Callable[[Tensor, list[Tensor]], Sequence[Tensor]]


def load_step(path: Path) -> Step:
    """Return the native code that `compile_step` kept, ready to be called."""
    # What torch._inductor.aoti_load_package wraps. The wrapper imports the compiler, which takes seconds, and
    # flattens nested arguments at every call, which costs as much as the arithmetic; ours are flat.
    run = torch._C._aoti.AOTIModelPackageLoader(str(path), "model", True, 1, -1).boxed_run
    return lambda x, state: run([x, *state])


def compiled_path(module: StreamModule, lanes: int, threads: int = 1, frames: int = 1) -> Path:
    """Return where the compiled step of a stage is kept, made or not."""
    parts = (fingerprint(module), str(lanes), str(threads), str(frames), arithmetic_id())
    name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
    return cache_dir() / "compiled" / f"{name}.pt2"


def cannot_compile(module: StreamModule) -> str | None:
    """Return why a stage cannot be compiled here, or None."""
    tensors = [*module.parameters(), *module.buffers()]
    if any(t.is_floating_point() and t.dtype != torch.float32 for t in tensors):
        return "only float32 is compiled; float64 is for reference"
    if any(t.device.type != "cpu" for t in tensors):
        return "only the CPU's step is compiled; on a GPU use cuda-graph"
    if compiler() is None:
        return "there is no C++ compiler here"
    return None


def compiler() -> str | None:
    """Return the C++ compiler that would be used: CXX, g++ or clang++."""
    return next(
        (found for name in (os.environ.get("CXX"), "g++", "clang++") if name and (found := shutil.which(name))), None
    )


def long_frames(module: StreamModule) -> int:
    """Return how many frames a long step of a stage should have, one of `LONG_FRAMES`."""
    few, more = (len(StepProgram(module, 1, frames).export().graph.nodes) for frames in (4, 8))
    return LONG_FRAMES[1] if more - few > 4 * 4 else LONG_FRAMES[0]


def long_step_at_hand(module: StreamModule, lanes: int, threads: int = 1) -> tuple[int, Path] | None:
    """Return the frames of the long step that was compiled for a stage, and where it is; None where none was."""
    kept = ((frames, compiled_path(module, lanes, threads, frames)) for frames in LONG_FRAMES)
    return next(((frames, path) for frames, path in kept if path.exists()), None)


def compile_step(
    module: StreamModule,
    lanes: int,
    threads: int = 1,
    frames: int = 1,
    *,
    told: Callable[[str], None] | None = None,
) -> Path:
    """Compile a stage's step, check it against the stage, and keep it; at once where it is there already.

    Parameters
    ----------
    module : StreamModule
        In evaluation mode, float32, on the CPU, its weights fixed.
    lanes, threads, frames : int
    told : callable, optional
        Is told in words what takes long; otherwise it is logged as a warning, which Python shows on stderr.

    Returns
    -------
    path : Path

    Raises
    ------
    ConfigError
        If it cannot be compiled here, or comes out different from the stage by more than G1 allows.
    """
    path = compiled_path(module, lanes, threads, frames)
    if path.exists():
        os.utime(path)  # in use: not the next to give way
        return path
    why = cannot_compile(module)
    if why is not None:
        raise ConfigError(
            f"the step cannot be compiled: {why}",
            remedy="use backend eager, or install a C++ compiler (Debian: sudo apt install g++)",
        )
    step = "one hop" if frames == 1 else f"a step of {frames} hops"
    (told or _log.warning)(
        f"compiling {step} of {lanes} lane{'s' * (lanes > 1)} for this processor: once, half a minute"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as folder:
        graph, made = Path(folder, "step.export.pt2"), Path(folder, "step.pt2")
        torch.export.save(StepProgram(module, lanes, frames).export(), graph)
        _run_compiler(graph, made, threads, lanes * frames)
        _check(StepProgram(module, lanes, frames), made)
        os.replace(made, path)
    _forget_the_oldest(path.parent)
    return path


def _run_compiler(graph: Path, made: Path, threads: int, rows: int) -> None:
    """Compile in a process of its own: a gigabyte of compiler is no companion for a live session."""
    worker = [sys.executable, "-m", "rtstrf.backends.compile_worker", str(graph), str(made), str(threads), str(rows)]
    done = subprocess.run(worker, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ConfigError(
            f"the step could not be compiled: {why}",
            remedy="use backend eager; rtstrf doctor says which compiler is used",
        )


def _check(program: StepProgram, made: Path) -> None:
    """Refuse native code whose output is not the program's within G1, over some steps of noise from the start."""
    compiled = load_step(made)
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        ours, theirs = program.initial_leaves(), program.initial_leaves()
        for step in range(CHECKED_STEPS):
            x = torch.randn(program.input_like.shape, generator=generator) * 10.0 ** (step % 5 - 4)
            for wanted, got in zip(program(x, *ours), compiled(x, theirs), strict=True):
                if not wanted.numel():
                    continue
                error = float((wanted - got).abs().max()) / max(1.0, float(wanted.abs().max()))
                if not error <= TOLERANCE:
                    raise ConfigError(
                        f"the compiled step is {error:.1e} of the peak off; {TOLERANCE:.0e} is allowed",
                        remedy="use backend eager, and report the versions that rtstrf doctor shows",
                    )


def _forget_the_oldest(folder: Path) -> None:
    by_age = sorted(folder.glob("*.pt2"), key=lambda file: file.stat().st_mtime)
    for file in by_age[: max(0, len(by_age) - KEPT)]:
        with suppress(OSError):
            file.unlink()
