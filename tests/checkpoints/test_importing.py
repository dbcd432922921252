"""deepSTRF's folders become folders that stream: what is inferred, what is asked for, and that it is then exact."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from rtstrf.checkpoints import deepstrf, infer
from rtstrf.checkpoints.importing import Given, import_checkpoint, parse
from rtstrf.checkpoints.load import load_model
from rtstrf.checkpoints.save import save_model
from rtstrf.checkpoints.sidecar import Slot
from rtstrf.errors import CheckpointError, ConfigError
from rtstrf.models.icnet import ICNet
from rtstrf.models.linear import LinearNonlinear
from rtstrf.models.transformer import Transformer
from rtstrf.verify.golden import Case, heard
from tests.support.golden import COMMITTED, FOLDER, cases
from tests.support.golden_case import FRAMES, UNITS, write_case

COMPLETE = Given(
    hz_per_response=200.0,
    sample_rate_hz=44100,
    bin_ms=5.0,
    round_bin=True,
    wav2spec="defaults,log_offset=1.0",
    prefilter_taps=deepstrf.prefilter_taps(8, 500.0, 20000.0),
)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return write_case(tmp_path / "case")


def edit_config(folder: Path, drop: tuple[str, ...] = (), **facts: Any) -> None:
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **facts}
    path.write_text(json.dumps({name: value for name, value in config.items() if name not in drop}))


def spectrogram_folder(folder: Path, model: Any, **sidecar: Any) -> Path:
    """Write a model as deepSTRF does, without a sidecar."""
    config = {**model.options, "_model_class": type(model).__name__}
    save_model(folder, model, deepstrf.make_sidecar("m", config, model.out_neurons, **sidecar))
    (folder / "stream.json").unlink()
    return folder


def test_with_every_fact_it_streams_what_deepstrf_gave(case: Path, tmp_path: Path) -> None:
    told = import_checkpoint(case / "ckpt", tmp_path / "out", COMPLETE)
    loaded = load_model(tmp_path / "out")
    assert loaded.sidecar == told
    assert (told.name, told.sample_rate_hz, told.hop_samples, told.hz_per_response) == ("ckpt", 44100, 220, 200.0)
    stored = Case.read(case)
    expected = stored.output()
    assert expected is not None
    y = heard(loaded.model, stored.input(), torch.float64, np.random.default_rng(0))
    assert np.abs(y.reshape(1, UNITS, 1, FRAMES) - expected).max() <= 1e-10


def test_the_weights_are_those_that_were_given_and_where_they_are_from_is_told(case: Path, tmp_path: Path) -> None:
    told = import_checkpoint(case / "ckpt", tmp_path / "out", COMPLETE)
    before, after = (
        safetensors.torch.load_file(folder / "model.safetensors") for folder in (case / "ckpt", tmp_path / "out")
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert told.provenance["imported_from"] == "ckpt"
    assert told.provenance["weights_sha256"] == load_model(tmp_path / "out").weights_sha256


def test_with_nothing_given_every_missing_fact_is_listed_with_its_option(case: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as told:
        import_checkpoint(case / "ckpt", tmp_path / "out", Given())
    message = str(told.value)
    for option in ("--sample-rate HZ", "--bin-ms MS", "--wav2spec", "--prefilter-taps K", "--hz-per-response HZ"):
        assert option in told.value.what
        assert option.split()[0] in str(told.value.remedy)
    assert "the mel front-end beside n_mels" in message
    assert "--activation" not in message  # config says null: the default
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("hz_per_response", "--hz-per-response"),
        ("sample_rate_hz", "--sample-rate"),
        ("bin_ms", "--bin-ms"),
        ("wav2spec", "--wav2spec"),
        ("prefilter_taps", "--prefilter-taps"),
    ],
)
def test_one_missing_fact_is_enough_to_refuse(case: Path, tmp_path: Path, name: str, option: str) -> None:
    with pytest.raises(CheckpointError) as told:
        import_checkpoint(case / "ckpt", tmp_path / "out", dataclasses.replace(COMPLETE, **{name: None}))
    assert told.value.what.count("\n  - ") == 1
    assert option in told.value.what


def test_a_wrong_number_of_taps_is_the_user_s_word_and_another_filter(case: Path, tmp_path: Path) -> None:
    """Taps are in no weight, which is why they are asked for."""
    import_checkpoint(case / "ckpt", tmp_path / "out", dataclasses.replace(COMPLETE, prefilter_taps=3))
    y = heard(load_model(tmp_path / "out").model, Case.read(case).input(), torch.float64, np.random.default_rng(0))
    expected = Case.read(case).output()
    assert expected is not None
    assert np.abs(y.reshape(expected.shape) - expected).max() > 1e-4


def test_an_activation_that_config_leaves_out_is_asked_for(tmp_path: Path) -> None:
    model = LinearNonlinear(8, 3, output_activation=nn.Softplus())
    folder = spectrogram_folder(tmp_path / "m", model, output_activation=Slot("softplus"))
    given = Given(hz_per_response=1.0, bin_ms=5.0)
    with pytest.raises(CheckpointError, match="--activation NAME"):
        import_checkpoint(folder, tmp_path / "out", given)
    told = import_checkpoint(folder, tmp_path / "out", dataclasses.replace(given, activation="softplus"))
    assert told.output_activation == Slot("softplus")
    assert isinstance(load_model(tmp_path / "out").model.readout.activation, nn.Softplus)  # type: ignore[union-attr]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["parametric_sigmoid", "parametric_double_exponential"])
def test_an_activation_with_weights_is_known_by_its_keys_but_not_its_sign(
    tmp_path: Path, kind: str, bias: bool
) -> None:
    from rtstrf.checkpoints.build import ACTIVATIONS

    options = {"bias": bias, "non_negative": False}
    model = LinearNonlinear(8, 3, output_activation=ACTIVATIONS[kind](3, **options)).eval()
    folder = spectrogram_folder(tmp_path / "m", model, output_activation=Slot(kind, options))
    given = Given(hz_per_response=1.0, bin_ms=5.0)
    with pytest.raises(CheckpointError, match=f"a {kind} by its weights, and whether it is kept non-negative"):
        import_checkpoint(folder, tmp_path / "out", given)
    named = Given(hz_per_response=1.0, bin_ms=5.0, activation=f"{kind},non_negative_output=false")
    told = import_checkpoint(folder, tmp_path / "out", named)
    assert told.output_activation == Slot(kind, options)
    x = torch.randn(1, 1, 8, 12)
    with torch.inference_mode():
        assert torch.equal(load_model(tmp_path / "out").model(x), model(x))


def test_a_number_of_units_that_deepstrf_dropped_is_counted(tmp_path: Path) -> None:
    folder = spectrogram_folder(tmp_path / "m", LinearNonlinear(8, 3))
    edit_config(folder, drop=("out_neurons",))
    told = import_checkpoint(folder, tmp_path / "out", Given(hz_per_response=1.0, bin_ms=5.0))
    assert [unit.id for unit in told.units] == ["0", "1", "2"]
    assert json.loads((tmp_path / "out" / "config.json").read_text())["out_neurons"] == 3


def test_a_free_kernel_that_was_given_as_a_module_is_known_by_its_weights(tmp_path: Path) -> None:
    folder = spectrogram_folder(tmp_path / "m", LinearNonlinear(8, 3))
    edit_config(folder, drop=("kernel",))
    import_checkpoint(folder, tmp_path / "out", Given(hz_per_response=1.0, bin_ms=5.0))
    assert load_model(tmp_path / "out").sidecar.kernel is None


def test_an_unlimited_context_needs_a_bound(tmp_path: Path) -> None:
    folder = spectrogram_folder(tmp_path / "m", Transformer(8, 3, embedding_dim=4, max_frames=99), max_frames=99)
    given = Given(hz_per_response=1.0, bin_ms=5.0)
    with pytest.raises(CheckpointError, match="a bound for its unlimited context: --max-frames N"):
        import_checkpoint(folder, tmp_path / "out", given)
    bounded = Given(hz_per_response=1.0, bin_ms=5.0, max_frames=50, deepstrf_positions=True)
    told = import_checkpoint(folder, tmp_path / "out", bounded)
    assert told.core == {"max_frames": 50, "deepstrf_phase": True}
    load_model(tmp_path / "out")


def test_a_model_of_spectrograms_can_be_given_an_ear(tmp_path: Path) -> None:
    folder = spectrogram_folder(tmp_path / "m", LinearNonlinear(8, 3))
    given = Given(hz_per_response=1.0, bin_ms=5.0, sample_rate_hz=16000, wav2spec="mel,n_mels=8,f_max=8000")
    told = import_checkpoint(folder, tmp_path / "out", given)
    assert told.wav2spec is not None
    assert told.wav2spec.options["n_mels"] == 8
    assert (told.sample_rate_hz, told.hop_samples) == (16000, 80)
    assert load_model(tmp_path / "out").model(torch.zeros(1, 1, 160)).shape == (1, 3, 2)
    with pytest.raises(ConfigError, match="begin with the kind to put in front"):
        import_checkpoint(
            folder, tmp_path / "no", Given(hz_per_response=1, bin_ms=5, sample_rate_hz=16000, wav2spec="")
        )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"wav2spec": "gammatone"}, "--wav2spec gammatone, but the weights hold a mel"),
        ({"wav2spec": "defaults,colour=red"}, "--wav2spec defaults,colour=red .* does not know colour"),
        ({"wav2spec": "defaults,n_mels=9"}, "_mel_fb in the weights is not"),
        ({"wav2spec": "defaults,n_mels"}, "'n_mels' has no value"),
        ({"activation": "cube"}, "--activation cube"),
        ({"activation": "softplus"}, "unexpected readout.activation._raw_b"),
        ({"prefilter_taps": 1}, "--prefilter-taps 1"),
        ({"hz_per_response": 0.0}, "--hz-per-response 0.0"),
        ({"bin_ms": float("nan")}, "--bin-ms nan"),
        ({"sample_rate_hz": 16000}, "_mel_fb in the weights is not what the facts given lead to"),
        ({"wav2spec": "defaults,log_offset=1.0,f_min=400"}, "_mel_fb in the weights is not"),
        ({"wav2spec": "defaults,log_offset=1.0,mel_scale=slaney"}, "_mel_fb in the weights is not"),
        ({"max_frames": -1}, "--max-frames -1"),
    ],
)
def test_what_contradicts_the_weights_or_cannot_be_is_refused(
    case: Path, tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises((CheckpointError, ConfigError), match=words) as told:
        import_checkpoint(case / "ckpt", tmp_path / "out", dataclasses.replace(COMPLETE, **given))
    assert told.value.remedy
    assert not (tmp_path / "out").exists()


def test_a_bin_that_is_no_whole_number_of_samples_is_asked_about(case: Path, tmp_path: Path) -> None:
    unsaid = dataclasses.replace(COMPLETE, round_bin=False)
    with pytest.raises(CheckpointError, match=r"whether the 220\.5 samples of 5 ms at 44100 Hz were rounded") as told:
        import_checkpoint(case / "ckpt", tmp_path / "out", unsaid)
    assert told.value.remedy == "add to the command: --round-bin"
    assert "220 samples" in told.value.what


def test_an_icnet_whose_bin_was_rounded_is_asked_about_too(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"n_filters": 3, "encoder_channels": 4, "encoder_kernel_size": 4, "bottleneck_channels": 3}
    folder = spectrogram_folder(tmp_path / "m", ICNet(44100, 3, hop_samples=220, **sizes))
    with pytest.raises(CheckpointError, match="--round-bin"):
        import_checkpoint(folder, tmp_path / "out", Given(hz_per_response=1.0))
    told = import_checkpoint(folder, tmp_path / "out", Given(hz_per_response=1.0, round_bin=True))
    assert (told.hop_samples, told.sample_rate_hz) == (220, 44100)


def test_taps_of_a_prefilter_that_is_not_there_are_refused(tmp_path: Path) -> None:
    folder = spectrogram_folder(tmp_path / "m", LinearNonlinear(8, 3))
    with pytest.raises(ConfigError, match="the weights hold no prefilter"):
        import_checkpoint(folder, tmp_path / "out", Given(hz_per_response=1.0, bin_ms=5.0, prefilter_taps=9))


def test_a_folder_that_exists_is_replaced_only_when_that_is_said(case: Path, tmp_path: Path) -> None:
    import_checkpoint(case / "ckpt", tmp_path / "out", COMPLETE)
    with pytest.raises(CheckpointError, match="exists"):
        import_checkpoint(case / "ckpt", tmp_path / "out", COMPLETE)
    import_checkpoint(case / "ckpt", tmp_path / "out", COMPLETE, overwrite=True)


@pytest.mark.parametrize(
    ("look", "keys"),
    [
        (lambda w: infer.front_end(w, 16000), ["wav2spec.cochlea"]),
        (infer.prefilter, ["prefiltering.gain"]),
        (infer.activation, ["readout.activation.k", "readout.activation.q"]),
        (lambda w: infer.kernel(w, 8, 9), ["core.0.kernel.0.weight", "core.0.kernel.1.weight"]),
    ],
)
def test_modules_that_are_not_known_by_their_keys_are_refused_by_them(look: Any, keys: list[str]) -> None:
    with pytest.raises(CheckpointError, match=keys[0].rsplit(".", 1)[-1]):
        look({key: torch.zeros(2) for key in keys})


def test_a_specification_is_a_kind_and_pairs() -> None:
    assert parse("", "--x") == (None, {})
    assert parse("mel", "--x") == ("mel", {})
    assert parse(" a=1 , b=true,c=text,d=null", "--x") == (None, {"a": 1, "b": True, "c": "text", "d": None})


# ---- deepSTRF's own folders ------------------------------------------------------------------------------------------


def model_cases(folder: Path) -> list[Case]:
    return [case for case in cases(folder) if case.facts["kind"] == "model"]


def words(args: dict[str, Any], without: set[str]) -> str:
    return ",".join(f"{name}={json.dumps(value)}" for name, value in args.items() if name not in without)


def given_for(case: Case) -> Given:
    """Return what a user would say of a golden case, from how it was built."""
    ear, prefilter = case.facts.get("wav2spec"), case.facts.get("prefiltering")
    activation = case.facts.get("output_activation")
    options: dict[str, Any] = {"hz_per_response": 1.0, "bin_ms": 5.0, "max_frames": case.facts["output_shape"][-1]}
    if ear:
        args = ear["args"]
        options |= {"sample_rate_hz": args["audio_fs"], "bin_ms": args["dt_ms"], "round_bin": True}
        options["wav2spec"] = "defaults," + words(args, {"kind", "audio_fs", "dt_ms"})
    if prefilter:
        slot = deepstrf.prefilter_slot(prefilter["args"], prefilter["factory"])
        options["prefilter_taps"] = slot.options["kernel_frames"]
    if activation:
        kind = deepstrf.ACTIVATION_KINDS[activation["class"]]
        options["activation"] = f"{kind}," + words(activation["args"], set())
    return Given(**options)


def assert_imported_exactly(case: Case, out: Path) -> None:
    import_checkpoint(case.folder / "ckpt", out, given_for(case))
    expected = case.output()
    assert expected is not None
    y = heard(load_model(out).model, case.input(), torch.float64, np.random.default_rng(0))
    assert np.abs(y.reshape(expected.shape) - expected).max() <= 1e-8 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("case_", model_cases(COMMITTED), ids=lambda case: case.name)
def test_deepstrf_s_own_folders_are_imported_and_exact(case_: Case, tmp_path: Path) -> None:
    assert_imported_exactly(case_, tmp_path / "out")


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the golden vectors (shared/golden) are not here")
@pytest.mark.parametrize("case_", model_cases(FOLDER), ids=lambda case: case.name)
def test_larger_ones_beside_the_repository_too(case_: Case, tmp_path: Path) -> None:
    assert_imported_exactly(case_, tmp_path / "out")
