"""A golden case: a stored input and deepSTRF's output for it, against ours from the stepped path.

A case is a folder of ``case.json`` (what was built), ``ckpt/`` (deepSTRF's own files) and ``data.npz`` (the input
``spec`` or ``wave_i16``, and ``output_f64``). The input runs through a `StepRunner` in chunks of random sizes; half way
the state is saved, and the stream goes on in another lane of another runner, beside lanes that are fed NaN.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rtstrf.checkpoints import deepstrf
from rtstrf.checkpoints.load import CONFIG_NAME, WEIGHTS_NAME, assemble, read_config, read_weights
from rtstrf.checkpoints.sidecar import Slot
from rtstrf.errors import CheckpointError, ConfigError, DataError
from rtstrf.prefilter.make import make_prefiltering
from rtstrf.runner import StepRunner
from rtstrf.spectrogram.make import make_wav2spec
from rtstrf.stream import StreamModule
from rtstrf.verify.measure import cut

FORMAT = "rtstrf-golden/1"
CASE_NAME = "case.json"
DATA_NAME = "data.npz"
DTYPES = {"float32": torch.float32, "float64": torch.float64}
LONGEST_CHUNK = 40


@dataclass(frozen=True, slots=True)
class Case:
    """One golden case.

    Attributes
    ----------
    folder : Path
    facts : dict
        What ``case.json`` says.
    """

    folder: Path
    facts: dict[str, Any]

    @classmethod
    def read(cls, folder: str | Path) -> Case:
        """Read the description of a case.

        Raises
        ------
        DataError
            If there is none, or it does not say what was built.
        """
        path = Path(folder) / CASE_NAME
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{path} cannot be read: {error}", remedy="give the folder of a golden case") from error
        if not isinstance(facts, dict) or facts.get("kind") not in ("model", "wav2spec", "prefilter"):
            raise DataError(f"{path} names no kind", remedy='"kind" is "model", "wav2spec" or "prefilter"')
        return cls(path.parent, facts)

    @property
    def name(self) -> str:
        """Name of the case: its folder's."""
        return self.folder.resolve().name

    def _stored(self, name: str) -> np.ndarray | None:
        try:
            with np.load(self.folder / DATA_NAME) as data:
                return data.get(name)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{self.folder / DATA_NAME} cannot be read: {error}", remedy="copy the case again"
            ) from error

    def input(self) -> torch.Tensor:
        """Return the input, (1, 1, samples) or (1, 1, F, T), float32."""
        spectrogram, wave = self._stored("spec"), self._stored("wave_i16")
        if spectrogram is not None:
            return torch.from_numpy(spectrogram)
        if wave is not None:
            return torch.from_numpy(wave.astype(np.float32) / 32768).reshape(1, 1, -1)
        raise DataError(f"{self.folder / DATA_NAME} holds no input", remedy="store it as spec or wave_i16")

    def output(self) -> np.ndarray | None:
        """Return deepSTRF's float64 output, where it is stored."""
        return self._stored("output_f64")

    @property
    def float32_error(self) -> float | None:
        """How far deepSTRF's own float32 output was from its float64 output, where it is told."""
        recorded = (self.facts.get("f32_vs_f64") or {}).get("max_abs")
        return None if recorded is None else float(recorded)

    def tolerance(self, dtype: str) -> float | None:
        """Return how far we may be from the stored output; None where that cannot be told."""
        output = self.output()
        if output is None:
            return None
        peak = max(1.0, float(np.abs(output).max()))
        if dtype == "float64":
            return 1e-8 * peak
        return None if self.float32_error is None else 4 * self.float32_error + 1e-6 * peak

    def build(self) -> StreamModule:
        """Return the stage or the model with its weights, float32, in evaluation mode.

        Raises
        ------
        CheckpointError, ConfigError, DataError
            If a part is unknown, or its files are missing, damaged or contradict one another.
        """
        try:
            return self._model() if self.facts["kind"] == "model" else self._stage()
        except KeyError as error:
            raise DataError(
                f"{self.folder / CASE_NAME}: {error} is missing or unknown", remedy="see the layout of golden cases"
            ) from error

    def _model(self) -> StreamModule:
        checkpoint = self.folder / "ckpt"
        config = read_config(checkpoint / CONFIG_NAME)
        weights, _ = read_weights(checkpoint / WEIGHTS_NAME)
        parts = {name: self.facts.get(name) for name in ("wav2spec", "prefiltering", "kernel", "output_activation")}
        sidecar = deepstrf.make_sidecar(
            self.name,
            config,
            int(self.facts["init_kwargs"].get("out_neurons", 1)),
            wav2spec=deepstrf.front_end_slot(parts["wav2spec"]["args"]) if parts["wav2spec"] else None,
            prefiltering=_prefilter_slot(parts["prefiltering"]) if parts["prefiltering"] else None,
            kernel=deepstrf.kernel_slot(**_named(parts["kernel"])) if parts["kernel"] else None,
            output_activation=(
                deepstrf.activation_slot(**_named(parts["output_activation"])) if parts["output_activation"] else None
            ),
            max_frames=self._stored_frames(),
        )
        return assemble(config, weights, sidecar, checkpoint)

    def _stored_frames(self) -> int:
        """Return the frames of the output: what an unlimited context may be bounded by without a difference."""
        return int(self.facts["output_shape"][-1])

    def _stage(self) -> StreamModule:
        if self.facts["kind"] == "wav2spec":
            slot = deepstrf.front_end_slot(self.facts["wav2spec"]["args"])
            stage = make_wav2spec(slot.kind, **slot.options)
        else:
            slot = _prefilter_slot(self.facts["prefiltering"])
            stage = make_prefiltering(slot.kind, **slot.options)
        weights, _ = read_weights(self.folder / "ckpt" / WEIGHTS_NAME)
        try:
            stage.load_state_dict(weights)
        except RuntimeError as error:
            raise CheckpointError(
                f"{self.folder / 'ckpt'} does not hold the weights of {self.name}: {error}", remedy="copy it again"
            ) from error
        return stage.eval()


