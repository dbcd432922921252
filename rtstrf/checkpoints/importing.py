"""A deepSTRF checkpoint becomes one that streams: its weights and config as they are, and the sidecar they lack.

What keys, shapes and config tell is inferred. What they do not tell must be given, because each of these facts loads
silently when it is wrong: the taps of a prefilter, the compression of a front-end, an activation without weights.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtstrf.checkpoints import deepstrf, infer
from rtstrf.checkpoints.build import ACTIVATIONS
from rtstrf.checkpoints.filters import contradiction, fixed_filters
from rtstrf.checkpoints.load import CONFIG_NAME, WEIGHTS_NAME, assemble, read_config, read_weights
from rtstrf.checkpoints.origin import Origin
from rtstrf.checkpoints.save import save_model
from rtstrf.checkpoints.sidecar import Sidecar, Slot
from rtstrf.checkpoints.units_csv import read_units
from rtstrf.errors import CheckpointError, ConfigError
from rtstrf.spectrogram.make import FRONT_ENDS, make_wav2spec
from rtstrf.stream import StreamModule
from rtstrf.units import hop_is_whole
from rtstrf.version import __version__

DEFAULTS = "defaults"
RECEPTIVE_FIELDS = ("Linear", "LinearNonlinear", "NetworkReceptiveField", "DNet")


@dataclass(frozen=True, slots=True)
class Given:
    """What the user says of a checkpoint; None where nothing was said.

    Attributes
    ----------
    name : str
        Of the model, as it is listed afterwards.
    hz_per_response : float
        Firing rate of a response of 1.
    sample_rate_hz : int
        Of the sound.
    bin_ms : float
    round_bin : bool
        Where a bin is no whole number of samples: take the nearest, as deepSTRF did when it was fitted.
    wav2spec : str
        ``defaults`` or a kind, then KEY=VALUE in deepSTRF's words, separated by commas.
    prefilter_taps : int
        K, the current frame included.
    activation : str
        A name of `rtstrf.checkpoints.build.ACTIVATIONS`, then KEY=VALUE in deepSTRF's words.
    max_frames : int
        Bound of an unlimited context.
    deepstrf_positions : bool
        Positions of a Transformer in deepSTRF's precision.
    units : Path
        CSV file of the units (`rtstrf.checkpoints.units_csv`); without it they are numbered.
    """

    name: str | None = None
    hz_per_response: float | None = None
    sample_rate_hz: int | None = None
    bin_ms: float | None = None
    round_bin: bool = False
    wav2spec: str | None = None
    prefilter_taps: int | None = None
    activation: str | None = None
    max_frames: int | None = None
    deepstrf_positions: bool = False
    units: Path | None = None


def import_checkpoint(name_or_folder: str | Path, out: Path, given: Given, *, overwrite: bool = False) -> Sidecar:
    """Write a folder that streams from one that deepSTRF wrote.

    Parameters
    ----------
    name_or_folder : str or Path
        With ``config.json`` and ``model.safetensors``; OWNER/NAME or OWNER/NAME@REVISION on the Hugging Face Hub.
    out : Path
        Appears whole or not at all.
    given : Given
    overwrite : bool
        Replace `out` if it exists.

    Returns
    -------
    sidecar : Sidecar
        As written.

    Raises
    ------
    CheckpointError
        If a fact is missing (all of them are listed, each with the option that supplies it), or facts, weights and
        config contradict one another; if it is on the hub and cannot be fetched.
    ConfigError
        If an option, or the file of the units, cannot be read.
    MissingExtraError
        If it is on the hub and huggingface_hub is not installed.
    """
    check_numbers(given)
    origin = Origin.find(name_or_folder)
    folder = origin.folder
    config = read_config(folder / CONFIG_NAME)
    weights, sha256 = read_weights(folder / WEIGHTS_NAME)
    config.setdefault("out_neurons", infer.units(weights))  # deepSTRF drops a number that is numpy's
    missing = missing_facts(config, weights, given)
    if missing:
        listed = "".join(f"\n  - {fact}: {option}" for fact, option in missing.items())
        options = " ".join(option.split(" (")[0] for option in missing.values())
        raise CheckpointError(
            f"{name_or_folder} does not say all that a stream needs. Missing:{listed}",
            remedy=f"add to the command: {options}",
        )
    sidecar = describe(origin, config, weights, given)
    sidecar = dataclasses.replace(
        sidecar,
        provenance={"imported_from": origin.words, "weights_sha256": sha256, "imported_by": f"rtstrf {__version__}"},
    )
    ear = build_ear(sidecar, given)
    check_ear(ear, weights)
    # One that is put before a model without has the weights that it is born with.
    fresh = {f"wav2spec.{key}": tensor for key, tensor in ear.state_dict().items()} if ear is not None else {}
    model = assemble(completed(config, sidecar), {**fresh, **weights}, sidecar, folder)
    save_model(out, model, sidecar, overwrite=overwrite)
    return sidecar


def check_numbers(given: Given) -> None:
    """Raise ConfigError if a number that was given cannot be what it stands for."""
    for option, value in (
        ("--hz-per-response", given.hz_per_response),
        ("--sample-rate", given.sample_rate_hz),
        ("--bin-ms", given.bin_ms),
        ("--max-frames", given.max_frames),
    ):
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"{option} {value}", remedy="give a number above 0")
    if given.prefilter_taps is not None and given.prefilter_taps < 2:
        raise ConfigError(
            f"--prefilter-taps {given.prefilter_taps}", remedy="give at least 2: the frame itself and its past"
        )


def missing_facts(config: dict[str, Any], weights: infer.Weights, given: Given) -> dict[str, str]:
    """Return each fact that neither the checkpoint nor the user tells, with the option that supplies it."""
    missing = {}
    hears = config["_model_class"] == "ICNet"
    ear = infer.front_end(weights, given.sample_rate_hz)
    if (ear or given.wav2spec is not None) and given.sample_rate_hz is None:
        missing["the sample rate of the sound (audio_fs)"] = "--sample-rate HZ"
    if not hears and given.bin_ms is None:
        missing["the width of a bin (dt_ms)"] = "--bin-ms MS"
    missing |= rounding(config, given)
    if ear and given.wav2spec is None:
        missing[f"the options of the {ear.kind} front-end beside {', '.join(ear.options)}"] = (
            "--wav2spec KEY=VALUE,... (deepSTRF's arguments that were not its defaults, or: defaults)"
        )
    if infer.prefilter(weights) and given.prefilter_taps is None:
        missing["the taps K of the prefilter"] = (
            "--prefilter-taps K (kernel_size of AdapTrans and ICAdaptation; 651 of make_prefiltering from 500 Hz)"
        )
    if "output_activation" not in config and not hears and given.activation is None:
        seen = infer.activation(weights)
        of = f", a {seen.kind} by its weights, and whether it is kept non-negative" if seen else ""
        example = seen.kind if seen else "NAME"
        missing[f"the output activation{of}"] = f"--activation {example} (one of {', '.join(ACTIVATIONS)})"
    if config["_model_class"] == "Transformer" and (config.get("context_window") or 0) < 1 and given.max_frames is None:
        missing["a bound for its unlimited context"] = "--max-frames N (12000 is a minute at 5 ms)"
    if given.hz_per_response is None:
        missing["the firing rate of a response of 1"] = (
            "--hz-per-response HZ (1000 / bin_ms if responses are spikes in a bin, 1 if they are hertz)"
        )
    return missing


def rounding(config: dict[str, Any], given: Given) -> dict[str, str]:
    """Return the rounding of a bin as a missing fact, where a bin is no whole number of samples and nobody said so."""
    if config["_model_class"] == "ICNet":
        rate_hz, bin_ms = config.get("audio_fs"), config.get("dt_ms", 5.0)
    else:
        rate_hz, bin_ms = given.sample_rate_hz, given.bin_ms
    if rate_hz is None or bin_ms is None or given.round_bin or hop_is_whole(rate_hz, bin_ms):
        return {}
    taken, exact = deepstrf.rounded_hop(rate_hz, bin_ms), rate_hz * bin_ms / 1000
    fact = f"whether the {exact:g} samples of {bin_ms:g} ms at {rate_hz:g} Hz were rounded when it was fitted"
    return {fact: f"--round-bin (as deepSTRF does: {taken} samples; else check --sample-rate and --bin-ms)"}


def describe(origin: Origin, config: dict[str, Any], weights: infer.Weights, given: Given) -> Sidecar:
    """Return the sidecar that checkpoint and user together tell, once nothing is missing."""
    seen = infer.prefilter(weights)
    prefiltering = None
    if seen is not None:
        facts = {"bands": seen.options["n_frequency_bands"], "dt_ms": given.bin_ms}
        prefiltering = Slot(seen.kind, {**facts, "kernel_frames": given.prefilter_taps})
    elif given.prefilter_taps is not None:
        raise ConfigError(
            f"--prefilter-taps {given.prefilter_taps}", remedy="leave it out: the weights hold no prefilter"
        )
    kernel = None
    if config["_model_class"] in RECEPTIVE_FIELDS:
        field = infer.kernel(weights, config.get("n_frequency_bands", 34), config.get("temporal_window_size", 9))
        kernel = deepstrf.kernel_slot(field.kind, field.options) if field else None
    sidecar = deepstrf.make_sidecar(
        given.name or origin.name,
        config,
        int(config["out_neurons"] or 1),
        wav2spec=ear_of(weights, given),
        prefiltering=prefiltering,
        output_activation=activation_of(weights, given),
        kernel=kernel,
        bin_ms=given.bin_ms,
        hz_per_response=float(given.hz_per_response or 0.0),
        max_frames=given.max_frames,
    )
    if given.units is not None:
        sidecar = dataclasses.replace(sidecar, units=read_units(given.units, len(sidecar.units)))
    if given.deepstrf_positions:
        sidecar = dataclasses.replace(sidecar, core={**sidecar.core, "deepstrf_phase": True})
    return sidecar


def ear_of(weights: infer.Weights, given: Given) -> Slot | None:
    """Return the front-end: what the weights hold, completed by the user, or one that the user puts in front."""
    seen = infer.front_end(weights, given.sample_rate_hz)
    if given.wav2spec is None:
        return None
    kind, options = parse(given.wav2spec, "--wav2spec")
    if seen is None and kind not in FRONT_ENDS:
        raise ConfigError(
            f"--wav2spec {given.wav2spec}: the weights hold no front-end",
            remedy=f"begin with the kind to put in front: {', '.join(FRONT_ENDS)}",
        )
    if seen is not None and kind not in (None, DEFAULTS, seen.kind):
        raise ConfigError(
            f"--wav2spec {kind}, but the weights hold a {seen.kind}", remedy=f"say {seen.kind}, or nothing"
        )
    clock = {"audio_fs": given.sample_rate_hz, "dt_ms": given.bin_ms}
    told = seen.options if seen is not None else {}
    return deepstrf.front_end_slot({"kind": seen.kind if seen else kind, **clock, **told, **options})


def activation_of(weights: infer.Weights, given: Given) -> Slot | None:
    """Return the activation that the user names; None leaves the model's default."""
    if given.activation is None:
        return None
    kind, options = parse(given.activation, "--activation")
    if kind not in ACTIVATIONS:
        raise ConfigError(f"--activation {given.activation}", remedy=f"begin with one of {', '.join(ACTIVATIONS)}")
    seen = infer.activation(weights)
    told = seen.options if seen is not None and seen.kind == kind else {}
    given_words = deepstrf.in_our_words({**told, **options}, deepstrf.ACTIVATION_WORDS)
    given_words.pop("units", None)  # the model's own number
    return Slot(kind, given_words)


