"""Fitting one network: steps, epochs, the running average of its weights, and a state that can be put aside.

All randomness of an epoch follows from (seed, network, epoch) alone. So a fit that was stopped after any epoch and
taken up again ends with the same weights, bit for bit, as one that was never stopped, and no generator's state needs
to be kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtstrf.fit.config import AugmentationConfig, TrainingConfig
from rtstrf.fit.courses import Course
from rtstrf.fit.model_config import ModelConfig
from rtstrf.fit.network import make_network, noisy_forward
from rtstrf.models.model import AuditoryModel


@dataclass(frozen=True, slots=True)
class Plan:
    """How to fit one network.

    Attributes
    ----------
    name : str
        As people see it.
    model : ModelConfig
    training : TrainingConfig
    augmentation : AugmentationConfig
    seed, network : int
        The fit's seed and which of its networks this is; all randomness follows from the two.
    bin_ms : float
    units : int
        Neurons N.
    """

    name: str
    model: ModelConfig
    training: TrainingConfig
    augmentation: AugmentationConfig
    seed: int
    network: int
    bin_ms: float
    units: int


class NetworkFit:
    """One network on its way: weights, their running average, and the optimiser.

    Parameters
    ----------
    plan : Plan
    course : Course
        What it learns from.
    """

    def __init__(self, plan: Plan, course: Course) -> None:
        self.plan, self.course = plan, course
        self.epoch = 0
        self.model = make_network(plan.model, plan.bin_ms, plan.units, random_seed(plan.seed, plan.network, 0))
        decayed = [p for p in self.model.parameters() if p.ndim > 1]  # matrices; not biases, norms and time constants
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": plan.training.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=plan.training.learning_rate,
        )
        self.average = {key: value.clone() for key, value in self.model.state_dict().items()}

    @property
    def done(self) -> bool:
        """Whether every epoch has been run."""
        return self.epoch >= self.plan.training.epochs

    def run_epoch(self) -> float:
        """Run the next epoch and return its mean loss."""
        self.epoch += 1
        seeds = (self.plan.seed, self.plan.network, self.epoch)
        rng = np.random.default_rng(seeds)
        generator = torch.Generator().manual_seed(random_seed(*seeds))
        self.model.train()
        losses = []
        for index, batch in enumerate(self.course.batches(rng)):
            step = (self.epoch - 1) * self.course.steps + index
            for group in self.optimiser.param_groups:
                group["lr"] = self.plan.training.learning_rate * self._schedule(step)
            noise = self.plan.augmentation.spectrogram_noise
            prediction = noisy_forward(self.model, batch.heard, self.plan.training, noise, generator)
            loss = response_loss(prediction, batch.target, batch.scored, self.plan.training.loss)
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.training.gradient_norm)
            self.optimiser.step()
            self._update_average(step)
            losses.append(loss.item())
        return float(np.mean(losses))

    def averaged_model(self) -> AuditoryModel:
        """Return a model of its own with the running average of the weights, ready to predict."""
        model = make_network(self.plan.model, self.plan.bin_ms, self.plan.units, seed=0)
        model.load_state_dict(self.average)
        return model.eval()

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs: tensors and numbers only."""
        return {
            "epoch": self.epoch,
            "network": self.plan.network,
            "model": self.model.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a fit where `state` was taken."""
        self.epoch = int(state["epoch"])
        self.model.load_state_dict(state["model"])
        self.average = {key: value.clone() for key, value in state["average"].items()}
        self.optimiser.load_state_dict(state["optimiser"])

    def _schedule(self, step: int) -> float:
        """Return the share of the peak learning rate: a linear rise times a half cosine."""
        total = self.course.steps * self.plan.training.epochs
        return min(1.0, (step + 1) / self.plan.training.rise_steps) * 0.5 * (1 + math.cos(math.pi * step / total))

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        # The first steps count less than the decay says, so that the random start is soon forgotten.
        keep = min(self.plan.training.average_decay, (step + 1) / (step + 10))
        for key, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[key].lerp_(value, 1 - keep)
            else:  # the count of a batch norm
                self.average[key].copy_(value)


def response_loss(prediction: Tensor, target: Tensor, scored: Tensor, kind: str) -> Tensor:
    """Return the mean loss over units and scored bins.

    Parameters
    ----------
    prediction, target : Tensor, shape (B, N, T)
        Not negative, for ``poisson``.
    scored : Tensor, shape (B, 1, T), bool
    kind : {"mse", "poisson"}
        Squared error, or Poisson deviance less what the target alone decides.
    """
    # The offset keeps the loss of a silent unit finite.
    losses = (prediction - target).square() if kind == "mse" else prediction - target * torch.log(prediction + 1e-4)
    return torch.where(scored, losses, 0.0).sum() / (scored.sum() * prediction.shape[1])


def random_seed(*parts: int) -> int:
    """Return one seed that follows from several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
