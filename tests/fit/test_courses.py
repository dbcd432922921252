import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.errors import ConfigError
from rtstrf.fit.augment import Variant, mix, render, shift, vary
from rtstrf.fit.config import AugmentationConfig, FitConfig, TrainingConfig
from rtstrf.fit.courses import distilled, excerpts, recorded, steps_per_epoch
from rtstrf.fit.dataset import SoundsAndResponses
from rtstrf.fit.training import response_loss
from rtstrf.stream import Stateless

HOP = 4
BANDS = 2
SEEDS = st.integers(0, 2**32 - 1)
VARIED = AugmentationConfig(level_db=6.0, shift_ms=1.0)


def numbered(sounds: int, bins: int, units: int = 2) -> SoundsAndResponses:
    """Sounds whose every sample says which sound and bin it belongs to, and responses that say the same."""
    code = torch.arange(sounds)[:, None] * 1000.0 + torch.arange(bins) + 1  # (S, T)
    response = code[:, None].repeat(1, units, 1)
    return SoundsAndResponses(
        code.repeat_interleave(HOP, dim=1)[:, None], response, response[:, :, None].numpy().repeat(2, axis=2)
    )


class Numbers(Stateless):
    """A front-end that hears the number of each bin, in every band."""

    def apply_frames(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, None, ::HOP].expand(-1, -1, BANDS, -1)

    def input_shape(self, streams: int, frames: int) -> tuple[int, ...]:
        return (streams, 1, frames * HOP)


