"""Loss scaling, warm-up and exact masters, on a single weight."""

from __future__ import annotations

import pytest
import torch

from trainer.events import Plan
from trainer.optimizer import Descent, descent, rate_at
from trainer.spec import Recipe
from trainer.split_adamw import SplitAdamW, join, split

PLAN = Plan(
    name="cpu", method="full", precision="fp16", optimizer="adamw", gradient_checkpointing=False, needed_gib=0
)  # fmt: skip


def one_weight(recipe: Recipe, plan: Plan = PLAN) -> tuple[torch.nn.Parameter, Descent]:
    weight = torch.nn.Parameter(torch.ones(4))
    return weight, descent([weight], recipe, plan, torch.device("cpu"))


def advance(weight: torch.nn.Parameter, one: Descent, factor: float = 1.0) -> float:
    """One step towards smaller values, and how far it went."""
    before = weight.detach().clone()
    one.clear()
    one.backward(factor * weight.sum())
    one.step()
    return float((before - weight).detach().max())


def test_a_gradient_that_overflowed_is_passed_over() -> None:
    weight, one = one_weight(Recipe(learning_rate=0.1))
    assert advance(weight, one, float("inf")) == 0.0
    assert advance(weight, one) > 0.09


def test_the_scale_is_part_of_the_state() -> None:
    weight, one = one_weight(Recipe(learning_rate=0.1))
    advance(weight, one, float("inf"))
    other_weight, other = one_weight(Recipe(learning_rate=0.1))
    other.restore(one.state())
    assert other.state()["scaler"] == one.state()["scaler"] != one_weight(Recipe())[1].state()["scaler"]
    assert advance(other_weight, other) == pytest.approx(advance(weight, one))


def test_the_rate_rises_to_its_value() -> None:
    plan = PLAN.model_copy(update={"precision": "fp32"})
    recipe = Recipe(learning_rate=0.4, warmup_steps=3)
    weight, one = one_weight(recipe, plan)
    lengths = []
    for done in range(5):
        one.set_rate(rate_at(done, recipe, plan))
        lengths.append(advance(weight, one))
    assert lengths == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4], abs=0.01)


def test_lora_has_a_rate_of_its_own() -> None:
    recipe = Recipe(learning_rate=0.1, lora_learning_rate=0.3)
    weight, one = one_weight(recipe, PLAN.model_copy(update={"method": "lora"}))
    assert advance(weight, one) == pytest.approx(0.3, abs=0.01)


def test_split_weights_are_put_together_bit_for_bit() -> None:
    values = torch.cat([torch.randn(10_000), torch.tensor([0.0, -0.0, 1.00390625, -1.00390625, 3e38, 1e-40])])
    working, rest = split(values)
    assert torch.equal(join(working, rest).view(torch.int32), values.view(torch.int32))
    assert (working.float() - values).abs().le((values.to(torch.bfloat16).float() - values).abs()).all()


def test_what_is_no_number_is_seen_by_the_model() -> None:
    """A GPU's own is the largest pattern of bits: rounded up, it would be a zero, and no loss would tell."""
    values = torch.tensor([0x7FFFFFFF, 0x7FC00000, -1, -0x400000, 0x7F800000], dtype=torch.int32)
    working, rest = split(values.view(torch.float32))
    assert working.isnan().tolist() == join(working, rest).isnan().tolist() == [True] * 4 + [False]


def test_masters_go_where_single_precision_goes() -> None:
    """Steps far below what bfloat16 can tell apart; the matrix lies as a convolution's weights do."""
    torch.manual_seed(0)
    start = [torch.randn(8, 4, 3, 3).to(memory_format=torch.channels_last), torch.randn(5)]
    plain = [torch.nn.Parameter(value.clone()) for value in start]
    ours = [torch.nn.Parameter(value.clone()) for value in start]
    optimizer = torch.optim.AdamW(plain, lr=1e-5, weight_decay=0.01)
    splitting = SplitAdamW(ours, 1e-5, max_norm=0.5)
    for step in range(20):
        for number, (one, other) in enumerate(zip(plain, ours, strict=True)):
            gradient = torch.randn(start[number].shape, generator=torch.Generator().manual_seed(step))
            other.grad = gradient.to(torch.bfloat16)
            one.grad = other.grad.float()
        torch.nn.utils.clip_grad_norm_(plain, 0.5)
        optimizer.step()
        splitting.step()
    for one, other, master in zip(plain, ours, splitting.masters(), strict=True):
        assert other.dtype == torch.bfloat16
        torch.testing.assert_close(master, one.detach(), rtol=0, atol=2e-7)
        assert torch.equal(other, split(master)[0])


def test_releasing_leaves_the_exact_weights() -> None:
    weight = torch.nn.Parameter(torch.tensor([0.1, 0.2]))
    one = SplitAdamW([weight], 1e-3, max_norm=1.0)
    exact = [value.clone() for value in one.masters()]
    one.release()
    assert weight.dtype == torch.float32
    assert torch.equal(weight.data, exact[0])
    assert torch.equal(weight.data, torch.tensor([0.1, 0.2]))


def test_what_has_no_gradient_stays_as_it_is() -> None:
    moving, resting = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    one = SplitAdamW([moving, resting], 0.1, max_norm=1.0)
    one.backward(moving.float().sum())
    one.step()
    masters = [*one.masters()]
    assert (masters[0] < 1.0).all()
    assert torch.equal(masters[1], torch.ones(3))
