"""Every class of model that a recipe may name: its keys, and a whole small fit of each."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from pydantic import ValidationError

from rtstrf.checkpoints.build import MODEL_CLASSES, SLOTS
from rtstrf.checkpoints.load import load_model
from rtstrf.errors import ConfigError
from rtstrf.fit.config import FitConfig, TrainingConfig, read_config
from rtstrf.fit.model_config import SECTIONS, ModelConfig, StateNetConfig
from rtstrf.fit.network import make_network, noisy_forward, predict, stage_dropout
from rtstrf.fit.train import fit
from rtstrf.sound.make import open_source
from rtstrf.verify.report import verify
from tests.fit.test_train import MODEL, quiet, recipe

SHARED = {key: MODEL[key] for key in ("sample_rate_hz", "wav2spec")}
# Small ones, with a part of each kind.
SMALL: dict[str, dict[str, Any]] = {
    "StateNet": {"hidden_channels": 2, "kernel_size": 4, "stride": 2},
    "DNet": {"n_hidden": 6, "temporal_window_size": 4, "kernel": {"kind": "dcls", "options": {"num_gaussians": 2}}},
    "Transformer": {"embedding_dim": 8, "n_heads": 2, "context_window": 12, "time_patch_size": 3, "token_gain": 2.0},
    "LinearNonlinear": {"temporal_window_size": 5, "kernel": {"kind": "separable"}},
    "NetworkReceptiveField": {"n_hidden": 6, "temporal_window_size": 4},
    "ConvNet2D": {"kernel_size": [3, 2], "c_hidden": 2, "n_hidden": 4},
}
ADAPTED = {"prefiltering": {"kind": "adaptrans", "options": {"max_freq_hz": 8000.0}}}


def section(kind: str, **changes: object) -> ModelConfig:
    return SECTIONS[kind].model_validate({"kind": kind, **SHARED, **SMALL[kind], **changes})


@pytest.mark.parametrize("kind", SECTIONS)
def test_the_keys_of_a_class_are_arguments_of_its_constructor(kind):
    arguments = inspect.signature(MODEL_CLASSES[kind]).parameters
    given = section(kind).options()
    assert set(given) <= set(arguments)
    # What is left is told by the front-end and the recordings, unused, or not for models built fresh.
    untold = {"n_frequency_bands", "out_neurons", *SLOTS, "max_frames", "deepstrf_phase"}
    assert set(arguments) - set(given) - untold == ({"temporal_window_size"} if kind == "StateNet" else set())


@pytest.mark.parametrize("kind", SECTIONS)
def test_the_defaults_of_a_class_are_those_of_its_constructor(kind):
    arguments = inspect.signature(MODEL_CLASSES[kind]).parameters
    for name, field in SECTIONS[kind].model_fields.items():
        if name in arguments and name not in SLOTS and not field.is_required():
            default = 14 if (kind, name) == ("StateNet", "hidden_channels") else arguments[name].default
            assert field.default == default, name


def test_a_recipe_from_before_there_was_a_choice_names_a_statenet():
    config = FitConfig.model_validate(
        {"name": "m", "data": {"train": [1], "validation": [2]}, "training": {"epochs": 1}, "model": {"stride": 2}}
    )
    assert config.model == StateNetConfig(stride=2)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"kind": "Perceptron"}, r"model: kind should be one of StateNet, DNet"),
        ({"kind": "DNet", "hidden_channels": 4}, r"\n  model\.hidden_channels: Extra inputs"),
        ({"kind": "DNet", "n_hidden": 0}, r"\n  model\.n_hidden: Input should be greater than 0"),
        ({"kind": "DNet", "init_tau": 1.0}, r"\n  model\.init_tau: Input should be greater than 1"),
        ({"kind": "Transformer"}, r"\n  model\.context_window: Field required"),
        ({"kind": "Transformer", "context_window": 0}, r"\n  model\.context_window: .*greater than 0"),
        ({"kind": "ConvNet2D", "kernel_size": [3]}, r"\n  model\.kernel_size\.1: Field required"),
        ({"kind": "StateNet", "rnn_type": "Elman"}, r"\n  model\.rnn_type: Input should be 'GRU'"),
        ({"kind": "LinearNonlinear", "n_hidden": 3}, r"\n  model\.n_hidden: Extra inputs"),
    ],
)
def test_a_key_or_value_that_a_class_does_not_take_is_named(tmp_path, model, told):
    path = tmp_path / "r.yaml"
    facts = {"name": "m", "data": {"train": [1], "validation": [2]}, "training": {"epochs": 1}, "model": model}
    path.write_text(yaml.safe_dump(facts))
    with pytest.raises(ConfigError, match=told):
        read_config(path)


def test_sizes_that_do_not_fit_together_are_named_when_the_model_is_built():
    with pytest.raises(ConfigError, match="3 heads do not divide"):
        make_network(section("Transformer", n_heads=3), 5.0, 2, seed=0)
    with pytest.raises(ConfigError, match="unknown kernel 'sinc'"):
        make_network(section("DNet", kernel={"kind": "sinc"}), 5.0, 2, seed=0)


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("kind", SECTIONS)
def test_a_network_of_each_class_follows_from_its_seed_and_hears_through_all_its_stages(kind, adapted):
    config = section(kind, **(ADAPTED if adapted else {}))
    models = [make_network(config, 5.0, 3, seed=seed).eval() for seed in (1, 1, 2)]
    assert type(models[0]).__name__ == kind
    sound_pa = 0.1 * torch.randn(2, 1, 80 * 30, generator=torch.Generator().manual_seed(0))
    responses = [predict(model, sound_pa) for model in models]
    assert responses[0].shape == (2, 3, 30)
    assert torch.equal(responses[0], responses[1])
    assert not torch.equal(responses[0], responses[2])
    assert (responses[0] > 0).all()


@pytest.mark.parametrize("kind", SECTIONS)
def test_without_noise_what_is_fitted_is_what_is_served(kind):
    model = make_network(section(kind, **ADAPTED), 5.0, 3, seed=1).eval()
    sound_pa = 0.1 * torch.randn(2, 1, 80 * 30, generator=torch.Generator().manual_seed(0))
    training = TrainingConfig(epochs=1, readout_dropout=0.0)
    fitted = noisy_forward(model, model.front_end(sound_pa), training, 0.0, torch.Generator())
    torch.testing.assert_close(fitted, predict(model, sound_pa))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("StateNet", {"encoder_layers": 0.1, "rnn": 0.3}),
        ("DNet", {"core": 0.3}),
        ("ConvNet2D", {"core": 0.3}),
        ("Transformer", {"patchify": 0.1, "tsfm": 0.3}),
        ("LinearNonlinear", {}),
    ],
)
def test_dropout_falls_on_the_encoder_and_on_what_the_readout_hears(kind, expected):
    training = TrainingConfig(epochs=1, encoder_dropout=0.1, readout_dropout=0.3)
    assert stage_dropout(make_network(section(kind, **ADAPTED), 5.0, 2, seed=0), training) == expected


def test_a_presentation_may_begin_at_any_count_of_bins():
    model = make_network(section("Transformer"), 5.0, 3, seed=1).eval()
    heard = model.front_end(0.1 * torch.randn(4, 1, 80 * 30, generator=torch.Generator().manual_seed(0)))
    training = TrainingConfig(epochs=1, readout_dropout=0.0, latest_start_bins=1)
    known = []
    for start in (0, 1):
        x = heard
        for name, stage in model.stages():
            if name == "pos_encoding":
                x, _ = stage.step(x, {"t": torch.full((4,), start)})
            elif name != "wav2spec":
                x = stage(x)
        known.append(x)
    drawn = torch.cat([noisy_forward(model, heard, training, 0.0, torch.Generator().manual_seed(s)) for s in range(3)])
    at = [(drawn - x.repeat(3, 1, 1)).abs().amax(dim=(1, 2)) < 1e-6 for x in known]
    assert (at[0] ^ at[1]).all()
    assert at[0].any()
    assert at[1].any()


@pytest.mark.parametrize("kind", [kind for kind in SECTIONS if kind != "StateNet"])
def test_a_fit_of_each_class_learns_and_writes_a_checkpoint_that_streams(kind, own, tmp_path):
    model = {"kind": kind, **SHARED, **SMALL[kind]}
    config = recipe(epochs=25, model=model)
    fitted = fit(config, own, tmp_path / "run", console=quiet())
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < log[0]["loss"]
    assert np.nanmean(fitted.cc_norm) > 0.25
    loaded = load_model(fitted.folder)
    assert type(loaded.model).__name__ == kind
    assert FitConfig.model_validate(loaded.sidecar.provenance["recipe"]) == config
    result = verify(loaded, open_source("scene"), seconds=0.3)
    assert result["passed"], result["guarantees"]


def test_teachers_may_be_of_other_classes_than_their_student(own, tmp_path):
    teachers = [{"model": {"kind": kind, **SHARED, **SMALL[kind]}} for kind in ("StateNet", "Transformer")]
    student = {"epochs": 1, "sounds_per_step": 2}
    config = recipe(
        epochs=1,
        model={"kind": "DNet", **SHARED, **SMALL["DNet"]},
        distillation={"teachers": teachers, "student": student},
    )
    result = fit(config, own, tmp_path / "run", console=quiet())
    assert type(load_model(result.folder).model).__name__ == "DNet"
    assert len(list((tmp_path / "run" / "networks").iterdir())) == 3


def test_a_section_is_of_one_class_only():
    with pytest.raises(ValidationError):
        SECTIONS["DNet"].model_validate({"kind": "StateNet"})