class WithWeights(Numbers):
    """A front-end that could be fitted."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1))


def heard_of(data: SoundsAndResponses) -> torch.Tensor:
    return Numbers()(data.sound_pa)


def config(**changes: object) -> FitConfig:
    training = {"epochs": 1, "sounds_per_step": 3, "excerpt_bins": 10, "settling_bins": 4, **changes}
    return FitConfig.model_validate({"name": "m", "data": {"train": [1], "validation": [2]}, "training": training})


@given(SEEDS, st.integers(1, 30), st.integers(0, 12))
def test_an_excerpt_of_a_sound_goes_with_the_same_excerpt_of_the_responses(seed, length, settling):
    training = TrainingConfig(epochs=1, excerpt_bins=length + settling, settling_bins=settling)
    data = numbered(3, 30)
    batch = excerpts(heard_of(data), data.mean_response, training, np.random.default_rng(seed))
    assert batch.target.shape[-1] == min(length + settling, 30)
    for band in range(BANDS):
        assert torch.equal(batch.heard[:, 0, band], batch.target[:, 0])


@given(SEEDS)
def test_the_bins_in_which_the_state_settles_are_not_scored_but_at_the_start_of_the_sound(seed):
    training = TrainingConfig(epochs=1, excerpt_bins=10, settling_bins=4)
    data = numbered(5, 20)
    batch = excerpts(heard_of(data), data.mean_response, training, np.random.default_rng(seed))
    for target, scored in zip(batch.target, batch.scored, strict=True):
        at_start = target[0, 0] % 1000 == 1
        assert scored[0].tolist() == [at_start.item()] * 4 + [True] * 6


def test_every_bin_of_a_sound_is_scored_now_and_then_and_its_first_as_often_as_others():
    training = TrainingConfig(epochs=1, excerpt_bins=10, settling_bins=4)
    data = numbered(1, 20)
    rng = np.random.default_rng(0)
    scored = np.zeros(20)
    for _ in range(3000):
        batch = excerpts(heard_of(data), data.mean_response, training, rng)
        scored[batch.target[0, 0][batch.scored[0, 0]].long().numpy() - 1] += 1
    assert scored[0] > 0.3 * scored.max()
    assert scored.min() > 0.05 * scored.max()


def test_without_excerpts_whole_sounds_are_scored_whole():
    data = numbered(2, 20)
    batch = excerpts(heard_of(data), data.mean_response, TrainingConfig(epochs=1), np.random.default_rng(0))
    assert torch.equal(batch.heard, heard_of(data))
    assert batch.scored.all()


def test_an_epoch_presents_every_sound_equally_often():
    data = numbered(5, 20)
    course = recorded(config(presentations=2), data, Numbers(), np.random.default_rng(1))
    batches = list(course.batches(np.random.default_rng(0)))
    assert len(batches) == course.steps == steps_per_epoch(config(presentations=2).training, 5) == 4
    presented = torch.cat([batch.target[:, 0, 0] // 1000 for batch in batches]).long()
    assert torch.bincount(presented).tolist() == [2] * 5


class Echo(torch.nn.Module):
    """A teacher that answers with a constant."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, sound_pa: torch.Tensor) -> torch.Tensor:
        return torch.full((len(sound_pa), 2, sound_pa.shape[-1] // HOP), self.value)


def taught(weight: float, mixtures: int, sounds: int = 3) -> torch.Tensor:
    """Return the targets of an epoch whose teachers answer 10 and 30, shape (presentations, T)."""
    training = {"epochs": 1, "sounds_per_step": 2}
    recipe = config().model_copy(update={"augmentation": AugmentationConfig(variants=2)})
    facts = {"teachers": [{"copies": 1}], "student": training, "weight": weight, "mixtures": mixtures}
    recipe = FitConfig.model_validate({**recipe.model_dump(), "distillation": facts})
    assert recipe.distillation is not None
    rng = np.random.default_rng(0)
    data = numbered(sounds, 20)
    teachers = [Echo(10.0), Echo(30.0)]
    course = distilled(recipe, recipe.distillation, data, Numbers(), teachers, rng)  # type: ignore[arg-type]
    batches = list(course.batches(rng))
    assert len(batches) == course.steps
    return torch.cat([batch.target[:, 0] for batch in batches])


def test_a_student_s_target_is_the_response_mixed_with_the_teachers_mean():
    measured = numbered(3, 20).mean_response[:, 0]
    for weight in (0.0, 0.25, 1.0):
        targets = taught(weight, mixtures=0)
        ordered = targets[targets[:, 0].argsort()] if weight < 1 else targets
        torch.testing.assert_close(ordered, weight * 20.0 + (1 - weight) * measured)


def test_mixtures_are_labelled_by_the_teachers_alone():
    targets = taught(0.0, mixtures=4)
    assert len(targets) == 7
    assert (targets == 20.0).all(dim=1).sum() == 4


def test_a_mixture_needs_two_sounds():
    with pytest.raises(ConfigError, match="mixtures of one sound"):
        taught(0.5, mixtures=1, sounds=1)


def test_an_epoch_draws_from_all_variants_and_each_goes_with_its_own_target():
    data = numbered(2, 20)
    louder = config(presentations=40).model_copy(update={"augmentation": AugmentationConfig(level_db=6.0, variants=3)})
    course = recorded(louder, data, Numbers(), np.random.default_rng(1))
    gains = set()
    for batch in course.batches(np.random.default_rng(0)):
        ratio = batch.heard[:, 0, 0] / batch.target[:, 0]
        assert torch.allclose(ratio, ratio[:, :1])  # the same bin, at another level
        gains |= {round(gain, 4) for gain in ratio[:, 0].tolist()}
    assert len(gains) == 6


def test_a_front_end_with_weights_of_its_own_is_refused():
    with pytest.raises(ConfigError, match="WithWeights has weights"):
        recorded(config(), numbered(2, 20), WithWeights(), np.random.default_rng(0))


@given(SEEDS)
def test_levels_and_shifts_stay_within_what_the_recipe_says(seed):
    variant = vary(0, VARIED, 48000, np.random.default_rng(seed))
    assert abs(20 * np.log10(variant.gain)) <= 6.0
    assert abs(variant.shift_samples) <= 48
    assert variant.second_sound is None


@given(SEEDS)
def test_a_mixture_is_of_two_different_sounds_at_about_the_power_of_one(seed):
    rng = np.random.default_rng(seed)
    variant = mix(4, 12.0, AugmentationConfig(), 48000, rng)
    assert variant.second_sound not in (None, variant.sound)
    assert 10 ** (-12 / 20) <= variant.second_gain <= 1
    noise = torch.randn((4, 1, 20000), generator=torch.Generator().manual_seed(seed % 1000))
    assert variant.render(noise).square().mean().item() == pytest.approx(1.0, rel=0.1)


def test_a_variant_without_changes_is_the_sound_itself():
    sounds = torch.randn(2, 1, 8)
    assert torch.equal(render([Variant(1), Variant(0)], sounds), sounds[[1, 0]])


@given(st.integers(-5, 5))
def test_a_shift_moves_every_sample_and_fills_with_silence(samples):
    sound = torch.arange(1.0, 6.0)[None]
    moved = shift(sound, samples)
    expected = [i - samples + 1 if 0 <= i - samples < 5 else 0 for i in range(5)]
    assert moved[0].tolist() == expected


def test_only_scored_bins_count_in_the_loss():
    prediction, target = torch.rand(2, 3, 6) + 0.1, torch.rand(2, 3, 6)
    scored = torch.rand(2, 1, 6) > 0.4
    for kind in ("mse", "poisson"):
        loss = response_loss(prediction, target, scored, kind)
        spoilt = torch.where(scored, target, target + 100.0)
        assert response_loss(prediction, spoilt, scored, kind) == loss
        everywhere = response_loss(prediction, target, torch.ones_like(scored), kind)
        assert everywhere != loss


def test_the_poisson_loss_is_least_at_the_target():
    target = torch.tensor([[[0.2, 1.0, 3.0]]])
    scored = torch.ones(1, 1, 3, dtype=torch.bool)
    at = response_loss(target, target, scored, "poisson")
    for factor in (0.8, 1.25):
        assert response_loss(factor * target, target, scored, "poisson") > at
