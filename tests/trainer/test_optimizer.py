"""Loss scaling and warm-up, on a single weight."""

from __future__ import annotations

import pytest
import torch

from trainer.events import Plan
from trainer.optimizer import Descent
from trainer.spec import Recipe

PLAN = Plan(
    name="cpu", method="full", precision="fp16", optimizer="adamw", gradient_checkpointing=False, needed_gib=0
)  # fmt: skip


def descent(recipe: Recipe, plan: Plan = PLAN) -> tuple[torch.nn.Parameter, Descent]:
    weight = torch.nn.Parameter(torch.ones(4))
    return weight, Descent([weight], recipe, plan, torch.device("cpu"))


def advance(weight: torch.nn.Parameter, one: Descent, factor: float = 1.0) -> float:
    """One step towards smaller values, and how far it went."""
    before = weight.detach().clone()
    one.clear()
    one.backward(factor * weight.sum())
    one.step()
    return float((before - weight).detach().max())


def test_a_gradient_that_overflowed_is_passed_over() -> None:
    weight, one = descent(Recipe(learning_rate=0.1))
    assert advance(weight, one, float("inf")) == 0.0
    assert advance(weight, one) > 0.09


def test_the_scale_is_part_of_the_state() -> None:
    weight, one = descent(Recipe(learning_rate=0.1))
    advance(weight, one, float("inf"))
    other_weight, other = descent(Recipe(learning_rate=0.1))
    other.restore(one.state())
    assert other.state()["scaler"] == one.state()["scaler"] != descent(Recipe())[1].state()["scaler"]
    assert advance(other_weight, other) == pytest.approx(advance(weight, one))


def test_the_rate_rises_to_its_value() -> None:
    weight, one = descent(
        Recipe(learning_rate=0.4, warmup_steps=3), PLAN.model_copy(update={"precision": "fp32"})
    )
    lengths = []
    for done in range(5):
        one.warm_up(done)
        lengths.append(advance(weight, one))
    assert lengths == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4], abs=0.01)


def test_lora_has_a_rate_of_its_own() -> None:
    recipe = Recipe(learning_rate=0.1, lora_learning_rate=0.3)
    weight, one = descent(recipe, PLAN.model_copy(update={"method": "lora"}))
    assert advance(weight, one) == pytest.approx(0.3, abs=0.01)
