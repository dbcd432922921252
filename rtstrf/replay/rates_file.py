"""The rates of a replay on disk: one `.npz`, written whole or not at all."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.errors import ConfigError, DataError, StreamError
from rtstrf.replay.play import Replayed
from rtstrf.replay.staging import StagedFiles
from rtstrf.spikes import SpikeGenerator

FIELDS = ("rates_hz", "t_s", "unit_id", "bin_s", "sample_rate_hz", "hop_samples", "model", "weights_sha256")


@dataclass(frozen=True, slots=True)
class RatesFile:
    """What a rates file holds.

    Attributes
    ----------
    rates_hz : ndarray, shape (bins, units), float32
    t_s : ndarray, shape (bins,), float64
        End of each bin, from the sample count: (index + 1) hop_samples / sample_rate_hz.
    unit_id : ndarray, shape (units,), str
    bin_s : float
    sample_rate_hz, hop_samples : int
        The model's clock.
    model : str
    weights_sha256 : str
    """

    rates_hz: np.ndarray
    t_s: np.ndarray
    unit_id: np.ndarray
    bin_s: float
    sample_rate_hz: int
    hop_samples: int
    model: str
    weights_sha256: str


def out_paths(out: str | Path, sounds: Sequence[str | Path]) -> list[Path]:
    """Return where the rates of each sound go.

    A folder that exists takes one ``<sound>.npz`` each; a file name takes the rates of a single sound, and of several
    with the sound's name put in: ``rates-<sound>.npz``. Sounds of the same name are numbered.

    Raises
    ------
    ConfigError
        If the folder does not exist, or the name does not end in ``.npz``.

    Examples
    --------
    >>> [str(p) for p in out_paths("rates.npz", ["a/call.wav", "b/call.wav"])]
    ['rates-call.npz', 'rates-call-2.npz']
    """
    target = Path(out)
    if target.is_dir():
        folder, prefix = target, ""
    elif target.suffix != ".npz":
        raise ConfigError(
            f"cannot write rates to {target}: neither a folder that exists nor a name that ends in .npz",
            remedy=f"create it with: mkdir {target}, or give a name such as rates.npz",
        )
    elif not target.parent.is_dir():
        raise ConfigError(
            f"cannot write {target}: there is no folder {target.parent}",
            remedy=f"create it with: mkdir {target.parent}",
        )
    elif len(sounds) == 1:
        return [target]
    else:
        folder, prefix = target.parent, f"{target.stem}-"
    paths: list[Path] = []
    for sound in sounds:
        stem, number = Path(sound).stem, 1
        while (path := folder / f"{prefix}{stem}{f'-{number}' if number > 1 else ''}.npz") in paths:
            number += 1
        paths.append(path)
    return paths


def save_rates(path: str | Path, replayed: Replayed, loaded: LoadedModel) -> None:
    """Write the rates of a replay; the file appears whole or not at all.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    target = Path(path)
    with StagedFiles([target]) as staged, staged.open(target) as file:
        write_rates(file, replayed, loaded)


def write_rates(file: BinaryIO, replayed: Replayed, loaded: LoadedModel, spikes: SpikeGenerator | None = None) -> None:
    """Write the rates of a replay into an open file, and spikes drawn from them where a generator is given.

    Spikes are ``spike_sample`` (int64, on the clock of `sample_rate_hz`, from the start of the sound) and
    ``spike_unit`` (int64, index into ``unit_id``), one of each for every spike in order of time; ``spike_seed`` and
    ``refractory_samples`` say how they were drawn.
    """
    if replayed.rates_hz is None:
        raise StreamError("a replay that kept no rates", remedy="replay with keep_rates=True")
    np.savez(
        file,
        rates_hz=replayed.rates_hz,
        t_s=replayed.t_s,
        unit_id=np.array([unit.id for unit in loaded.sidecar.units]),
        bin_s=replayed.bin_s,
        sample_rate_hz=replayed.sample_rate_hz,
        hop_samples=replayed.hop_samples,
        model=loaded.sidecar.name,
        weights_sha256=loaded.weights_sha256,
        **({} if spikes is None else _spikes(replayed.rates_hz, spikes)),
    )


def _spikes(rates_hz: np.ndarray, generator: SpikeGenerator) -> dict[str, Any]:
    rows, _ = generator.step(rates_hz, generator.initial_state())
    samples, units = generator.times(rows)
    return {
        "spike_sample": samples,
        "spike_unit": units,
        "spike_seed": generator.seed,
        "refractory_samples": generator.refractory_samples,
    }


def load_rates(path: str | Path) -> RatesFile:
    """Read a rates file.

    Raises
    ------
    DataError
        If it is missing, damaged or no rates file.

    Examples
    --------
    >>> import tempfile, rtstrf
    >>> from rtstrf.replay import replay
    >>> from rtstrf.sound import open_source
    >>> model = rtstrf.load_model("statenet-gru-ns1")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_rates(folder + "/rates.npz", replay(open_source("tone", duration_s=0.1), model), model)
    ...     rates = load_rates(folder + "/rates.npz")
    >>> rates.rates_hz.shape, float(rates.t_s[-1]), rates.bin_s
    ((20, 119), 0.1, 0.005)
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            held = {name: archive[name] for name in FIELDS}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError, TypeError) as error:
        raise DataError(f"{path} is no rates file: {error}", remedy="give a file that rtstrf replay wrote") from error
    return RatesFile(**{name: value if value.ndim else value.item() for name, value in held.items()})