def _named(part: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": part["class"], "args": part.get("args") or {}}


def _prefilter_slot(facts: Mapping[str, Any]) -> Slot:
    if facts["factory"] not in ("make_prefiltering", *deepstrf.PREFILTER_KINDS):
        raise ConfigError(f"prefilter {facts['factory']!r}", remedy="AdapTrans, ICAdaptation or make_prefiltering")
    return deepstrf.prefilter_slot(facts["args"], facts["factory"])


def heard(module: StreamModule, x: torch.Tensor, dtype: torch.dtype, rng: np.random.Generator) -> np.ndarray:
    """Return the output of one stream in chunks of random sizes, saved and restored half way.

    Parameters
    ----------
    module : StreamModule
    x : Tensor, shape (1, ..., steps)
        Whole frames.
    dtype : torch.dtype
    rng : Generator
        For the sizes, 1 to `LONGEST_CHUNK` frames.

    Returns
    -------
    y : ndarray, shape (1, ..., frames)
    """
    given, per_frame = x.to(dtype), module.samples_per_frame
    frames = given.shape[-1] // per_frame
    runner, lanes, parts, at = StepRunner(module, dtype=dtype), 1, [], 0
    for size in cut(frames, lambda _: int(rng.integers(1, LONGEST_CHUNK + 1))):
        if lanes == 1 and 2 * at >= frames > size:
            saved, lanes = runner.snapshot(0), 3
            runner = StepRunner(module, lanes=lanes, dtype=dtype)
            runner.restore(2, saved)
        chunk = given[..., at * per_frame : (at + size) * per_frame]
        if lanes == 1:
            parts.append(runner.step(chunk))
        else:
            company = torch.full_like(chunk, torch.nan)
            parts.append(runner.step(torch.cat([company, company, chunk]), [False, False, True])[2:])
        at += size
    return torch.cat(parts, dim=-1).numpy()


def run_case(folder: str | Path, *, seed: int = 0) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Run a golden case.

    Parameters
    ----------
    folder : str or Path
    seed : int
        Of the sizes of the chunks.

    Returns
    -------
    result : dict
        ``case``, ``kind``, ``passed``, and for each of float32 and float64 ``max_abs_error``, ``tolerance`` and
        ``passed``; these are None where the case stores no output, or not how exact deepSTRF's own was. An error that
        is no number, NaN on one side only, is None and not passed.
    outputs : dict of ndarray
        ``float32`` and ``float64``, in the shape of the case's output.

    Raises
    ------
    CheckpointError, ConfigError, DataError
        If the case cannot be read or built.
    """
    case = Case.read(folder)
    module, x, expected = case.build(), case.input(), case.output()
    per_frame = module.samples_per_frame
    if x.shape[-1] < per_frame or x.shape[-1] % per_frame:
        raise DataError(
            f"{case.name}: {x.shape[-1]} samples are no whole number of hops of {per_frame}", remedy="pad the sound"
        )
    if tuple(x.shape) != module.input_shape(1, x.shape[-1] // per_frame):
        raise DataError(
            f"{case.name}: an input of shape {tuple(x.shape)} for {type(module).__name__}",
            remedy=f"it takes {module.input_shape(1, x.shape[-1] // per_frame)}",
        )
    shape = tuple(case.facts.get("output_shape") or (expected.shape if expected is not None else ()))
    result: dict[str, Any] = {"format": FORMAT, "case": case.name, "kind": case.facts["kind"], "seed": seed}
    outputs = {}
    for words, dtype in DTYPES.items():
        y = heard(module, x, dtype, np.random.default_rng(seed))
        if shape and y.size != math.prod(shape):
            raise DataError(
                f"{case.name}: the output has shape {y.shape}, the case says {shape}", remedy="correct output_shape"
            )
        outputs[words] = y.reshape(shape) if shape else y
        result[words] = _judged(case, words, outputs[words], expected)
    result["passed"] = all(result[words]["passed"] is not False for words in DTYPES)
    return result, outputs


def _judged(case: Case, words: str, y: np.ndarray, expected: np.ndarray | None) -> dict[str, Any]:
    tolerance = case.tolerance(words)
    if expected is None:
        return {"max_abs_error": None, "tolerance": None, "passed": None}
    error = float(np.abs(y.astype(np.float64) - expected).max())
    passed = None if tolerance is None else bool(error <= tolerance)  # not so for NaN
    return {"max_abs_error": error if math.isfinite(error) else None, "tolerance": tolerance, "passed": passed}


def save_outputs(path: str | Path, outputs: Mapping[str, np.ndarray]) -> None:
    """Write outputs as an .npz file, whole or not at all.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    target = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}-", suffix=".npz", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, **outputs)  # type: ignore[arg-type]
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error}", remedy="choose a file you may write to") from error
