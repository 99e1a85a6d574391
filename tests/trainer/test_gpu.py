"""What only a GPU can show: the captured step and the kernel compute what the plain ones do."""

from __future__ import annotations

import pytest
import torch

from inference.bases import MINI
from inference.model import load
from trainer import split_adamw
from trainer.dreambooth import DreamBooth, LatentSet
from trainer.spec import Recipe

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
STEPS = 8


def train(recipe: Recipe, monkeypatch: pytest.MonkeyPatch, *, capture: bool) -> dict[str, torch.Tensor]:
    if not capture:
        monkeypatch.setattr("trainer.dreambooth.why_eager", lambda plan: "for comparison")
    device = torch.device("cuda")
    model = load(str(MINI), device, torch.float32)
    torch.manual_seed(0)
    mean = torch.randn(4, 4, 24, 24, device=device)
    photos = LatentSet(mean, torch.full_like(mean, 0.1), model.token_ids(["photo of abraza person"] * 4))
    others = LatentSet(-mean, torch.full_like(mean, 0.1), model.token_ids(["photo of a person"] * 4))
    dreambooth = DreamBooth(model, recipe, photos, others)
    for _ in range(STEPS):
        dreambooth.step()
    return {name: weight.clone() for name, weight in dreambooth.learned()}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precision": "fp32"},
        {"precision": "fp16"},
        {"train_text_encoder": False, "min_snr_gamma": 5.0},
        {"text_encoder_steps": 5, "warmup_steps": 3},
        {"memory": "lean"},
        {"method": "lora"},
        {"memory": "lora-lean", "accumulation": 2},
    ],
    ids=lambda changes: "+".join(changes) or "plain",
)
def test_the_captured_step_is_the_eager_one(
    changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe.model_validate({"learning_rate": 1e-4, "lora_learning_rate": 1e-3, **changes})
    captured = train(recipe, monkeypatch, capture=True)
    eager = train(recipe, monkeypatch, capture=False)
    # Kernels may add up in another order: after some of AdamW's first steps, which go by signs, a few
    # weights with next to no gradient may differ by those steps.
    rate = 1e-3 if "lora" in str(changes) else 1e-4
    apart = torch.cat([(captured[name] - eager[name]).abs().flatten() for name in eager])
    assert apart.max() <= 2 * rate * STEPS
    assert apart.mean() < 0.05 * rate * STEPS


def test_the_kernel_is_the_plain_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def masters(*, kernel: bool) -> list[torch.Tensor]:
        if not kernel:
            monkeypatch.setattr(split_adamw, "_triton_pass", lambda *_: None)
        torch.manual_seed(0)
        shapes = [(64, 32, 3, 3), (4099,), (7,), (128, 65)]
        weights = [torch.nn.Parameter(torch.randn(shape, device="cuda")) for shape in shapes]
        weights[0].data = weights[0].data.to(memory_format=torch.channels_last)
        one = split_adamw.SplitAdamW(weights, 1e-4, max_norm=1.0)
        for step in range(30):
            torch.manual_seed(step)
            for weight in weights[: 3 if step % 3 else 4]:
                weight.grad = torch.randn(weight.shape, device="cuda").to(torch.bfloat16)
            one.step()
            one.clear()
        return [*one.masters()]

    for ours, plain in zip(masters(kernel=True), masters(kernel=False), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5)  # of 30 steps of 1e-4