def completed(config: dict[str, Any], sidecar: Sidecar) -> dict[str, Any]:
    """Return the config with null for a slot that the keys showed to be at its default: a free kernel."""
    if config["_model_class"] in RECEPTIVE_FIELDS and sidecar.kernel is None:
        return {"kernel": None, **config}
    return config


def build_ear(sidecar: Sidecar, given: Given) -> StreamModule | None:
    """Return the front-end that the facts given lead to, or say that they cannot be."""
    if sidecar.wav2spec is None:
        return None
    try:
        return make_wav2spec(sidecar.wav2spec.kind, **sidecar.wav2spec.options)
    except ConfigError as error:
        raise ConfigError(
            f"--wav2spec {given.wav2spec} at --sample-rate {given.sample_rate_hz} and --bin-ms {given.bin_ms:g}: "
            f"{error.what}",
            remedy=error.remedy,
        ) from error
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"--wav2spec {given.wav2spec}: {error or type(error).__name__}", remedy="check its numbers and types"
        ) from error


def check_ear(ear: StreamModule | None, weights: infer.Weights) -> None:
    """Raise CheckpointError if the filters that no fit changes are not those that the facts given lead to."""
    key = contradiction(fixed_filters(ear), weights)
    if key is not None:
        raise CheckpointError(
            f"{key} in the weights is not what the facts given lead to",
            remedy="check --sample-rate, --bin-ms, and the edges, lengths and scale in --wav2spec",
        )


def parse(words: str, option: str) -> tuple[str | None, dict[str, Any]]:
    """Return the kind and the KEY=VALUE pairs of an option; values are JSON where they can be, else text.

    Examples
    --------
    >>> parse("mel,n_mels=34,compression=log1p,log_offset=null", "--wav2spec")
    ('mel', {'n_mels': 34, 'compression': 'log1p', 'log_offset': None})
    """
    kind: str | None = None
    options: dict[str, Any] = {}
    for index, part in enumerate(filter(None, (word.strip() for word in words.split(",")))):
        key, equals, value = part.partition("=")
        if not equals:
            if index:
                raise ConfigError(
                    f"{option} {words}: {part!r} has no value", remedy="give KEY=VALUE, separated by commas"
                )
            kind = part
            continue
        try:
            options[key.strip()] = json.loads(value)
        except (ValueError, RecursionError):
            options[key.strip()] = value.strip()
    return kind, options
